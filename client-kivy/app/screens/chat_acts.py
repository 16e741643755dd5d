"""What can be done with messages: the menu of one, and many at once."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.core.clipboard import Clipboard

from app.widgets.menu import Item
from app.widgets.message_row import MessageRow
from hongyan_client.model import Message, MessageKind, MessageState
from hongyan_client.permissions import Act, may

RECALL_SECONDS, EDIT_SECONDS, AGAIN_SECONDS = 120, 86_400, 300
QUICK = ("👍", "❤️", "😂", "🎉", "😢", "🙏")


class Acts:
    """The acts of one chat screen."""

    def __init__(self, chat: Any) -> None:
        self._chat = chat
        self._taken: dict[tuple[str, int], str] = {}

    @property
    def _app(self) -> Any:
        return App.get_running_app()

    @property
    def _client(self) -> Any:
        return self._chat.session.client

    # The menu of one message

    def ask(self, row: MessageRow, where: Sequence[float]) -> None:
        """Asks what to do with a message."""
        message = row.row.message if row.row else None
        if message is None or row.kind != "bubble" or self._chat.selecting:
            return
        if message.state is not MessageState.STORED or not message.seq:
            if message.state is MessageState.FAILED:
                self._app.menu.show(where, self._failed(message))
            return
        quick = [*QUICK]
        emoji = [Item(it, self._reacting(message, it)) for it in quick]
        emoji.append(Item("➕", lambda: self._chat.pick_reaction(message)))
        self._app.menu.show(where, self._items(message), emoji)

    def _item(self, key: str, act: Callable[[], Any], icon: str, danger: bool = False) -> Item:
        return Item(self._app.words(key), act, icon, danger)

    def _failed(self, message: Message) -> list[Item]:
        id = message.client_message_id
        return [
            self._item("menu.resend", lambda: self._client.resend(id), "refresh"),
            self._item("menu.copy", lambda: self.copy(message.text), "content_copy"),
            self._item("menu.discard", lambda: self._client.discard(id), "delete_outline", True),
        ]

    def _items(self, message: Message) -> list[Item]:
        chat, item = self._chat, self._item
        items = []
        if not message.card_user_id:
            items.append(item("menu.copy", lambda: self.copy(message.text), "content_copy"))
        items.append(item("menu.quote", lambda: chat.quote(message), "reply"))
        if self.may_edit(message):
            items.append(item("menu.edit", lambda: chat.edit(message), "pencil_outline"))
        items.append(item("menu.forward", lambda: self.forward([message]), "share_outline"))
        if self.may_recall(message):
            items.append(item("menu.recall", lambda: self.recall(message), "undo"))
        if may(Act.PIN, self._group()):
            pinned = message.seq in (chat.reading.known.pinned_seqs if chat.reading.known else ())
            key, icon = ("menu.unpin", "pin_off_outline") if pinned else ("menu.pin", "pin_outline")
            items.append(item(key, lambda: self.pin(message, pinned), icon))
        if self._group() and message.sender_id == chat.session.user_id:
            items.append(item("menu.readers", lambda: self.readers(message), "check_all"))
        items.append(item("menu.select", lambda: chat.select(message), "checkbox_multiple_outline"))
        items.append(item("menu.delete", lambda: self.hide([message]), "delete_outline", True))
        return items

    # Who may do what; the server decides, this only offers no vain hopes

    def _group(self) -> Any:
        known = self._chat.reading.known
        return known.group if known else None

    def _age(self, message: Message) -> float:
        return (datetime.now(UTC) - message.created_at).total_seconds()

    def may_edit(self, message: Message) -> bool:
        """Says whether an own message can be given another text."""
        own = message.sender_id == self._chat.session.user_id and message.kind is MessageKind.TEXT
        plain = not message.forwarded_from and not message.card_user_id and message.seq > 0
        return own and plain and self._age(message) < EDIT_SECONDS and not self._chat.barred

    def may_recall(self, message: Message) -> bool:
        """Says whether a message can be taken back: an own one for two minutes, in a group by
        whose role is greater than its sender's at any time."""
        if message.sender_id == self._chat.session.user_id:
            return self._age(message) < RECALL_SECONDS
        group, other = self._group(), self._chat.members.role(message.sender_id)
        return group is not None and bool(other) and may(Act.RECALL_OTHERS, group, other)

    # What is done

    def copy(self, text: str) -> None:
        """Puts a text on the clipboard."""
        Clipboard.copy(text)
        self._app.tell("chat.copied")

    def _reacting(self, message: Message, emoji: str) -> Callable[[], None]:
        return lambda: self.react(message, emoji)

    def react(self, message: Message, emoji: str) -> None:
        """Reacts, or takes the own reaction back."""
        me = self._chat.session.user_id
        given = next((it.user_ids for it in message.reactions if it.emoji == emoji), ())
        self._do(
            message.seq,
            self._client.react(message.conversation_id, message.seq, emoji, removed=me in given),
        )

    def recall(self, message: Message) -> None:
        """Takes a message back; the text of an own one can be written again for a while."""
        if message.sender_id == self._chat.session.user_id and not message.card_user_id:
            key = (message.conversation_id, message.seq)
            self._taken[key] = message.text
            Clock.schedule_once(lambda *_: self._forget(key), AGAIN_SECONDS)
        self._do(message.seq, self._client.recall(message.conversation_id, message.seq))

    def _forget(self, key: tuple[str, int]) -> None:
        self._taken.pop(key, None)
        if key[0] == self._chat.conversation_id:
            self._chat.look_again()

    def taken_back(self, seq: int) -> str:
        """Returns the text of an own message of this chat that was just taken back."""
        return self._taken.get((self._chat.conversation_id, seq), "")

    def pin(self, message: Message, pinned: bool) -> None:
        """Pins a message for all, or takes it down."""
        self._do(
            message.seq,
            self._client.pin(message.conversation_id, message.seq, removed=pinned),
        )

    def _do(self, seq: int, work: Any) -> None:
        self._chat.session.spawn(self._done(seq, work))

    async def _done(self, seq: int, work: Any) -> None:
        """Waits until it is so; a message that the cache does not have is looked at again."""
        queued = await work
        reading, client = self._chat.reading, self._client
        if client.known_message(queued.conversation_id, seq) is None:
            await client.settled(queued.client_message_id)
            await reading.fetch_again(seq)

    def readers(self, message: Message) -> None:
        """Shows who has read a message."""
        self._app.go("readers", conversation_id=message.conversation_id, seq=message.seq)

    def hide(self, messages: Sequence[Message]) -> None:
        """Deletes messages for the account alone, once it is sure."""
        self._chat.session.spawn(self._hide(list(messages)))

    async def _hide(self, messages: list[Message]) -> None:
        words = self._app.words
        sure = await self._app.dialogs.confirm(
            words("chat.delete", count=len(messages)),
            words("chat.delete_note"),
            yes=words("menu.delete"),
            danger=True,
        )
        if not sure:
            return
        self._chat.end_selecting()
        failed = [it for it in messages if not it.seq]
        for it in failed:
            self._client.discard(it.client_message_id)
        if seqs := [it.seq for it in messages if it.seq]:
            await self._client.hide(messages[0].conversation_id, seqs)

    def forward(self, messages: Sequence[Message]) -> None:
        """Sends copies of messages to chats that are picked, one by one."""
        self._chat.session.spawn(self._forward([it for it in messages if it.seq]))

    async def _forward(self, messages: list[Message]) -> None:
        app = self._app
        chosen = await app.pick("pick_chat", title=app.words("chat.forward_to"))
        if not chosen:
            return
        self._chat.end_selecting()
        for conversation_id in chosen:
            for it in messages:
                await self._client.forward(conversation_id, it.conversation_id, it.seq)
        app.tell("chat.forwarded")

    def copy_many(self, messages: Sequence[Message]) -> None:
        """Copies what several messages say, with the names of who said it."""
        name = self._chat.names
        lines = [f"{name(it.sender_id)}：{it.text}" for it in messages if it.text]
        self.copy("\n".join(lines))
        self._chat.end_selecting()

    # Links

    def open_link(self, address: str) -> None:
        """Opens an address once the whole of it was seen."""
        self._chat.session.spawn(self._open_link(address))

    async def _open_link(self, address: str) -> None:
        words = self._app.words
        if not address.lower().startswith(("http://", "https://")):
            return
        yes = words("chat.open")
        if await self._app.dialogs.confirm(words("chat.open_link"), address, yes=yes):
            self._chat.open_address(address)
