"""How one message looks in a terminal: who, what, what became of it, and how far it got."""

from collections.abc import Callable

from rich.text import Text

from hongyan_client.model import (
    Conversation,
    GroupEvent,
    GroupSettings,
    Message,
    MessageKind,
    MessageState,
)
from hongyan_client.terminal.output import moment, one_line
from hongyan_client.terminal.strings import is_known, text

QUOTE_CHARACTERS = 40
Names = Callable[[str], str]


def tick(message: Message, conversation: Conversation | None, user_id: str) -> str:
    """Returns the mark of an own message: sending, stored, delivered, read or failed."""
    if message.state is MessageState.SENDING:
        return "…"
    if message.state is MessageState.FAILED:
        return "!"
    if conversation is None:
        return "✓"
    if message.seq <= conversation.read_by_others(user_id):
        return f"✓✓ {text('chat.read')}"
    return "✓✓" if message.seq <= conversation.received_by_others(user_id) else "✓"


def message_line(
    message: Message,
    name: str,
    *,
    own: bool,
    mark: str = "",
    quoted: Message | None = None,
    names: Names = str,
) -> Text:
    """Shows one message, with its number in front, by which it can be referred to.

    `names` gives the names of users of whom an event speaks.
    """
    line = Text()
    line.append(f"{message.seq:>4}  " if message.seq else "   …  ", style="dim")
    if message.quote:
        words = _summary(quoted) if quoted else text("message.quoted", seq=message.quote.seq)
        line.append(f"┆ {words}\n      ", style="dim")
    line.append(one_line(name), style="bold green" if own else "bold cyan")
    line.append("  ")
    _append_content(line, message, names)
    if message.edited_at and message.kind is MessageKind.TEXT:
        line.append(f" ({text('message.edited')})", style="dim")
    for it in message.reactions:
        count = f" {len(it.user_ids)}" if len(it.user_ids) > 1 else ""
        line.append(f"  [{one_line(it.emoji)}{count}]", style="magenta")
    if own and mark and message.kind is MessageKind.TEXT:
        line.append(f"  {mark}", style="bold red" if mark == "!" else "dim")
    if message.failure:
        line.append(f" {text('failed')}: {message.failure}", style="red")
    return line


def _append_content(line: Text, message: Message, names: Names) -> None:
    if message.kind is MessageKind.TEXT:
        if message.forwarded_from:
            line.append(f"↪ {text('message.forwarded')} ", style="dim")
        # Further lines are set apart, so that nobody can write what looks like another's line.
        line.append(one_line_each(message.text))
        if message.card_user_id:
            line.append(f" ☰ {one_line(names(message.card_user_id))}", style="dim")
        if message.expires_at:
            line.append(" ⏱", style="dim")
    else:
        line.append(one_line(notice(message, names)), style="italic dim")


def one_line_each(words: str) -> str:
    """Takes control characters out and sets further lines apart from what begins a message."""
    return "\n      ┊ ".join(one_line(it) for it in words.split("\n"))


def notice(message: Message, names: Names = str) -> str:
    """Says in words what an entry is that is no text."""
    change = message.change
    if message.kind is MessageKind.REMOVED:
        return text(f"message.{message.removed}")
    if message.kind is MessageKind.TIMER and change:
        if change.seconds:
            return text("message.timer", seconds=change.seconds)
        return text("message.timer_off")
    if message.kind is MessageKind.PIN and change:
        return text("message.unpinned" if change.removed else "message.pinned", seq=change.seq)
    if message.event:
        return _event(message.event, message.sender_id, names)
    return text("message.unknown")


def _event(event: GroupEvent, sender_id: str, names: Names) -> str:
    """Says what happened to a group, as something that the sender did."""
    users = text("list.and").join(names(it) for it in event.user_ids)
    key = f"event.{event.what}"
    match event.what:
        case "joined" if event.by_invite and sender_id in event.user_ids:
            key = "event.joined_by_invite"
        case "left" if sender_id not in event.user_ids:
            key = "event.removed"
        case "role":
            key = f"event.role_{event.role}"
        case "announced" if not event.text:
            key = "event.unannounced"
        case "silenced" if event.until is None:
            key = "event.unsilenced"
        case "changed" if event.settings:
            return _changed(event, event.settings)
    if not is_known(key):
        return text("message.unknown")
    until = moment(event.until) if event.until else ""
    inviter = names(event.inviter_id)
    return text(key, users=users, name=event.text, text=event.text, until=until, inviter=inviter)


def _changed(event: GroupEvent, settings: GroupSettings) -> str:
    if event.fields == ("name",):
        return text("event.renamed", name=settings.name)
    for field in ("muted", "approval"):
        if event.fields == (field,):
            return text(f"event.{field}" if getattr(settings, field) else f"event.not_{field}")
    return text("event.changed")


def _summary(message: Message) -> str:
    words = one_line(message.text) if message.text else notice(message)
    return words if len(words) <= QUOTE_CHARACTERS else words[:QUOTE_CHARACTERS] + "…"
