"""The list of chats: who, what was said last, when, and how much of it is new."""

from datetime import UTC, datetime
from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.properties import BooleanProperty, NumericProperty, ObjectProperty, StringProperty
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.recycleview.views import RecycleDataViewBehavior

from app import clock, kv
from app.faces import Faces
from app.rows import Look, preview
from app.session import Session
from hongyan_client.model import Conversation


class ChatRow(RecycleDataViewBehavior, ButtonBehavior, BoxLayout):
    """One chat."""

    conversation_id = StringProperty("")
    title = StringProperty("")
    preview = StringProperty("")
    when = StringProperty("")
    unread = NumericProperty(0)
    mentioned = BooleanProperty(False)
    muted = BooleanProperty(False)
    pinned = BooleanProperty(False)
    selected = BooleanProperty(False)
    texture = ObjectProperty(None, allownone=True)


class Chats(BoxLayout):
    """The list, kept by the session's events; many of one frame are one change."""

    session = ObjectProperty(None)
    faces = ObjectProperty(None)
    query = StringProperty("")
    selected = StringProperty("")

    __events__ = ("on_open",)

    def __init__(self, session: Session, faces: Faces, **options: Any) -> None:
        super().__init__(session=session, faces=faces, **options)
        self._refresh = Clock.create_trigger(self._show, 0.03)
        app = App.get_running_app()
        session.bind(on_chats=self._refresh, on_people=self._refresh, signed_in=self._refresh)
        faces.bind(on_changed=self._refresh)
        app.words.bind(language=self._refresh)
        self.bind(query=self._refresh, selected=self._refresh)
        self._refresh()

    def on_open(self, conversation_id: str) -> None:
        """A chat was chosen."""

    def _show(self, *_: Any) -> None:
        if not self.session.signed_in:
            self.ids.list.data = []
            return
        now = datetime.now(UTC)
        app = App.get_running_app()
        session = self.session
        look = Look(session.user_id, session.name, lambda _: None, app.words, now, self.width)
        listed = [
            it
            for it in self.session.client.known_conversations()
            if not it.settings.removed
            and not it.settings.archived
            # Who never wrote a word is among the contacts, not here.
            and (it.last_message is not None or it.settings.draft or it.group)
        ]
        listed.sort(key=lambda it: (it.settings.pinned, _active(it)), reverse=True)
        data = [self._row(it, look, now) for it in listed]
        query = self.query.strip().casefold()
        self.ids.list.data = [it for it in data if query in it["title"].casefold()]
        self.ids.none.opacity = 0 if data else 1

    def _row(self, it: Conversation, look: Look, now: datetime) -> dict[str, Any]:
        message = it.last_message
        muted = it.settings.muted_until is not None and it.settings.muted_until > now
        return {
            "conversation_id": it.conversation_id,
            "title": self.session.title(it) or "…",
            "preview": preview(it, look),
            "when": clock.short(message.created_at, now, look.words) if message else "",
            "unread": it.unread_count,
            "mentioned": bool(it.mention_count),
            "muted": muted,
            "pinned": it.settings.pinned,
            "selected": it.conversation_id == self.selected,
            "texture": self.faces.of(it),
        }


def _active(conversation: Conversation) -> datetime:
    message = conversation.last_message
    return message.created_at if message else datetime.fromtimestamp(0, UTC)


kv.load(__file__)
