"""About a chat of two: who the other one is, a group with them, and what the chat is to one."""

from typing import Any

from kivy.app import App
from kivy.properties import BooleanProperty, ObjectProperty, StringProperty

from app import kv
from app.widgets import chat_options  # noqa: F401 - the rules name it
from app.widgets.conversation_page import ConversationPage
from hongyan_client.model import Conversation


class ChatInfo(ConversationPage):
    """What the ⋯ of a direct chat opens."""

    peer_id = StringProperty("")
    peer = StringProperty("")
    about = StringProperty("")
    texture = ObjectProperty(None, allownone=True)
    friend = BooleanProperty(False)
    """Whether the other can be brought into a group."""

    def show(self, conversation: Conversation) -> None:
        self.title = App.get_running_app().words("options.title")
        self.peer_id = conversation.peer_id(self.session.user_id)
        self.peer = self.session.name(self.peer_id) or "…"
        user = self.session.user(self.peer_id)
        self.about = (user.signature or user.handle) if user else ""
        self.texture = self.faces.of_user(self.peer_id)
        contact = self.session.client.contact(self.peer_id)
        self.friend = contact.friend and self.peer_id != self.session.user_id
        self.ids.options.show(conversation)

    def open_peer(self) -> None:
        """Opens the other's profile."""
        App.get_running_app().go("person", user_id=self.peer_id)

    def start_group(self) -> Any:
        """Begins a group with the other in it."""
        return App.get_running_app().go("group_new", user_ids=(self.peer_id,))


kv.load(__file__)
