"""A list of chats: the rows, and what presses on them do."""

from collections.abc import Sequence
from typing import Any

from kivy.app import App
from kivy.properties import BooleanProperty, NumericProperty, ObjectProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.recycleview import RecycleView
from kivy.uix.recycleview.views import RecycleDataViewBehavior

from app import kv
from app.chat_menu import ChatMenu
from app.chat_rows import BOX, TICKS
from app.widgets.press import Pressable


class ChatRow(RecycleDataViewBehavior, Pressable, BoxLayout):
    """One chat, or the way into a box of them."""

    title = StringProperty("")
    mark = StringProperty("")
    """What stands in red before the preview."""
    preview = StringProperty("")
    typing = BooleanProperty(False)
    tick = StringProperty("")
    tick_icon = StringProperty("")
    when = StringProperty("")
    unread = NumericProperty(0)
    muted = BooleanProperty(False)
    pinned = BooleanProperty(False)
    selected = BooleanProperty(False)
    online = BooleanProperty(False)
    bot = BooleanProperty(False)
    icon = StringProperty("")
    """An icon in the place of the picture."""
    texture = ObjectProperty(None, allownone=True)

    def on_tick(self, *_: Any) -> None:
        self.tick_icon = TICKS.get(self.tick, "")

    def tapped(self, key: str) -> None:
        app = App.get_running_app()
        if key.startswith(BOX):
            app.go("box", kind=key.removeprefix(BOX))
        else:
            app.open_chat(key)

    def asked(self, key: str, where: Sequence[float]) -> None:
        app = App.get_running_app()
        if conversation := app.session.client.conversation(key):
            app.menu.show(where, ChatMenu(app, conversation).items())


class ChatList(RecycleView):
    """The rows; where the eye is stays when they change."""

    data: list[dict[str, Any]]

    def put(self, rows: list[dict[str, Any]]) -> None:
        """Shows rows, unless they are what is shown: a press on them goes on."""
        if self.data != rows:
            self.data = rows


kv.load(__file__)
