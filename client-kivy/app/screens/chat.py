"""One chat: what was said, and the field to say more."""

import webbrowser
from datetime import UTC, datetime
from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.core.window import Window
from kivy.properties import (
    BooleanProperty,
    NumericProperty,
    ObjectProperty,
    StringProperty,
)
from kivy.uix.boxlayout import BoxLayout

from app import kv
from app.faces import Faces
from app.heading import Heading
from app.members import Members
from app.reading import Reading
from app.rows import Look, Row, measure
from app.screens.chat_acts import Acts
from app.session import Session
from app.thread import Slot, key_of
from app.widgets import chat_bars, composer, mention_picker, message_list  # noqa: F401
from app.widgets.message_row import MessageRow
from hongyan_client.errors import HongyanError
from hongyan_client.model import (
    Message,
    MessageKind,
    MessageState,
    MessageStateChanged,
    PresenceChanged,
)

PLACES = 200


class Chat(BoxLayout):
    """The chat that is open, if any."""

    session = ObjectProperty(None)
    faces = ObjectProperty(None)
    conversation_id = StringProperty("")
    title = StringProperty("")
    hint = StringProperty("")
    typing = BooleanProperty(False)
    narrow = BooleanProperty(False)
    new_count = NumericProperty(0)
    """How many came while one reads above."""
    far = BooleanProperty(False)
    """Whether the newest is out of sight."""
    unread_above = NumericProperty(0)
    mention_count = NumericProperty(0)
    announcement = StringProperty("")
    pinned_title = StringProperty("")
    pinned_text = StringProperty("")
    stranger = BooleanProperty(False)
    barred = StringProperty("")
    barred_button = StringProperty("")
    selecting = BooleanProperty(False)
    selected_count = NumericProperty(0)

    def __init__(self, session: Session, faces: Faces, **options: Any) -> None:
        self.reading = Reading(session, self._changed)
        self.acts = Acts(self)
        self.members = Members(session, self.look_again)
        self.heading = Heading(self, session)
        self.selected: set[str] = set()
        self.open_address = webbrowser.open
        self._look: Look | None = None
        self._presence = False
        self._places: dict[str, tuple[int, float]] = {}
        self._refresh = Clock.create_trigger(self._show, -1)
        super().__init__(session=session, faces=faces, **options)
        self.ids["input"] = self.composer.ids.input
        self.composer.ids.input.commands = self.command
        self.view.measure = self._measure
        app = App.get_running_app()
        session.bind(on_event=self._on_event, on_people=self._on_people)
        faces.bind(on_changed=self._on_faces)
        app.words.bind(language=self.look_again)
        for name in ("dark", "scale"):
            app.theme.fbind(name, self._on_theme)
        self.view.bind(width=self.look_again)
        self.composer.ids.input.bind(cursor=self.picker.follow)
        Window.bind(focus=self._refresh)

    @property
    def view(self) -> Any:
        """The rows."""
        return self.ids.list

    @property
    def composer(self) -> Any:
        """Where one writes."""
        return self.ids.composer

    @property
    def picker(self) -> Any:
        """Who is meant by an @."""
        return self.ids.picker

    # Which chat

    def open(self, conversation_id: str, seq: int = 0) -> None:
        """Shows another chat as the cache has it, in this frame; with a seq at that message."""
        if conversation_id == self.conversation_id:
            if seq:
                self.jump(seq)
            return
        self.close()
        at = (seq, 0.0) if seq else self._places.pop(conversation_id, (0, 0.0))
        known = self.session.client.conversation(conversation_id)
        if known and known.unread_count and not seq:
            at = (0, 0.0)
        self.reading.open(conversation_id, at[0])
        self.conversation_id = conversation_id
        self.new_count = self.unread_above = 0
        self.composer.begin(known.settings.draft if known else "")
        self.view.sticks = True
        self._look = None
        self._show()
        if at[0] and (slot := self.reading.thread.slot_of(at[0])):
            self.view.put(slot.key, at[1])
        self._offer_unread()
        self.session.client.focus(conversation_id)
        if seq:
            self.jump(seq)

    def close(self) -> None:
        """Shows no chat; what was being written stays its draft."""
        if not self.conversation_id:
            return
        self.composer.keep_draft()
        self._remember_place()
        self.end_selecting()
        self.picker.close()
        self.conversation_id, self.title, self.hint = "", "", ""
        self.reading.close()
        self.view.show(())
        self.heading.close()
        if self.session.signed_in:
            self.session.client.focus("")
            self.session.spawn(self.session.client.send_drafts())

    def _remember_place(self) -> None:
        key, down = self.view.place()
        slot = next((it for it in self.reading.thread.slots if it.key == key), None)
        if slot and slot.message and slot.message.seq and not self.view.sticks:
            self._places[self.conversation_id] = (slot.message.seq, down)
            while len(self._places) > PLACES:
                self._places.pop(next(iter(self._places)))

    def keep_draft(self, text: str) -> None:
        """Keeps what is being written on this device."""
        if not self.conversation_id or not self.session.signed_in:
            return
        known = self.session.client.conversation(self.conversation_id)
        if known and known.settings.draft != text:
            self.session.client.keep_draft(self.conversation_id, text)

    # What is shown

    def _changed(self, *_: Any) -> None:
        self._refresh()

    def look_again(self, *_: Any) -> None:
        """Measures every row anew: words, names, sizes or what is selected changed."""
        # Rows that are asked for before the next frame are as wide as the list is by now.
        self._look = None
        self.reading.thread.forget_rows()
        self._refresh()

    def _on_theme(self, *_: Any) -> None:
        self.look_again()

    def _on_people(self, *_: Any) -> None:
        if self.conversation_id and not self._presence:
            self.look_again()
        self._presence = False

    def _on_faces(self, *_: Any) -> None:
        if self.conversation_id:
            self.view.repaint()

    def _show(self, *_: Any) -> None:
        """Shows what has changed since the last frame."""
        if not self.conversation_id or not self.session.signed_in:
            return
        reading = self.reading
        reading.refresh()
        self._look = None
        self.members.follow(reading.known)
        self.heading.show(reading.known)
        self.view.show(reading.thread.slots)
        self._read()

    def _measure(self, slot: Slot) -> Row:
        if self._look is None:
            app, selecting = App.get_running_app(), self.selecting
            self._look = Look(
                self.session.user_id,
                self.names,
                self.reading.message,
                app.words,
                datetime.now(UTC),
                self.view.width,
                app.theme.scale,
                conversation=self.reading.known,
                selecting=selecting,
                selected=frozenset(self.selected) if selecting else frozenset(),
                taken_back=self.acts.taken_back,
            )
        return measure(slot, self._look)

    def names(self, user_id: str) -> str:
        """Returns what somebody is called here."""
        return self.members.name(user_id)

    def _on_event(self, _: Any, event: Any) -> None:
        # Who comes or goes looks no different in the rows.
        self._presence = isinstance(event, PresenceChanged)
        if isinstance(event, MessageStateChanged):
            self._tell_refusal(event.message)
        if not self.conversation_id:
            return
        self.heading.take(event)
        arrived = self.reading.take(event)
        if arrived and arrived.kind is MessageKind.TEXT:
            self.heading.said(arrived.sender_id)
            if not self.view.sticks or not self.reading.thread.at_end:
                self.new_count += 1
                if arrived.mentions(self.session.user_id):
                    self.reading.mentions.append(arrived.seq)
                    self.mention_count = len(self.reading.mentions)

    def _tell_refusal(self, message: Message) -> None:
        """What was no text has no row that could say that it failed."""
        if message.state is MessageState.FAILED and message.kind is not MessageKind.TEXT:
            App.get_running_app().refused(message.failure)
            self.session.client.discard(message.client_message_id)

    # Where one is

    def scrolled(self) -> None:
        """Another part is in sight."""
        thread = self.reading.thread
        bottom = self.view.at_bottom() and thread.at_end
        self.far = bool(thread.slots) and not bottom
        if bottom:
            self.new_count = 0
        self._pass_by()
        self._read()

    def _pass_by(self) -> None:
        """Forgets of what is unread or a mention that it has not been seen."""
        if not self.unread_above and not self.reading.mentions:
            return
        seen = [it.message.seq for it in self.view.visible() if it.message and it.message.seq]
        if not seen:
            return
        if self.unread_above and min(seen) <= self.reading.thread.unread_from:
            self.unread_above = 0
        passed = set(seen)
        self.reading.mentions = [it for it in self.reading.mentions if it not in passed]
        self.mention_count = len(self.reading.mentions)

    def _offer_unread(self) -> None:
        """Offers the way to the first unread message when it is not in sight."""
        self.unread_above = self.reading.unread_count
        self.mention_count = len(self.reading.mentions)
        self._pass_by()

    def _read(self) -> None:
        """Moves the own cursor, if somebody looks at the newest message."""
        known, thread = self.reading.known, self.reading.thread
        if not known or not known.unread_count:
            return
        looks = Window.focus and self.get_root_window() is not None
        if looks and thread.at_end and thread.messages and self.view.at_bottom():
            self.session.client.mark_read(self.conversation_id, known.last_seq)

    def to_bottom(self) -> None:
        """Goes to the newest message."""
        self.new_count = 0
        self.view.sticks = True
        self.reading.to_end()
        self.view.to_bottom()
        self._refresh()

    def to_unread(self) -> None:
        """Goes to the first message that was unread."""
        seq = self.reading.thread.unread_from
        self.unread_above = 0
        self.session.spawn(self._jump(seq, part=0.12, glow=False, nearest=True))

    def to_mention(self) -> None:
        """Goes to the first message that mentions one."""
        if self.reading.mentions:
            seq = self.reading.mentions.pop(0)
            self.mention_count = len(self.reading.mentions)
            self.jump(seq)

    def jump(self, seq: int) -> None:
        """Goes to a message and lights it up."""
        self.session.spawn(self._jump(seq))

    async def _jump(
        self, seq: int, *, part: float = 0.3, glow: bool = True, nearest: bool = False
    ) -> None:
        id = self.conversation_id
        self.view.sticks = False
        there = await self.reading.around(seq)
        if id != self.conversation_id:
            return
        thread = self.reading.thread
        slot = thread.slot_of(seq)
        if slot is None and nearest:
            after = (it for it in thread.slots if it.message and it.message.seq >= seq)
            slot = next(after, None)
        if slot is None or not (there or nearest):
            App.get_running_app().tell("chat.not_there")
            return
        self._show()
        self.view.to_slot(slot.key, part=part, glow=glow)

    # Keys

    def command(self, name: str) -> bool:
        """Does what a key of the field asks for; False: it has its usual meaning."""
        picker = self.picker
        if picker.is_open and name in ("send", "take", "up", "down", "escape"):
            return self._choose_mention(name)
        match name:
            case "send":
                self.send()
            case "escape":
                return self.step_back()
            case "edit_last":
                message = self.reading.thread.own_last()
                if message is None or self.composer.mode or not self.acts.may_edit(message):
                    return False
                self.edit(message)
            case "page_up" | "page_down":
                step = self.view.height * 0.85
                self.view.scroll_by(-step if name == "page_up" else step)
            case "end":
                self.to_bottom()
            case "copy":
                text = self.view.chosen_text()
                if not text:
                    return False
                self.acts.copy(text)
            case _:
                return False
        return True

    def _choose_mention(self, name: str) -> bool:
        match name:
            case "escape":
                self.picker.close()
            case "up" | "down":
                self.picker.step(1 if name == "down" else -1)
            case _:
                self.picker.take()
        return True

    def step_back(self) -> bool:
        """Closes what was opened last: the strip, the emoji, the selection; False: nothing was."""
        if self.composer.ids.input.composition or self.composer.step_back():
            return True
        if self.picker.is_open:
            self.picker.close()
        elif self.selecting:
            self.end_selecting()
        elif self.view.choice[0]:
            self.view.choose("", 0, 0)
        else:
            return False
        return True

    # Saying

    def written(self, text: str) -> None:
        """The field has changed."""
        if text and self.conversation_id and self.session.signed_in:
            self.session.client.typing(self.conversation_id)

    def send(self) -> None:
        """Sends what is written; it is shown at once."""
        writes = self.composer
        if not writes.text.strip() or not self.conversation_id or self.barred:
            return
        if size := writes.too_long():
            App.get_running_app().tell("chat.too_long", size=f"{size / 1024:.1f}")
            return
        mode, seq = writes.mode, int(writes.seq)
        text, mentions, everybody = writes.take()
        if mode == "edit":
            self.session.spawn(self._edit(seq, text, mentions, everybody))
        else:
            self.reading.thread.unread_from = 0
            quote = seq if mode == "quote" else 0
            self.session.spawn(self._send(text, quote, mentions, everybody))
            self.to_bottom()
        writes.end_strip()

    async def _send(self, text: str, quote: int, mentions: list[str], everybody: bool) -> None:
        id, client = self.conversation_id, self.session.client
        try:
            await client.send(
                id, text, quote_seq=quote, mentions=mentions, mention_everybody=everybody
            )
        except HongyanError:
            if id == self.conversation_id and not self.composer.text:
                self.composer.insert(text)
            raise
        self.composer.keep_draft()

    async def _edit(self, seq: int, text: str, mentions: list[str], everybody: bool) -> None:
        id, client = self.conversation_id, self.session.client
        before = self.reading.message(seq)
        if before is None or before.text == text:
            return
        kept = [it for it in before.mentioned if f"@{self.names(it)}" in text]
        await client.edit(id, seq, text, mentions=[*kept, *mentions], mention_everybody=everybody)
        await self.reading.fetch_again(seq)

    def quote(self, message: Message) -> None:
        """Makes the next message a reply to one."""
        words = App.get_running_app().words
        name = self.names(message.sender_id)
        text = words("message.card") if message.card_user_id else " ".join(message.text.split())
        self.composer.quote(message.seq, words("chat.quoting", name=name), text)

    def edit(self, message: Message) -> None:
        """Lets an own message be changed."""
        words = App.get_running_app().words
        self.composer.edit(message.seq, words("chat.editing"), message.text)

    def pick_reaction(self, message: Message) -> None:
        """Opens all emoji for a reaction."""
        self.composer.react_to = message
        self.composer.panel = True

    # What is pressed

    def pressed(self, row: MessageRow, name: str, place: Any) -> None:
        """Something of a row was pressed."""
        message = row.row.message if row.row else None
        if message is None:
            return
        if self.selecting:
            if row.kind == "bubble":
                self._toggle(message)
            return
        if address := row.link_at(*place):
            self.acts.open_link(address)
            return
        app, id = App.get_running_app(), self.conversation_id
        match name:
            case "tick" if message.state is MessageState.FAILED:
                self.session.client.resend(message.client_message_id)
            case "quote" if message.quote:
                self.jump(message.quote.seq)
            case "chip":
                spot = row.widget_at(*place)
                if spot:
                    self.acts.react(message, spot.text.rpartition(" ")[0])
            case "card":
                app.go(
                    "person",
                    user_id=message.card_user_id,
                    source="card",
                    conversation_id=id,
                    seq=message.seq,
                )
            case "again":
                self.composer.insert(self.acts.taken_back(message.seq))
                self.composer.focus()
            case "avatar" | "name":
                group = self.reading.known is not None and self.reading.known.group is not None
                source = "group" if group else "chat"
                app.go("person", user_id=message.sender_id, source=source, conversation_id=id)

    # Many at once

    def select(self, message: Message) -> None:
        """Begins to select messages, with one."""
        self.selecting = True
        self.selected = {key_of(message)}
        self.selected_count = 1
        self.look_again()

    def _toggle(self, message: Message) -> None:
        key = key_of(message)
        self.selected ^= {key}
        self.selected_count = len(self.selected)
        for slot in self.reading.thread.slots:
            if slot.key == key:
                slot.row = None
        self._refresh()

    def end_selecting(self) -> None:
        """Selects nothing any more."""
        if self.selecting:
            self.selecting, self.selected, self.selected_count = False, set(), 0
            self.look_again()

    def act_on_selected(self, act: str) -> None:
        """Forwards, copies or deletes all that is selected."""
        slots = self.reading.thread.slots
        chosen = [it.message for it in slots if it.kind == "message" and it.key in self.selected]
        messages = [it for it in chosen if it is not None]
        match act:
            case "forward":
                self.acts.forward(messages)
            case "copy":
                self.acts.copy_many(messages)
            case "delete":
                self.acts.hide(messages)
            case _:
                self.end_selecting()

    # The bars; `Heading` fills them

    def show_about(self) -> None:
        """Shows what there is to know about the group or the other one."""
        self.heading.show_about()

    def show_pinned(self) -> None:
        """Goes to the pinned message that the bar shows."""
        self.heading.show_pinned()

    def dismiss_announcement(self) -> None:
        """Takes the bar away until there is another announcement."""
        self.heading.dismiss_announcement()

    def answer_stranger(self, answer: str) -> None:
        """Answers a stranger."""
        self.session.spawn(self.heading.answer_stranger(answer))

    def unbar(self) -> None:
        """Does what the button beside the reason of a bar says."""
        self.session.spawn(self.heading.unbar())


kv.load(__file__)
