"""A link as a QR code, dark on light whatever the theme: scanners want it so."""

from typing import Any

from kivy.graphics.texture import Texture
from kivy.properties import ObjectProperty, StringProperty
from kivy.uix.widget import Widget

from app import kv


class QrCode(Widget):
    """Shows a link; nothing while it is empty."""

    link = StringProperty("")
    texture = ObjectProperty(None, allownone=True)

    def on_link(self, *_: Any) -> None:
        if not self.link:
            self.texture = None
            return
        import segno  # noqa: PLC0415 - few ever show a code

        rows = [list(it) for it in segno.make(self.link, error="m").matrix_iter(border=3)]
        texture = Texture.create(size=(len(rows[0]), len(rows)), colorfmt="luminance")
        texture.mag_filter = texture.min_filter = "nearest"
        points = bytes(0 if it else 255 for line in reversed(rows) for it in line)
        texture.blit_buffer(points, colorfmt="luminance", bufferfmt="ubyte")
        self.texture = texture


kv.load(__file__)
