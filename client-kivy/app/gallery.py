"""A window with every widget of the kit in every state, to look at: python -m app.gallery."""

import argparse
import asyncio
import tempfile
from pathlib import Path

from kivy.uix.floatlayout import FloatLayout

from app.main import HongyanApp, register_kit
from app.preferences import SCALES


class GalleryApp(HongyanApp):
    """The kit without an account; nothing here asks a server."""

    def build(self) -> FloatLayout:
        """Makes the layers as the app has them, and the gallery below them."""
        register_kit()
        from app.screens.gallery import Gallery  # noqa: PLC0415
        from app.widgets.dialog import Dialogs  # noqa: PLC0415
        from app.widgets.menu import Menu  # noqa: PLC0415
        from app.widgets.toast import Toast  # noqa: PLC0415

        self.toast, self.menu, self.dialogs = Toast(), Menu(), Dialogs()
        self.gallery = Gallery()
        self.root_layer = FloatLayout()
        for layer in (self.gallery, self.menu, self.dialogs, self.toast):
            self.root_layer.add_widget(layer)
        return self.root_layer

    def on_start(self) -> None:
        """Nothing connects."""


def main() -> None:
    """The entry point."""
    parser = argparse.ArgumentParser(prog="app.gallery", description="The kit, to look at.")
    parser.add_argument("--dark", action="store_true", help="in the dark")
    parser.add_argument("--english", action="store_true", help="in English")
    parser.add_argument("--scale", type=float, choices=SCALES, default=1.0, help="letter size")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        app = GalleryApp("http://127.0.0.1:9", Path(folder))
        app.preferences.looks = "dark" if given.dark else "light"
        app.preferences.language = "en" if given.english else "zh"
        app.preferences.scale = given.scale
        asyncio.run(app.run_until_closed())


if __name__ == "__main__":
    main()
