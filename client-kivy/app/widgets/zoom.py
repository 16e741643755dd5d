"""A picture under one's fingers: enlarged by wheel, pinch or double press, and drawn about."""

import math
from typing import Any

from kivy.core.window import Window
from kivy.properties import (
    BooleanProperty,
    ListProperty,
    NumericProperty,
    ObjectProperty,
    ReferenceListProperty,
)
from kivy.uix.widget import Widget

from app import kv

MOST, STEP, NEAR = 10.0, 1.2, 2.5
# A picture is not drawn larger than this at first, or it would be all blur.
ENLARGED = 1.5


class Zoom(Widget):
    """Shows a texture in its frame; `covers` keeps the whole frame covered, as cropping needs."""

    texture = ObjectProperty(None, allownone=True)
    frame = ListProperty([0, 0, 1, 1])
    """Left, bottom, width and height of where the picture belongs, in the window."""
    covers = BooleanProperty(False)
    zoom = NumericProperty(1.0)
    """How much larger than at first."""
    moved_x = NumericProperty(0.0)
    moved_y = NumericProperty(0.0)
    moved = ReferenceListProperty(moved_x, moved_y)
    """How far the middle of the picture is from the middle of the frame."""
    shown_pos = ListProperty([0, 0])
    shown_size = ListProperty([0, 0])

    def __init__(self, **options: Any) -> None:
        self._touches: list[Any] = []
        super().__init__(**options)
        for name in ("texture", "frame", "covers"):
            self.fbind(name, self.reset)
        for name in ("zoom", "moved_x", "moved_y"):
            self.fbind(name, self._place)

    @property
    def scale(self) -> float:
        """How many pixels of the window a pixel of the texture takes."""
        return self._first * self.zoom

    @property
    def _first(self) -> float:
        if self.texture is None:
            return 1.0
        across, up = self.frame[2] / self.texture.width, self.frame[3] / self.texture.height
        return max(across, up) if self.covers else min(across, up, ENLARGED * Window.dpi / 96)

    def reset(self, *_: Any) -> None:
        """Shows the picture as at first."""
        self._touches.clear()
        self.zoom = 1.0
        self.moved = 0, 0
        self._place()

    def _place(self, *_: Any) -> None:
        if self.texture is None:
            return
        left, bottom, wide, high = self.frame
        size = self.texture.width * self.scale, self.texture.height * self.scale
        # So far, and no farther, that the picture's edge does not come into the frame.
        free = [max(0.0, (it - room) / 2) for it, room in zip(size, (wide, high), strict=True)]
        self.moved_x = min(free[0], max(-free[0], self.moved_x))
        self.moved_y = min(free[1], max(-free[1], self.moved_y))
        self.shown_size = size
        self.shown_pos = (
            left + wide / 2 + self.moved_x - size[0] / 2,
            bottom + high / 2 + self.moved_y - size[1] / 2,
        )

    def enlarge(self, times: float, around: tuple[float, float]) -> None:
        """Enlarges, so that what is at a point stays there."""
        before = self.zoom
        self.zoom = min(MOST, max(1.0, before * times))
        grown = self.zoom / before
        left, bottom, wide, high = self.frame
        middle_x, middle_y = left + wide / 2 + self.moved_x, bottom + high / 2 + self.moved_y
        self.moved_x += (around[0] - middle_x) * (1 - grown)
        self.moved_y += (around[1] - middle_y) * (1 - grown)

    def is_on_picture(self, x: float, y: float) -> bool:
        """Returns whether a point is on the picture."""
        left, bottom = self.shown_pos
        return bool(
            left <= x <= left + self.shown_size[0] and bottom <= y <= bottom + self.shown_size[1]
        )

    def on_touch_down(self, touch: Any) -> bool:
        if not self.collide_point(*touch.pos) or self.texture is None:
            return False
        button = getattr(touch, "button", "left")
        if button in ("scrollup", "scrolldown"):
            self.enlarge(STEP if button == "scrolldown" else 1 / STEP, touch.pos)
            return True
        if not self.is_on_picture(*touch.pos):
            return False
        if touch.is_double_tap:
            self.enlarge(NEAR if self.zoom < NEAR / 2 else 1 / MOST, touch.pos)
            return True
        touch.grab(self)
        self._touches.append(touch)
        return True

    def on_touch_move(self, touch: Any) -> bool:
        if touch.grab_current is not self or touch not in self._touches:
            return False
        if len(self._touches) == 1:
            self.moved_x += touch.dx
            self.moved_y += touch.dy
            return True
        other = next(it for it in self._touches if it is not touch)
        before = math.dist((touch.px, touch.py), other.pos)
        now = math.dist(touch.pos, other.pos)
        if before > 1:
            middle = (touch.x + other.x) / 2, (touch.y + other.y) / 2
            self.enlarge(now / before, middle)
        return True

    def on_touch_up(self, touch: Any) -> bool:
        if touch.grab_current is not self:
            return False
        touch.ungrab(self)
        if touch in self._touches:
            self._touches.remove(touch)
        return True


kv.load(__file__)
