"""One chat: what was said, and the field to say more."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.core.clipboard import Clipboard
from kivy.core.window import Window
from kivy.metrics import dp
from kivy.properties import (
    BooleanProperty,
    ListProperty,
    NumericProperty,
    ObjectProperty,
    StringProperty,
)
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.recycleview import RecycleView
from kivy.uix.recycleview.views import RecycleDataViewBehavior
from kivy.uix.relativelayout import RelativeLayout

from app import kv
from app.faces import Faces
from app.rows import Look, rows
from app.session import Session
from app.widgets.menu import Item
from hongyan_client.model import Message

PAGE = 60
# What a list holds at most: more would make each change slower.
HELD = 500
TICKS = {
    "sending": "clock_outline",
    "failed": "alert_circle",
    "stored": "check",
    "received": "check_all",
    "read": "check_all",
}
TYPING_SECONDS = 6
ENTER, KEYPAD_ENTER = 13, 271
LONG_SECONDS = 0.5
REACTIONS = ("👍", "❤️", "😂", "🎉", "😢", "🙏")


class MessageRow(RecycleDataViewBehavior, RelativeLayout):
    """One row of a chat: a message, a time, a notice or where the new ones begin."""

    kind = StringProperty("time")
    text = StringProperty("")
    mine = BooleanProperty(False)
    first = BooleanProperty(False)
    label = StringProperty("")
    user_id = StringProperty("")
    tick = StringProperty("")
    quote = StringProperty("")
    reactions = StringProperty("")
    seq = NumericProperty(0)
    client_message_id = StringProperty("")
    tick_icon = StringProperty("")
    bubble_width = NumericProperty(300)
    text_size = ListProperty([0, 0])
    texture = ObjectProperty(None, allownone=True)

    def on_tick(self, *_: Any) -> None:
        self.tick_icon = TICKS.get(self.tick, "")

    def on_touch_down(self, touch: Any) -> bool:
        """A right click, or a long press, asks what to do with a message."""
        bubble = self.ids.bubble
        if self.kind != "bubble" or not bubble.collide_point(*self.to_local(*touch.pos)):
            return bool(super().on_touch_down(touch))
        where = self.to_window(*self.to_local(*touch.pos))
        if getattr(touch, "button", "left") == "right":
            App.get_running_app().desk.chat.menu(self, where)
            return True
        touch.ud["long"] = Clock.schedule_once(
            lambda *_: App.get_running_app().desk.chat.menu(self, where), LONG_SECONDS
        )
        return bool(super().on_touch_down(touch))

    def on_touch_up(self, touch: Any) -> bool:
        if waiting := touch.ud.get("long"):
            waiting.cancel()
        return bool(super().on_touch_up(touch))

    def on_touch_move(self, touch: Any) -> bool:
        if (waiting := touch.ud.get("long")) and abs(touch.dy) + abs(touch.dx) > dp(4):
            waiting.cancel()
        return bool(super().on_touch_move(touch))


class MessageList(RecycleView):
    """The rows. Their heights are known beforehand, so that nothing jumps."""

    scroll_y: float
    data: list[dict[str, Any]]

    def at_bottom(self) -> bool:
        """Says whether the newest row is in sight."""
        box = self.children[0]
        below = self.scroll_y * (box.height - self.height)
        return bool(box.height <= self.height or below < dp(40))

    def put(self, data: list[dict[str, Any]], *, stick: bool) -> None:
        """Shows rows; what the eye is on stays, unless it is on the newest one."""
        box = self.children[0]
        above = (1 - self.scroll_y) * max(0, box.height - self.height)
        before = sum(it["height"] for it in self.data)
        grown_above = 0.0
        if self.data and data and not stick:
            first = self.data[0].get("seq"), self.data[0]["text"]
            at = next((n for n, it in enumerate(data) if (it.get("seq"), it["text"]) == first), 0)
            grown_above = sum(it["height"] for it in data[:at])
        self.data = data
        after = sum(it["height"] for it in data) + dp(16)
        room = max(1.0, after - self.height)

        def place(*_: Any) -> None:
            self.scroll_y = 0 if stick or not before else 1 - min(1, (above + grown_above) / room)

        Clock.schedule_once(place, 0)


class Chat(BoxLayout):
    """The chat that is open, if any."""

    session = ObjectProperty(None)
    faces = ObjectProperty(None)
    conversation_id = StringProperty("")
    title = StringProperty("")
    hint = StringProperty("")
    narrow = BooleanProperty(False)
    new_count = NumericProperty(0)
    quoted_seq = NumericProperty(0)
    quoted_text = StringProperty("")

    def __init__(self, session: Session, faces: Faces, **options: Any) -> None:
        super().__init__(session=session, faces=faces, **options)
        self._messages: list[Message] = []
        self._unread_from = 0
        self._reading = False
        self._loading = False
        self._stick = True
        self._refresh = Clock.create_trigger(self._show, 0.02)
        self._quiet = Clock.create_trigger(self._stop_typing, TYPING_SECONDS)
        session.bind(on_messages=self._on_messages, on_typing=self._on_typing)
        session.bind(on_people=self._refresh)
        faces.bind(on_changed=self._refresh)
        App.get_running_app().words.bind(language=self._refresh)
        self.ids.list.bind(width=self._refresh, scroll_y=self._on_scroll)
        Window.bind(on_key_down=self._on_key)

    # What is shown

    def open(self, conversation_id: str) -> None:
        """Shows another chat; what was being written in the one before stays its draft."""
        if conversation_id == self.conversation_id:
            return
        self._keep_draft()
        self.quote(None)
        self.conversation_id = conversation_id
        self._messages, self._stick, self.new_count, self.hint = [], True, 0, ""
        self.ids.list.data = []
        known = self.session.client.conversation(conversation_id)
        self._unread_from = 0
        if known and known.unread_count:
            self._unread_from = known.read_seq(self.session.user_id) + 1
        self.ids.input.text = known.settings.draft if known else ""
        self.session.client.focus(conversation_id)
        self.session.spawn(self._load())

    def close(self) -> None:
        """Shows no chat."""
        self._keep_draft()
        self.conversation_id, self.title = "", ""
        if self.session.signed_in:
            self.session.client.focus("")

    def _keep_draft(self) -> None:
        text = self.ids.input.text
        if not self.conversation_id or not self.session.signed_in:
            return
        known = self.session.client.conversation(self.conversation_id)
        if known and known.settings.draft != text:
            id = self.conversation_id
            self.session.spawn(self.session.client.update_settings(id, draft=text))

    async def _load(self) -> None:
        id = self.conversation_id
        try:
            found = await self.session.client.history(id, limit=PAGE)
        finally:
            self._loading = False
        if id == self.conversation_id:
            self._take(found)

    def _take(self, messages: Sequence[Message]) -> None:
        self._messages = list(messages)[-HELD:]
        self._refresh()

    def _on_messages(self, _: Session, conversation_id: str) -> None:
        if self.conversation_id and conversation_id in ("", self.conversation_id):
            self._reading = True
            self._refresh()

    def _show(self, *_: Any) -> None:
        id, client = self.conversation_id, self.session.client
        if not id or not self.session.signed_in:
            return
        known = client.conversation(id)
        self._show_title(known)
        if self._reading:
            self._reading = False
            self._catch_up()
        app, view = App.get_running_app(), self.ids.list
        known_messages = {it.seq: it for it in self._messages}
        look = Look(
            self.session.user_id,
            self.session.name,
            known_messages.get,
            app.words,
            datetime.now(UTC),
            view.width,
            app.theme.scale,
        )
        pending = client.pending(id)
        shown = {it.client_message_id for it in self._messages if it.sender_id == look.user_id}
        messages = [*self._messages, *(it for it in pending if it.client_message_id not in shown)]
        data = rows(messages, known, self._unread_from, look)
        for row in data:
            row["texture"] = self.faces.of_user(row["user_id"]) if row["first"] else None
        view.put(data, stick=self._stick)
        if self._stick and Window.focus and known and known.unread_count and self._messages:
            client.mark_read(id, known.last_seq)

    def _catch_up(self) -> None:
        """Takes over from the cache what changed in what is shown, and what came after it."""
        cached = self.session.client.known_messages(self.conversation_id, HELD)
        first = self._messages[0].seq if self._messages else 0
        before = self._messages[-1].seq if self._messages else 0
        self._messages = [it for it in cached if it.seq >= first]
        if not self._stick:
            self.new_count += sum(
                it.seq > before and it.sender_id != self.session.user_id for it in self._messages
            )

    def _show_title(self, known: Any) -> None:
        words = App.get_running_app().words
        if known is None:
            return
        name = self.session.title(known)
        if known.group:
            count = known.group.member_count
            name = words("chat.members", name=name, count=count) if count else name
        self.title = name

    # Typing

    def _on_typing(self, _: Session, conversation_id: str) -> None:
        if conversation_id == self.conversation_id:
            self.hint = App.get_running_app().words("chat.typing")
            self._quiet.cancel()
            self._quiet()

    def _stop_typing(self, *_: Any) -> None:
        self.hint = ""

    def written(self, text: str) -> None:
        """The field has changed."""
        if text and self.conversation_id and self.session.signed_in:
            self.session.client.typing(self.conversation_id)

    # What is done

    def _on_key(self, _: Any, key: int, __: int, ___: str, modifiers: Sequence[str]) -> bool:
        if key in (ENTER, KEYPAD_ENTER) and self.ids.input.focus and "shift" not in modifiers:
            self.send()
            return True
        return False

    def send(self) -> None:
        """Sends what is written; it is shown at once."""
        text = self.ids.input.text.strip()
        if text and self.conversation_id:
            self.ids.input.text = ""
            self._stick, self._unread_from = True, 0
            quoted, client = int(self.quoted_seq), self.session.client
            self.quote(None)
            self.session.spawn(client.send(self.conversation_id, text, quote_seq=quoted))

    def quote(self, row: MessageRow | None) -> None:
        """Makes the next message a reply to one; None: to none."""
        self.quoted_seq = row.seq if row else 0
        name = self.session.name(row.user_id) if row else ""
        self.quoted_text = f"{name}: {row.text}" if row else ""
        if row:
            self.ids.input.focus = True

    def menu(self, row: MessageRow, where: Sequence[float]) -> None:
        """Asks what to do with a message."""
        app, client, id = App.get_running_app(), self.session.client, self.conversation_id
        seq, key, text = int(row.seq), row.client_message_id, row.text
        if row.tick in ("failed", "sending"):
            items = [
                Item(app.words("menu.resend"), lambda: client.resend(key), "refresh"),
                Item(
                    app.words("menu.discard"), lambda: client.discard(key), "delete_outline", True
                ),
            ]
            app.menu.show(where, items if row.tick == "failed" else [])
            return

        def copy() -> None:
            Clipboard.copy(text)
            app.tell("chat.copied")

        def react(emoji: str) -> Any:
            return lambda: self.session.spawn(client.react(id, seq, emoji))

        items = [
            Item(app.words("menu.copy"), copy, "content_copy"),
            Item(app.words("menu.quote"), lambda: self.quote(row), "reply"),
        ]
        if row.mine:
            recall = lambda: self.session.spawn(client.recall(id, seq))  # noqa: E731
            items.append(Item(app.words("menu.recall"), recall, "undo"))
        app.menu.show(where, items, [Item(it, react(it)) for it in REACTIONS])

    def to_bottom(self) -> None:
        """Goes to the newest message."""
        self._stick, self.new_count = True, 0
        self._refresh()

    def _on_scroll(self, view: MessageList, scroll_y: float) -> None:
        self._stick = view.at_bottom()
        if self._stick:
            self.new_count = 0
        if scroll_y > 0.98 and self._messages and not self._loading:
            self._loading = True
            self.session.spawn(self._older())

    async def _older(self) -> None:
        id, first = self.conversation_id, self._messages[0].seq
        try:
            found = await self.session.client.history(id, before_seq=first, limit=PAGE)
        finally:
            self._loading = False
        if found and id == self.conversation_id:
            self._messages = [*found, *self._messages][:HELD]
            self._refresh()


kv.load(__file__)
