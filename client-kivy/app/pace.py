"""How often the app draws: often while something happens, seldom while nothing does."""

import asyncio
from typing import Any

from kivy.clock import Clock
from kivy.core.window import Window

ACTIVE_FPS, IDLE_FPS, HIDDEN_FPS = 60, 15, 4
# Frames are not fewer than this however long one took: the device may have slept in it.
LEAST_FPS = 8
LINGER_SECONDS = 1.5
# The least part of the time that is left to the network between frames. Without it a frame that
# takes longer than its turn would be followed at once by the next one, and the loop would come
# to one step of every task for each frame.
NETWORK_SHARE = 0.35
# How much a new frame counts in what frames cost.
NEWEST = 0.3


class Pace:
    """Sets how many frames a second Kivy's clock may have.

    It has no public way to change that while it runs, nor to ask when a frame began.
    """

    def __init__(self) -> None:
        self._wanted = ACTIVE_FPS
        self._frame_seconds = 0.0
        self._rest = Clock.create_trigger(lambda *_: self._want(IDLE_FPS), LINGER_SECONDS)
        for event in ("on_touch_down", "on_touch_move", "on_key_down", "on_textinput", "size"):
            Window.fbind(event, self.wake)
        Window.bind(
            on_minimize=lambda *_: self._want(HIDDEN_FPS),
            on_restore=self.wake,
            on_flip=self._flip,
        )
        self.wake()

    def wake(self, *_: Any) -> None:
        """Draws often for a while."""
        self._want(ACTIVE_FPS)
        self._rest.cancel()
        self._rest()

    def _want(self, frames: int) -> None:
        self._wanted = frames
        self._set()

    def _flip(self, *_: Any) -> None:
        # What is called soon comes when the frame is on the screen.
        asyncio.get_running_loop().call_soon(self._drawn)

    def _drawn(self) -> None:
        seconds = min(Clock.time() - Clock._last_tick, 1 / LEAST_FPS)
        self._frame_seconds += NEWEST * (seconds - self._frame_seconds)
        self._set()

    def _set(self) -> None:
        can = (1 - NETWORK_SHARE) / max(self._frame_seconds, 0.001)
        Clock._max_fps = min(self._wanted, max(can, LEAST_FPS))
