"""A hand and an eye for the app: clicks, types, waits and takes pictures, in its own loop."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from kivy.base import EventLoop
from kivy.clock import Clock
from kivy.core.window import Window
from kivy.input.motionevent import MotionEvent
from kivy.uix.scrollview import ScrollView
from kivy.uix.widget import Widget

from app.main import HongyanApp
from loadtest.accounts import PASSWORD

WIDE, PHONE = (1100, 720), (400, 800)


async def until(found: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """Waits for something to be so."""
    async with asyncio.timeout(seconds):
        while not (result := found()):
            await asyncio.sleep(0.02)
    assert result, what
    return result


class Touch(MotionEvent):
    """A press of a button; its place is in parts of the window."""

    def depack(self, args: tuple[float, float, str]) -> None:
        self.is_touch = True
        self.profile = ["pos", "button"]
        self.sx, self.sy, self.button = args
        super().depack(args)


class Robot:
    """Uses one app."""

    def __init__(self, app: HongyanApp, size: tuple[int, int] = WIDE) -> None:
        self.app = app
        self._size = size
        self._lasting: set[Any] = set()

    async def calm(self, seconds: float = 5) -> None:
        """Waits until what the screens asked for has come: no short task, and some frames."""
        tasks = self.app.session._tasks
        ends = asyncio.get_running_loop().time() + seconds
        quiet = 0
        while quiet < 4 and asyncio.get_running_loop().time() < ends:
            await self.frames(2)
            quiet = 0 if tasks - self._lasting else quiet + 1

    async def frames(self, count: int = 3) -> None:
        """Lets the app draw some frames."""
        first = Clock.frames
        await until(lambda: Clock.frames >= first + count, "frames are drawn")

    def shown(self, root: Widget | None = None) -> Iterator[Widget]:
        """Returns every widget that can be seen."""
        root = root or self.app.root
        if root.opacity == 0 or root.width <= 0 or root.height <= 0:
            return
        yield root
        for child in root.children:
            yield from self.shown(child)

    def texts(self) -> list[str]:
        """Returns every text that can be seen."""
        return [it.text for it in self.shown() if getattr(it, "text", "")]

    async def sees(self, text: str) -> None:
        """Waits for a text to be seen, as a whole or as a part, and to have its place."""
        try:
            await until(lambda: any(text in it for it in self.texts()), text)
        except TimeoutError:
            raise AssertionError(f"{text!r} is not among {self.texts()}") from None
        await self.frames(2)

    async def click(self, widget: Widget, button: str = "left") -> None:
        """Presses a widget in its middle and lets go, once it stands still."""
        await self.rest(widget)
        await self.click_at(*widget.to_window(*widget.center), button)

    async def rest(self, widget: Widget) -> None:
        """Waits until a widget stands still."""
        place, now = None, widget.to_window(*widget.center)
        while now != place:
            await self.frames(2)
            place, now = now, widget.to_window(*widget.center)

    async def click_at(self, x: float, y: float, button: str = "left") -> None:
        """Presses a place of the window and lets go."""
        touch = Touch("mouse", 1, (x / Window.width, y / Window.height, button))
        touch.scale_for_screen(Window.width, Window.height)
        EventLoop.post_dispatch_input("begin", touch)
        await self.frames(2)
        EventLoop.post_dispatch_input("end", touch)
        await self.frames(2)

    async def hold(self, x: float, y: float, seconds: float = 1.0) -> None:
        """Holds a finger on a place for a while."""
        touch = Touch("finger", 1, (x / Window.width, y / Window.height, "left"))
        touch.scale_for_screen(Window.width, Window.height)
        EventLoop.post_dispatch_input("begin", touch)
        ends = Clock.get_time() + seconds
        await until(lambda: Clock.get_time() > ends, "the time has passed")
        EventLoop.post_dispatch_input("end", touch)
        await self.frames(2)

    async def drag(self, start: Sequence[float], end: Sequence[float]) -> None:
        """Presses a place, goes to another one, and lets go."""
        touch = Touch("mouse", 1, (start[0] / Window.width, start[1] / Window.height, "left"))
        touch.scale_for_screen(Window.width, Window.height)
        EventLoop.post_dispatch_input("begin", touch)
        await self.frames(1)
        for part in (0.3, 0.7, 1.0):
            x = start[0] + (end[0] - start[0]) * part
            y = start[1] + (end[1] - start[1]) * part
            touch.move((x / Window.width, y / Window.height, "left"))
            touch.scale_for_screen(Window.width, Window.height)
            EventLoop.post_dispatch_input("update", touch)
            await self.frames(1)
        EventLoop.post_dispatch_input("end", touch)
        await self.frames(2)

    async def key(self, key: int, text: str = "", held: Sequence[str] = ()) -> None:
        """Presses a key as the window tells of it."""
        if not Window.dispatch("on_key_down", key, 0, text, list(held)):
            Window.dispatch("on_keyboard", key, 0, text, list(held))
        Window.dispatch("on_key_up", key, 0)
        await self.frames(2)

    async def press_last(self, text: str) -> None:
        """Presses what has a text and lies above all others that have it."""
        found = [it for it in self.shown() if getattr(it, "text", "") == text and not it.disabled]
        await self.click(found[0])

    async def press(self, text: str, inside: Widget | None = None) -> None:
        """Presses what has a text, anywhere or inside a widget."""
        while True:
            widget = await until(lambda: self._saying(text, inside), text)
            await self.rest(widget)
            # Rows of lists are shared: what this one shows may have just changed.
            if widget is self._saying(text, inside):
                return await self.click_at(*widget.to_window(*widget.center))

    def _saying(self, text: str, inside: Widget | None) -> Widget | None:
        """Returns the first widget that can be seen, pressed, and has a text."""
        return next(
            (
                it
                for it in self.shown(inside)
                if getattr(it, "text", "") == text and not it.disabled
            ),
            None,
        )

    async def write(self, field: Widget, text: str) -> None:
        """Writes into a field as an input method does."""
        field.focus = True
        await self.frames(1)
        for character in text:
            Window.dispatch("on_textinput", character)
        await self.frames(2)

    async def come_forward(self) -> None:
        """Has the screen give the window the keyboard, as nobody manages its windows: another
        program may have had it."""
        window = str(Window.get_window_info().window)
        program = await asyncio.create_subprocess_exec("xdotool", "windowfocus", window)
        assert await program.wait() == 0
        await until(lambda: Window.focus, "the window has the keyboard")

    async def be(self, email: str) -> None:
        """Makes the app be logged in as somebody, or with "" as nobody."""
        await self.come_forward()
        session = self.app.session
        if session.signed_in:
            await session.logout()
        if email:
            await session.login(email, PASSWORD)
            await session.client.caught_up()
        await self.tidy()
        self._lasting = set(session._tasks)

    async def tidy(self) -> None:
        """Closes what lies on the first screen, and makes the window wide, light and Chinese."""
        app = self.app
        app.menu.close()
        app.viewer.close()
        while app.dialogs.is_open:
            app.dialogs.close()
            await self.frames(2)
        app.close_code_login()
        app.entry.form, app.entry.email = "welcome", ""
        app.desk.leave_all()
        app.desk.chat.close()
        app.desk.chats.leave_search()
        app.desk.tab = "chats"
        app.preferences.looks, app.preferences.language, app.preferences.scale = "light", "zh", 1.0
        await self.resize(*self._size)

    async def resize(self, width: int, height: int) -> None:
        """Gives the window a size and waits until the app has it."""
        Window.size = (width, height)
        root = self.app.root_layer
        await until(lambda: (root.width, root.height) == (width, height), "the window's size")
        await self.frames(3)

    def named(self, kind: str) -> list[Widget]:
        """Returns every widget of a class that can be seen."""
        return [it for it in self.shown() if type(it).__name__ == kind]

    def outside(self) -> list[str]:
        """Returns the texts that reach out of the window; rows of lists may below and above."""
        cut = []
        for it in self.shown():
            if not getattr(it, "text", "") or type(it).__name__ == "Toast":
                continue
            left, bottom = it.to_window(it.x, it.y)
            scrolls = any(_scrolls(above) for above in it.walk_reverse())
            wide = left < -1 or left + it.width > Window.width + 1
            high = bottom < -1 or bottom + it.height > Window.height + 1
            if wide or (high and not scrolls):
                cut.append(it.text)
        return cut

    async def picture(self, path: Path) -> None:
        """Takes a picture of the window."""
        await self.frames(4)
        path.parent.mkdir(parents=True, exist_ok=True)
        Window.screenshot(name=str(path))
        taken = await until(
            lambda: next(iter(sorted(path.parent.glob(path.stem + "[0-9]*.png"))), None),
            "a picture",
        )
        taken.rename(path)


def _scrolls(widget: Widget) -> bool:
    return isinstance(widget, ScrollView) or type(widget).__name__ == "MessageList"
