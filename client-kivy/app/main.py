"""The app: puts session and screens together and runs them on one event loop."""

import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from kivy.config import Config

Config.set("input", "mouse", "mouse,disable_multitouch")
Config.set("graphics", "multisamples", "0")
Config.set("kivy", "exit_on_escape", "0")

from kivy.app import App  # noqa: E402 - the configuration comes first
from kivy.clock import Clock  # noqa: E402
from kivy.factory import Factory  # noqa: E402
from kivy.properties import ObjectProperty  # noqa: E402
from kivy.uix.floatlayout import FloatLayout  # noqa: E402

from app import fonts, phone  # noqa: E402
from app.desktop import Desktop, command  # noqa: E402
from app.faces import Faces  # noqa: E402
from app.looks import Looks  # noqa: E402
from app.preferences import Preferences  # noqa: E402
from app.session import Session  # noqa: E402
from app.strings import Words  # noqa: E402
from app.text import RichText  # noqa: E402
from app.theme import Theme  # noqa: E402

# Rules name these; their modules need a window, which is there only when the app is built.
KIT = (
    "icon",
    "badge",
    "avatar",
    "button",
    "field",
    "form_field",
    "qr",
    "page",
    "section",
    "listing",
    "letter_index",
    "empty",
)


class HongyanApp(App):
    """The app. `say` and `tell` give words in the language that is chosen."""

    session = ObjectProperty(None)
    faces = ObjectProperty(None)
    desk = ObjectProperty(None, allownone=True)

    def __init__(self, address: str, home: Path, **options: Any) -> None:
        be_quiet()
        fonts.register()
        self.theme = Theme()
        self.words = Words()
        self.preferences = Preferences(home / "preferences.json")
        self.looks = Looks(self.preferences, self.theme, self.words)
        self._address = address
        self._home = home
        self.desktop = Desktop(self, home)
        self.code_login: Any = None
        self._edges = (0.0, 0.0, 0.0, 0.0)
        super().__init__(title="鸿雁", **options)

    def build(self) -> FloatLayout:
        """Makes the screens; what the cache has is shown before there is a connection."""
        register_kit()
        from app.keys import Shortcuts  # noqa: PLC0415
        from app.pace import Pace  # noqa: PLC0415
        from app.screens.desk import Desk  # noqa: PLC0415
        from app.widgets.dialog import Dialogs  # noqa: PLC0415
        from app.widgets.menu import Menu  # noqa: PLC0415
        from app.widgets.toast import Toast  # noqa: PLC0415
        from app.widgets.viewer import Viewer  # noqa: PLC0415

        self.session = Session(
            self.gateway(), self._home, self.refused, self.words, self.desktop.tokens
        )
        self.faces = Faces(self.session)
        self.root_layer = FloatLayout()
        self.desk = Desk(self.session, self.faces)
        self.toast, self.menu, self.dialogs = Toast(), Menu(), Dialogs()
        self.viewer = Viewer()
        self.keys = Shortcuts(self)
        self.theme.bind(list=self._clear)
        self._clear()
        self.session.bind(signed_in=self._choose)
        self._choose()
        self.pace = Pace()
        self.session.bind(on_messages=self.wake, on_signed_out=self._ended)
        phone.watch(self._keep_off)
        return self.root_layer

    @cached_property
    def entry(self) -> Any:
        """The door, for who is not logged in; nobody else needs its forms."""
        from app.screens.entry import Entry  # noqa: PLC0415

        return Entry(self.session, edges=self._edges)

    def gateway(self) -> str:
        """Returns where the server is: what was said at the start, then what was chosen here."""
        return self._address or str(self.preferences.address) or command.gateway()

    def on_start(self) -> None:
        # When the window has its size, which says whether there is room for a chat.
        Clock.schedule_once(lambda *_: self.desk.restore())
        self.session.open()
        self.desktop.start()

    def _clear(self, *_: Any) -> None:
        """Begins each frame with the ground of most of it, which then need not be painted."""
        from kivy.core.window import Window  # noqa: PLC0415

        Window.clearcolor = self.theme.list

    def _keep_off(self, edges: phone.Edges) -> None:
        """Keeps the screens off what covers the window's edges on a phone."""
        top, right, bottom, left = edges
        self.desk.padding = (left, top, right, bottom)
        self._edges = (left, top, right, bottom)
        if "entry" in self.__dict__:
            self.entry.edges = self._edges

    def _choose(self, *_: Any) -> None:
        self.root_layer.clear_widgets()
        if not self.session.signed_in:
            self.desk.leave_all()
            self.desk.chat.close()
            self.root_layer.add_widget(self.code_login or self.entry)
        else:
            self.close_code_login()
            self.root_layer.add_widget(self.desk)
        for layer in (self.viewer, self.menu, self.dialogs, self.toast):
            self.root_layer.add_widget(layer)

    def open_settings(self, *_: Any) -> bool:
        """Kivy's own panel, which it would open with F1, is none of ours."""
        return False

    # Words

    def say(self, key: str, language: str = "", **values: Any) -> str:
        """Returns a text; rules name the language so that they are asked again when it changes."""
        return self.words(key, **values)

    def tell(self, key: str, **values: Any) -> None:
        """Says something at the bottom of the window."""
        self.toast.say(self.words(key, **values))

    def refused(self, reason: str) -> None:
        """Says what the server refused; without a reason it could not be asked."""
        self.toast.say(self.words.refusal(reason) if reason else self.words("error.away"))

    def _ended(self, _: Any, reason: str) -> None:
        """Says why there is a door all at once, unless it was gone to."""
        if reason in ("LOGGED_OUT", "ACCOUNT_DELETED"):
            return
        known = self.words.refusal(reason) if reason == "ACCOUNT_SUSPENDED" else ""
        text = known or self.words("ended.text")
        self.session.spawn(self.dialogs.inform(self.words("ended.title"), text))

    # What screens ask for

    def open_chat(self, conversation_id: str, seq: int = 0) -> None:
        """Opens a chat, at a message if a seq is given."""
        self.desk.open(conversation_id, seq)

    def close_chat(self) -> None:
        """Goes back from a chat to the list."""
        self.desk.chat.close()

    def go(self, name: str, **options: Any) -> Any:
        """Opens a page; `pages.PAGES` has their names."""
        return self.desk.go(name, **options)

    async def pick(self, name: str, **options: Any) -> Any:
        """Opens a page and waits for what is chosen there; None: nothing was."""
        return await self.desk.pick(name, **options)

    def open_code_login(self, link: str = "") -> None:
        """Opens what takes a code that another device shows; with its link, goes on at once."""
        from app.screens.code_login import CodeLogin  # noqa: PLC0415

        self.close_code_login()
        self.code_login = CodeLogin(padding=self.desk.padding)
        self._choose()
        self.code_login.entered(link)

    def close_code_login(self) -> None:
        """Goes back to the door."""
        if self.code_login is not None:
            page, self.code_login = self.code_login, None
            page.left()
            if not self.session.signed_in:
                self._choose()

    def follow(self, link: str) -> None:
        """Goes where a link leads that came from outside."""
        from app.links import open_link  # noqa: PLC0415

        open_link(link)

    def back(self) -> bool:
        """Goes one step back: out of a menu, a question, a page or a chat."""
        for layer in (self.menu, self.dialogs, self.viewer):
            if layer.is_open:
                layer.close()
                return True
        if self.code_login is not None:
            self.close_code_login()
            return True
        return bool(self.desk.back() if self.session.signed_in else self.entry.back())

    def wake(self, *_: Any) -> None:
        """Draws often for a while."""
        self.pace.wake()

    def stop(self, *arguments: Any) -> None:
        """Ends the app; what the frame that is under way still asks of it is answered."""
        if self.session:
            self.session.hush()
        super().stop(*arguments)
        App._running_app = self

    async def run_until_closed(self) -> None:
        """Runs the app; at its end the tasks end before the window does."""
        await self.desktop.prepare()
        try:
            await self.async_run("asyncio")
        finally:
            await self.desktop.stop()
            self.preferences.save()
            if self.session:
                await self.session.close()
            App._running_app = None


def register_kit() -> None:
    """Loads the widgets that rules name; it needs a window."""
    from app import shapes  # noqa: PLC0415

    shapes.begin()
    Factory.register("RichText", cls=RichText)
    for module in KIT:
        __import__(f"app.widgets.{module}")


def be_quiet() -> None:
    """Says warnings only: Kivy lets everything through that any library logs."""
    for name in ("", "hpack", "kivy"):
        logging.getLogger(name).setLevel(logging.WARNING)


def run(arguments: Sequence[str] | None = None) -> None:
    """The entry point, as the command line has it."""
    command.run(arguments)


if __name__ == "__main__":
    run()
