"""The viewer of pictures: over the whole window, to look at closely and to save."""

import re
from typing import Any

from kivy.app import App
from kivy.factory import Factory
from kivy.graphics.texture import Texture
from kivy.properties import BooleanProperty, ObjectProperty, StringProperty
from kivy.uix.floatlayout import FloatLayout

from app import files, images, kv
from app.widgets.zoom import Zoom

UNFIT = re.compile(r'[\x00-\x1f<>:"/\\|?*]+')


class ViewerSheet(FloatLayout):
    """The dark ground with the picture, a title, and the buttons."""

    viewer = ObjectProperty(None)


class Viewer(FloatLayout):
    """A layer over the app: `show` opens it; a press beside the picture, or Escape, closes it."""

    name = StringProperty("")
    texture = ObjectProperty(None, allownone=True)
    is_open = BooleanProperty(False)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._data = b""
        self._shown = 0

    def show(self, picture: bytes | Texture, name: str = "") -> None:
        """Shows an image file's content, or a texture; `name` is the title, and the name of the
        file when it is saved."""
        self.close()
        self.name, self.is_open = name, True
        self._data = picture if isinstance(picture, bytes) else b""
        self.add_widget(ViewerSheet(viewer=self))
        if isinstance(picture, bytes):
            App.get_running_app().session.spawn(self._decode(picture, self._shown))
        else:
            self.texture = picture

    async def _decode(self, data: bytes, shown: int) -> None:
        image = await images.opened(data)
        if shown != self._shown:  # closed meanwhile, or another one is shown
            return
        if image is None:
            App.get_running_app().tell("picture.unreadable")
            self.close()
            return
        texture = await images.texture_of(image)
        if shown == self._shown:
            self.texture = texture

    def close(self) -> None:
        """Goes away."""
        self._shown += 1
        self.clear_widgets()
        self.texture, self.is_open, self._data = None, False, b""

    def save(self) -> None:
        """Saves the picture as it came; a texture as a PNG."""
        if self.texture:
            App.get_running_app().session.spawn(self._save())

    async def _save(self) -> None:
        app = App.get_running_app()
        data = self._data or images.png(images.image_of(self.texture))
        name = UNFIT.sub("_", self.name).strip(". ") or app.words("picture.name")
        try:
            path = await files.save(name + images.suffix_of(data), data)
        except OSError as error:
            app.tell("picture.not_saved", why=error.strerror or str(error))
            return
        if path:
            app.tell("picture.saved", path=path)

    def on_touch_down(self, touch: Any) -> bool:
        if not self.is_open:
            return False
        if super().on_touch_down(touch):
            return True
        if not touch.is_mouse_scrolling:
            self.close()
        return True

    def on_touch_move(self, touch: Any) -> bool:
        return bool(super().on_touch_move(touch)) or self.is_open

    def on_touch_up(self, touch: Any) -> bool:
        return bool(super().on_touch_up(touch)) or self.is_open


Factory.register("Zoom", cls=Zoom)
Factory.register("ViewerSheet", cls=ViewerSheet)
kv.load(__file__)
