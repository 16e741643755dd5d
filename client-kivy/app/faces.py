"""Pictures of users and groups as textures: the letter at once, the picture when it is here."""

import asyncio
import io
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from kivy.event import EventDispatcher
from kivy.graphics.texture import Texture
from kivy.properties import NumericProperty

from app.session import Session
from app.shapes import rounded
from hongyan_client import pictures
from hongyan_client.errors import HongyanError
from hongyan_client.model import Conversation
from hongyan_client.pictures import Face

# A power of two, for which every graphics driver makes smaller copies.
PIXELS = 128
LARGE = 480
# How round the corners of a picture are, in parts of its side.
ROUND = 2 / 11


class Faces(EventDispatcher):
    """Draws faces and keeps them; `on_changed` when a picture has come."""

    __events__ = ("on_changed",)

    version = NumericProperty(0)
    """Counts what has changed: rules that name it are asked again."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._files: dict[str, bytes] = {}
        self._asked: set[str] = set()
        session.bind(on_people=lambda *_: self.dispatch("on_changed"))

    def on_changed(self) -> None:
        """A picture looks different."""
        self.version += 1

    def of_user(self, user_id: str, _: int = 0) -> Any:
        """Returns a user's picture."""
        return _texture((self._face(user_id),), False)

    def of_letter(self, user_id: str, name: str) -> Any:
        """Returns the picture of somebody whose picture is not here: the letter of the name."""
        return _texture((Face(user_id, name),), False)

    def of(self, conversation: Conversation) -> Any:
        """Returns the picture of a conversation: of the other one, or a mosaic."""
        group = conversation.group
        if group is None:
            return self.of_user(conversation.peer_id(self._session.user_id))
        members = tuple(self._face(it) for it in group.picture_user_ids)
        if not members:  # nobody is in it any more
            return _texture((Face(conversation.conversation_id, group.settings.name),), False)
        return _texture(members, True)

    async def large(self, user_id: str) -> bytes:
        """Returns a user's picture as an image file of `LARGE` pixels; without one, the letter."""
        face = self._face(user_id)
        if picture := await self._session.client.avatar_of(user_id, LARGE):
            return picture
        return await asyncio.to_thread(_letter, face)

    def _face(self, user_id: str) -> Face:
        user = self._session.user(user_id)
        name = self._session.name(user_id)
        avatar_id = user.avatar_id if user else ""
        if not avatar_id:
            return Face(user_id, name)
        if avatar_id not in self._files and avatar_id not in self._asked:
            self._asked.add(avatar_id)
            self._session.spawn(self._fetch(avatar_id))
        return Face(user_id, name, self._files.get(avatar_id, b""))

    async def _fetch(self, avatar_id: str) -> None:
        try:
            self._files[avatar_id] = await self._session.client.avatar(avatar_id)
        except HongyanError:
            await asyncio.sleep(0)
            self._asked.discard(avatar_id)
            return
        self.dispatch("on_changed")


def _letter(face: Face) -> bytes:
    written = io.BytesIO()
    pictures.user(Face(face.user_id, face.name), LARGE).save(written, "PNG")
    return written.getvalue()


@lru_cache(maxsize=400)  # 90 KB each
def _texture(faces: Sequence[Face], mosaic: bool) -> Any:
    image = pictures.group(faces, PIXELS) if mosaic else pictures.user(faces[0], PIXELS)
    image = image.convert("RGB")
    image.putalpha(rounded(image.size, (PIXELS * ROUND,) * 4))
    texture = Texture.create(size=image.size, colorfmt="rgba", mipmap=True)
    texture.blit_buffer(image.tobytes(), colorfmt="rgba", bufferfmt="ubyte")
    texture.flip_vertical()
    return texture
