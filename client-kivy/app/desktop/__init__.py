"""What the app is on a desktop: notices, tray, one window a profile, keyring, several accounts."""

import asyncio
import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from kivy.clock import Clock
from kivy.event import EventDispatcher
from kivy.properties import BooleanProperty

from app import phone
from hongyan_client.login_codes import LOGIN_LINK
from hongyan_client.tokens import TokenFile, TokenStore

log = logging.getLogger("hongyan_app")
OPEN, QUIT = "open", "quit"


class Desktop(EventDispatcher):
    """Holds what belongs to the process rather than to an account, and ends it with the app.

    Whatever a system does not have is left out; on a phone there is nothing but the file of
    tokens.
    """

    notifies = BooleanProperty(False)
    """Whether there is a service that shows notifications."""
    tray_there = BooleanProperty(False)
    """Whether there is a tray that shows the app's icon."""

    def __init__(self, app: Any, home: Path) -> None:
        super().__init__()
        self._app = app
        self._home = home
        self.is_phone = phone.is_phone()
        self.tokens: TokenStore = TokenFile(home / "tokens.json")
        self.instance: Any = None
        self.link = ""
        """What the process was started with, until there is somebody logged in to follow it."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._bus: Any = None
        self._tray: Any = None
        self._notifications: Any = None
        self._place: Any = None
        self._hidden = False
        self._switching = False

    # Its life

    async def prepare(self) -> None:
        """Does what must be done before there is a window."""
        if self.is_phone:
            return
        from app.desktop import icon, tokens, window  # noqa: PLC0415 - not on a phone

        self._app.icon = str(await asyncio.to_thread(icon.file))
        window.configure(self._app.preferences)
        self.tokens = await asyncio.to_thread(tokens.open_store, self._home)

    def start(self) -> None:
        """Begins what goes on while the app runs."""
        self._run(self._app.looks.follow())
        if self.is_phone:
            return
        from kivy.core.window import Window  # noqa: PLC0415 - it opens the window

        from app.desktop.window import WindowPlace  # noqa: PLC0415

        self._window = Window
        self._place = WindowPlace(Window, self._app.preferences)
        self._place.start()
        Window.bind(on_request_close=self._closing)
        self._show_unread = Clock.create_trigger(self._count, 0.3)
        self._app.session.bind(
            on_chats=self._show_unread, signed_in=self._show_unread, user_id=self._show_unread
        )
        self._app.session.bind(on_chats=self._follow_link)
        self._app.words.bind(language=self._show_unread)
        self._run(self._join_desktop())
        if self.instance is not None:
            self._run(self._serve())
        self._follow_link()

    async def stop(self) -> None:
        """Ends it."""
        if self._place is not None:
            self._place.stop()
            self._window.unbind(on_request_close=self._closing)
            self._show_unread.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.instance is not None:
            self.instance.release()

    def _run(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # One that is cancelled before its first step has not even begun its work.
        task.add_done_callback(lambda _: work.close())

    @staticmethod
    async def _guarded(work: Coroutine[Any, Any, Any]) -> None:
        try:
            await work
        except Exception:
            # None of this is worth the app's life.
            log.exception("a part of the desktop failed")

    async def _join_desktop(self) -> None:
        """Finds out what this desktop has, and uses it."""
        from app.desktop.bus import connect  # noqa: PLC0415
        from app.desktop.notices_bus import BusNotifier  # noqa: PLC0415
        from app.desktop.notices_plyer import PlyerNotifier  # noqa: PLC0415
        from app.desktop.notifications import Notifications, Notifier  # noqa: PLC0415
        from app.desktop.tray import Tray  # noqa: PLC0415

        app = self._app
        notifier: Notifier = PlyerNotifier()
        self._bus = await connect()
        if self._bus is not None:
            self._run(self._bus.run())
            notifier = BusNotifier(self._bus, self._clicked)
            self._tray = Tray(self._bus, self._tray_is, self._chosen)
            await self._tray.start()
        self._show_unread()
        if await notifier.start():
            self._notifications = Notifications(
                app.session, app.preferences, app.words, notifier, self.in_sight
            )
            self.notifies = True
            self._run(self._notifications.run())

    async def _serve(self) -> None:
        await self.instance.serve(self._given)

    # The window

    def present(self) -> None:
        """Brings the window to the front, from the tray too."""
        if self._hidden:
            self._hidden = False
            self._window.show()
        self._window.restore()
        self._window.raise_window()
        self._app.wake()

    def in_sight(self) -> str:
        """Returns the chat that somebody looks at, "" when none."""
        desk = self._app.desk
        if self._hidden or not self._window.focus or desk.pages:
            return ""
        return str(desk.chat.conversation_id)

    def _closing(self, *_: Any, **__: Any) -> bool:
        """Goes into the tray instead, if there is one and that is wanted."""
        if not (self.tray_there and self._app.preferences.close_to_tray):
            return False
        self._hidden = True
        self._window.hide()
        return True

    def _tray_is(self, there: bool) -> None:
        self.tray_there = there
        self._show_unread()
        if not there and self._hidden:
            self.present()  # nothing else would bring it back

    # What comes from outside

    def _clicked(self, conversation_id: str) -> None:
        self.present()
        if self._app.session.signed_in and self._app.session.client.conversation(conversation_id):
            self._app.open_chat(conversation_id)

    def _chosen(self, key: str) -> None:
        if key == QUIT:
            self._app.stop()
        else:
            self.present()

    def _given(self, link: str) -> None:
        self.present()
        self.link = link
        self._follow_link()

    def _follow_link(self, *_: Any) -> None:
        if not self.link:
            return
        if self._app.session.signed_in:
            link, self.link = self.link, ""
            self._app.follow(link)
        elif self.link.startswith(LOGIN_LINK):
            link, self.link = self.link, ""
            self._app.open_code_login(link)

    # How much is unread

    def _count(self, *_: Any) -> None:
        from app.desktop import badge  # noqa: PLC0415

        count = badge.unread(self._app.session)
        self._app.title = badge.title(self._app.words("app.name"), count)
        if self._bus is not None:
            self._run(self._tell(count))

    async def _tell(self, count: int) -> None:
        from app.desktop import badge  # noqa: PLC0415
        from app.desktop.tray import MenuItem  # noqa: PLC0415

        words = self._app.words
        await badge.tell_launcher(self._bus, count)
        await self._tray.settle()
        items = (MenuItem(OPEN, words("tray.open")), MenuItem(QUIT, words("tray.quit")))
        await self._tray.show(badge.title(words("app.name"), count), count, items)

    async def test_notification(self) -> bool:
        """Shows a notification as they will look; false where there is no service."""
        return self._notifications is not None and await self._notifications.test()

    # Several accounts

    def switch(self, home: Path) -> None:
        """Becomes the account of another profile, in the same process."""
        if not self._switching:
            self._run(self._switch(home))

    async def _switch(self, home: Path) -> None:
        from app.desktop import single, tokens  # noqa: PLC0415

        self._switching = True
        try:
            instance = single.Instance(home)
            if not await asyncio.to_thread(instance.claim):
                self._app.tell("accounts.busy")
                return
            store = await asyncio.to_thread(tokens.open_store, home)
            app = self._app
            app.preferences.move(home / "preferences.json")
            await app.session.switch(home, store, app.gateway())
            app.entry.address = app.session.client.address
            self.tokens, self._home = store, home
            if self.instance is not None:
                self.instance.release()
            self.instance = instance
            await instance.serve(self._given)
        finally:
            self._switching = False
