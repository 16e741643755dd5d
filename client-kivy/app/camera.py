"""The camera, where there is one: frames of it as pictures."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kivy.utils import platform
from PIL import Image

from app import images

SIZE = (640, 480)


def has_camera() -> bool:
    """Returns whether a camera can be read here: a device, and something that reads it."""
    if platform == "linux" and not any(Path("/dev").glob("video*")):
        return False
    if platform in ("linux", "win") and importlib.util.find_spec("cv2") is None:
        return False
    # Asked last: without any provider Kivy complains in the log.
    from kivy.core.camera import Camera as Provider  # noqa: PLC0415

    return Provider is not None


class Camera:
    """A camera that runs until it is stopped; `framed` is called with the texture of each frame."""

    def __init__(self, framed: Callable[[Any], None]) -> None:
        from kivy.core.camera import Camera as Provider  # noqa: PLC0415

        self._provider = Provider(index=0, resolution=SIZE, stopped=True)
        self._provider.bind(on_texture=lambda it: framed(it.texture))
        self._provider.start()

    def stop(self) -> None:
        """Lets the camera go."""
        self._provider.stop()


def picture_of(texture: Any) -> Image.Image:
    """Returns a frame as a picture."""
    return images.image_of(texture)
