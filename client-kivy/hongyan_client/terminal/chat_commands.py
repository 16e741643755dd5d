"""The commands about conversations and messages."""

import asyncio
from typing import Annotated

import typer

from hongyan_client.client import Client
from hongyan_client.errors import (
    DeadlineExceeded,
    HongyanError,
    InvalidArgument,
    NotFound,
    NotLoggedIn,
    Unavailable,
)
from hongyan_client.model import (
    ConnectionChanged,
    ConnectionState,
    Event,
    Message,
    MessageAdded,
    ReadMoved,
    SignedOut,
)
from hongyan_client.terminal.chat import Chat
from hongyan_client.terminal.lines import message_line, notice, tick
from hongyan_client.terminal.output import (
    conversation_json,
    event_json,
    moment,
    one_line,
    separates,
)
from hongyan_client.terminal.people_commands import user_id_of
from hongyan_client.terminal.shell import (
    NOT_LOGGED_IN,
    REFUSED,
    Shell,
    label_of,
    name_of,
    namer,
    title_of,
)
from hongyan_client.terminal.strings import text

SEND_SECONDS = 30.0
ConversationId = Annotated[str, typer.Argument(metavar="CONVERSATION")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("open")(open_direct)
    app.command("chats")(chats)
    app.command("history")(history)
    app.command("send")(send)
    app.command("watch")(watch)
    app.command("chat")(chat)


async def _names(client: Client, user_ids: set[str]) -> dict[str, str]:
    return {it: await name_of(client, it) for it in sorted(user_ids)}


def open_direct(
    ctx: typer.Context, user_id: Annotated[str, typer.Argument(help="Whom to talk to.")]
) -> None:
    """Open the direct conversation with a user, and print its id."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        conversation = await client.open_direct(user_id)
        if shell.output.json:
            names = await _names(client, {it.user_id for it in conversation.members})
            shell.output.data(conversation_json(conversation, names))
        else:
            shell.output.console.print(conversation.conversation_id, markup=False)

    shell.run(work)


def chats(
    ctx: typer.Context,
    archived: Annotated[bool, typer.Option("--archived", help="Those that were put away.")] = False,
) -> None:
    """List your conversations, the latest active first."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        found = await client.conversations(archived=archived)
        names = await _names(client, {m.user_id for it in found for m in it.members})
        if shell.output.json:
            for conversation in found:
                shell.output.data(conversation_json(conversation, names))
            return
        if not found:
            shell.output.say(text("chat.none"))
            return
        rows = []
        named = await namer(client, [it.last_message for it in found if it.last_message])
        for it in found:
            last = it.last_message
            line = one_line(last.text or notice(last, named))[:60] if last else ""
            if it.settings.draft:
                line = f"{text('chats.draft')} {one_line(it.settings.draft)[:50]}"
            unread = str(it.unread_count) if it.unread_count else ""
            if it.settings.marked_unread and not unread:
                unread = "•"
            unread += " @" if it.mention_count else ""
            with_whom = await title_of(client, it)
            when = moment(last.created_at) if last else ""
            with_whom += " ⚲" if it.settings.pinned else ""
            rows.append([with_whom, unread, line, when, it.conversation_id])
        shell.output.table(["with", "unread", "last", "time", "conversation"], rows)

    shell.run(work)


def history(
    ctx: typer.Context,
    conversation: ConversationId,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
    before: Annotated[int, typer.Option(min=0, help="Only below this number; 0: newest.")] = 0,
) -> None:
    """Show the messages of a conversation, oldest first."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        try:
            await client.refresh(conversation)
        except (Unavailable, DeadlineExceeded):
            shell.output.say(text("chat.offline_cache"), "yellow")
        messages = await client.history(conversation, before or None, limit)
        if not before:
            messages += client.pending(conversation)
        await print_messages(shell, client, conversation, messages)

    shell.run(work)


async def print_messages(
    shell: Shell, client: Client, conversation_id: str, messages: list[Message]
) -> None:
    """Prints messages, with a time where it helps."""
    if shell.output.json:
        for message in messages:
            shell.output.data(message)
        return
    known = client.conversation(conversation_id)
    names = {it: await label_of(client, it) for it in {it.sender_id for it in messages}}
    named = await namer(client, messages)
    before = None
    for message in messages:
        if separates(before, message.created_at):
            shell.output.console.print(moment(message.created_at), style="dim")
        before = message.created_at
        own = message.sender_id == client.user_id
        line = message_line(
            message,
            names[message.sender_id],
            own=own,
            mark=tick(message, known, client.user_id),
            quoted=await quoted_by(client, message),
            names=named,
        )
        shell.output.console.print(line)


async def quoted_by(client: Client, message: Message) -> Message | None:
    """Returns the message that one answers, if it answers one that can be read."""
    if message.quote is None:
        return None
    try:
        return await client.message(message.conversation_id, message.quote.seq)
    except HongyanError:
        return None


def send(
    ctx: typer.Context,
    conversation: ConversationId,
    words: Annotated[str, typer.Argument(metavar="[TEXT]")] = "",
    card: Annotated[
        str, typer.Option(metavar="USER", help="Send somebody's card; without TEXT their name.")
    ] = "",
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait.")] = SEND_SECONDS,
) -> None:
    """Send one message and wait until it is stored.

    It goes through the outbox: when the server is away it is sent the next time, by `send`,
    `chat` or `watch`.
    """
    shell: Shell = ctx.obj
    if not words and not card:
        shell.usage(text("send.nothing"))

    async def work(client: Client) -> None:
        if card:
            user_id = await user_id_of(client, card)
            message = await client.send_card(conversation, user_id, words)
        else:
            message = await client.send(conversation, words)
        try:
            await client.deliver(timeout)
            stored = await client.settled(message.client_message_id, 0.1)
        except (Unavailable, DeadlineExceeded):
            shell.output.say(text("chat.kept", count=len(client.pending())), "yellow")
            raise
        if shell.output.json:
            shell.output.data(stored)
        else:
            shell.output.say(text("stored", seq=stored.seq))

    shell.run(work)


def watch(
    ctx: typer.Context,
    seconds: Annotated[float, typer.Option(min=0, help="Stop after so long; 0: never.")] = 0,
) -> None:
    """Print what happens, live; with --json one event a line. Ctrl-C ends it."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        events = client.events()
        await client.start()
        try:
            async with asyncio.timeout(seconds or None):
                async for event in events:
                    await _print_event(shell, client, event)
                    _end_with(shell, event)
        except TimeoutError:
            return

    shell.run(work)


def _end_with(shell: Shell, event: Event) -> None:
    """Ends the command when the connection will not come back."""
    if isinstance(event, SignedOut):
        shell.output.say(text("state.session_ended"), "red")
        raise typer.Exit(NOT_LOGGED_IN)
    if isinstance(event, ConnectionChanged) and event.reason == "REPLACED":
        shell.output.say(text("state.replaced"), "red")
        raise typer.Exit(REFUSED)


async def _print_event(shell: Shell, client: Client, event: Event) -> None:
    if shell.output.json:
        shell.output.data(event_json(event))
    elif isinstance(event, MessageAdded):
        message = event.message
        own = message.sender_id == client.user_id
        name = await label_of(client, message.sender_id)
        named = await namer(client, [message])
        line = message_line(message, name, own=own, mark="✓", names=named)
        shell.output.console.print(moment(message.created_at), style="dim", end="  ")
        shell.output.console.print(line)
    elif isinstance(event, ConnectionChanged):
        shell.output.say(text(f"state.{event.state}"), "dim")
    elif isinstance(event, ReadMoved) and event.user_id != client.user_id:
        name = await name_of(client, event.user_id)
        shell.output.say(f"✓✓ {name} {text('chat.read')} {event.read_seq}", "dim")


async def find(client: Client, shell: Shell, target: str) -> str:
    """Returns the conversation that a person means: by its id, a user's id or a name."""
    found = await client.conversations()
    if not target:
        if not found:
            shell.usage(text("chat.none"))
        return found[0].conversation_id
    # Also one that was put away, or taken out of the list.
    if client.conversation(target):
        return target
    found += await client.conversations(archived=True)
    named = [it for it in found if await title_of(client, it) == target]
    if len(named) == 1:
        return named[0].conversation_id
    try:
        return (await client.open_direct(target)).conversation_id
    except (NotFound, InvalidArgument):
        shell.usage(text("chat.unknown", target=target))


def chat(
    ctx: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="[CONVERSATION|USER_ID|NAME]", help="Without it: the latest active one."
        ),
    ] = "",
) -> None:
    """Talk in a conversation. Lines from a pipe are sent one by one, until all are stored."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        if not client.user_id:
            raise NotLoggedIn("log in first")
        conversation_id = await find(client, shell, target)
        session = Chat(client, shell, conversation_id)
        if shell.can_ask():
            await session.talk()
        else:
            await session.send_lines()
        if client.state is ConnectionState.SIGNED_OUT:
            raise NotLoggedIn("the session has ended")

    shell.run(work)
