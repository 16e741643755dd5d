"""Choosing chats: recent ones and friends, one or several, for what is to be sent there."""

from datetime import UTC, datetime
from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.factory import Factory
from kivy.properties import BooleanProperty, ListProperty, NumericProperty, StringProperty
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.relativelayout import RelativeLayout

from app import finding, kv
from app.widgets.listing import heading, row
from app.widgets.page import Page
from hongyan_client import sorting
from hongyan_client.errors import HongyanError, ServerError
from hongyan_client.model import Conversation

CHAT, FRIEND = "chat:", "friend:"


class Chosen(ButtonBehavior, RelativeLayout):
    """One of those that were chosen, above the list; a press takes it out."""

    key = StringProperty("")


class PickChat(Page):
    """Its result is the ids of the chats that were chosen, in the order of choosing.

    A friend without a chat is among them with a new one. With a limit of 1 the first press is
    the answer.
    """

    limit = NumericProperty(9)
    chosen = ListProperty([])
    """The keys of the rows that were chosen."""
    query = StringProperty("")
    busy = BooleanProperty(False)

    asked = StringProperty("")
    """What it is called when it is not simply the choosing of chats."""

    def __init__(self, *, title: str = "", **options: Any) -> None:
        super().__init__(asked=title, **options)
        self._friends: list[str] = []
        self._refresh = Clock.create_trigger(self._show, 0.03)
        self.bind(query=self._refresh, chosen=self._refresh)

    def entered(self) -> None:
        """Shows what is known, and asks for the friends."""
        for event in ("on_chats", "on_people"):
            self.session.fbind(event, self._refresh)
        self.faces.fbind("on_changed", self._refresh)
        self._show()
        self.session.spawn(self._load())

    def left(self) -> None:
        for event in ("on_chats", "on_people"):
            self.session.funbind(event, self._refresh)
        self.faces.funbind("on_changed", self._refresh)

    async def _load(self) -> None:
        contacts = await self.session.client.contacts()
        self._friends = [it.user_id for it in contacts if it.friend and not it.blocked]
        self._refresh()

    # What is shown

    def _show(self, *_: Any) -> None:
        if not self.session.signed_in:
            return
        words, mine = App.get_running_app().words, self.session.user_id
        chats = [it for it in self.session.client.known_conversations() if self._open_to(it)]
        chats.sort(key=_active, reverse=True)
        at_hand = [it for it in chats if it.last_message or it.group]
        talked = {it.peer_id(mine) for it in at_hand if not it.group}
        rows = [self._chat_row(it) for it in at_hand]
        named = [(it, self.session.name(it)) for it in self._friends if it not in talked]
        named.sort(key=lambda it: sorting.place(it[1]))
        friends = [self._friend_row(user_id, name) for user_id, name in named]
        data: list[dict[str, Any]] = []
        for title, part in (("pick.recent", rows), ("pick.friends", friends)):
            found = [it for it in part if finding.means(self.query, it["title"])]
            if found:
                data += [heading(words(title)), *found]
        if self.ids.list.data != data:
            self.ids.list.data = data
        self.ids.none.opacity = 0 if data else 1
        self._show_chosen({it["key"]: it for it in [*rows, *friends]})

    def _open_to(self, it: Conversation) -> bool:
        """Says whether something can be sent there."""
        if it.group:
            return bool(it.group.role) and not it.group.dissolved and not it.settings.removed
        blocked = self.session.client.contact(it.peer_id(self.session.user_id)).blocked
        return not (blocked or it.request or it.settings.removed)

    def _chat_row(self, it: Conversation) -> dict[str, Any]:
        words = App.get_running_app().words
        note = words("pick.members", count=it.group.member_count) if it.group else ""
        return self._row(CHAT + it.conversation_id, self.session.title(it), note, self.faces.of(it))

    def _friend_row(self, user_id: str, name: str) -> dict[str, Any]:
        return self._row(FRIEND + user_id, name, "", self.faces.of_user(user_id))

    def _row(self, key: str, title: str, note: str, texture: Any) -> dict[str, Any]:
        check = "" if self.limit == 1 else "yes" if key in self.chosen else "no"
        return row(key, title or "…", note=note, texture=texture, check=check)

    def _show_chosen(self, rows: dict[str, dict[str, Any]]) -> None:
        strip = self.ids.chosen
        shown = {it.key: it for it in strip.children}
        for key in shown.keys() - set(self.chosen):
            strip.remove_widget(shown[key])
        for key in self.chosen:
            if key not in shown:
                face = Factory.Chosen(key=key)
                face.bind(on_release=lambda it: self.choose(it.key))
                strip.add_widget(face)
                Clock.schedule_once(self._to_newest)
        for face in strip.children:
            face.ids.avatar.texture = rows.get(face.key, {}).get("texture")

    def _to_newest(self, *_: Any) -> None:
        strip = self.ids.strip
        strip.scroll_x = 1 if self.ids.chosen.width > strip.width else 0

    # What is done

    def choose(self, key: str) -> None:
        """Puts a row among the chosen, or takes it out."""
        if self.busy:
            return
        if self.limit == 1:
            self.chosen = [key]
            self.send()
        elif key in self.chosen:
            self.chosen = [it for it in self.chosen if it != key]
        elif len(self.chosen) >= self.limit:
            App.get_running_app().tell("pick.limit", count=int(self.limit))
        else:
            self.chosen = [*self.chosen, key]

    def send(self) -> None:
        """Closes the page with the chats of the chosen rows."""
        if self.chosen and not self.busy:
            self.busy = True
            self.session.spawn(self._send())

    async def _send(self) -> None:
        try:
            ids = [await self._id_of(key) for key in self.chosen]
        except HongyanError as error:
            App.get_running_app().refused(error.reason if isinstance(error, ServerError) else "")
            return
        finally:
            self.busy = False
        self.done(list(dict.fromkeys(ids)))

    async def _id_of(self, key: str) -> str:
        kind, _, id = key.partition(":")
        if kind + ":" == CHAT:
            return id
        return (await self.session.client.open_direct(id)).conversation_id


def _active(conversation: Conversation) -> datetime:
    message = conversation.last_message
    return message.created_at if message else datetime.fromtimestamp(0, UTC)


kv.load(__file__)
