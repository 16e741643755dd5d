"""People: who asks to be a friend, friends from A to Z, and how to find more."""

from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.metrics import dp
from kivy.properties import BooleanProperty, ObjectProperty, StringProperty
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.recycleview.views import RecycleDataViewBehavior

from app import kv
from app.faces import Faces
from app.session import Session
from hongyan_client import sorting

ROW, HEADING = 62.0, 30.0


class PersonRow(RecycleDataViewBehavior, ButtonBehavior, BoxLayout):
    """A person, or the letter above some."""

    user_id = StringProperty("")
    name = StringProperty("")
    note = StringProperty("")
    button = StringProperty("")
    heading = BooleanProperty(False)
    texture = ObjectProperty(None, allownone=True)


class Contacts(BoxLayout):
    """The address book, kept by the session's events."""

    session = ObjectProperty(None)
    faces = ObjectProperty(None)

    def __init__(self, session: Session, faces: Faces, **options: Any) -> None:
        super().__init__(session=session, faces=faces, **options)
        self._refresh = Clock.create_trigger(self._show, 0.05)
        self._found: dict[str, Any] | None = None
        session.bind(on_people=self._refresh, signed_in=self._refresh)
        faces.bind(on_changed=self._refresh)
        App.get_running_app().words.bind(language=self._refresh)
        self._refresh()

    def _show(self, *_: Any) -> None:
        if self.session.signed_in:
            self.session.spawn(self._load())
        else:
            self.ids.list.data = []

    async def _load(self) -> None:
        client, words = self.session.client, App.get_running_app().words
        friends = [it for it in await client.contacts() if it.friend and not it.blocked]
        asking = [
            it for it in await client.contact_requests() if it.incoming and it.state == "pending"
        ]
        data: list[dict[str, Any]] = [self._found] if self._found else []
        if asking:
            data.append(_heading(words("contacts.new")))
            data += [self._row(it.user_id, it.greeting, words("button.accept")) for it in asking]
        named = [(it, self.session.name(it.user_id)) for it in friends]
        named.sort(key=lambda it: (not it[0].starred, sorting.place(it[1])))
        letter = ""
        for contact, name in named:
            starred = words("contacts.starred")
            initial = starred if contact.starred else sorting.initial(name)
            if initial != letter:
                letter = initial
                data.append(_heading(letter))
            data.append(self._row(contact.user_id, "", ""))
        self.ids.list.data = data
        self.ids.none.opacity = 0 if data else 1

    def _row(self, user_id: str, note: str, button: str) -> dict[str, Any]:
        words, user = App.get_running_app().words, self.session.user(user_id)
        if user and user.bot:
            note = note or words("contacts.bot")
        return {
            "user_id": user_id,
            "name": self.session.name(user_id) or "…",
            "note": note,
            "button": button,
            "heading": False,
            "texture": self.faces.of_user(user_id),
            "key_size": (None, dp(ROW)),
        }

    def find(self, query: str) -> None:
        """Looks for somebody by the whole handle or address."""
        self._found = None
        if query.strip():
            self.session.spawn(self._find(query.strip()))

    async def _find(self, query: str) -> None:
        app = App.get_running_app()
        user = await self.session.client.find_user(query)
        if user is None:
            app.tell("contacts.nobody")
        else:
            await self.session.client.user(user.user_id)
            self._found = self._row(user.user_id, user.signature or user.handle, "")
            if not self.session.client.contact(user.user_id).friend:
                self._found["button"] = app.words("button.add")
        await self._load()

    def act(self, row: PersonRow) -> None:
        """Accepts who asks, or asks who was found."""
        self.session.spawn(self._act(row.user_id))

    async def _act(self, user_id: str) -> None:
        client, app = self.session.client, App.get_running_app()
        asking = {
            it.user_id
            for it in await client.contact_requests()
            if it.incoming and it.state == "pending"
        }
        if user_id in asking:
            await client.accept_contact(user_id)
            app.tell("contacts.friends_now")
        else:
            asked = await client.request_contact(user_id)
            accepted = asked.state == "accepted"
            app.tell("contacts.friends_now" if accepted else "contacts.asked")
        self._found, self.ids.query.text = None, ""
        await self._load()

    def open(self, row: PersonRow) -> None:
        """Opens the chat with a friend."""
        if row.user_id and not row.button:
            self.session.spawn(self._open(row.user_id))

    async def _open(self, user_id: str) -> None:
        conversation = await self.session.client.open_direct(user_id)
        App.get_running_app().open_chat(conversation.conversation_id)


def _heading(text: str) -> dict[str, Any]:
    return {
        "user_id": "",
        "name": text,
        "note": "",
        "button": "",
        "heading": True,
        "texture": None,
        "key_size": (None, dp(HEADING)),
    }


kv.load(__file__)
