"""The own profile: the picture, the name, the handle, and what is said of oneself."""

import asyncio
import io
import re
from pathlib import Path
from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.properties import BooleanProperty, StringProperty
from PIL import Image

from app import files, images, kv
from app.widgets.menu import Item
from app.widgets.page import Page
from hongyan_client.avatars import IMAGE_BYTES
from hongyan_client.model import Account

HANDLE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{5,19}")
LIMITS = {"display_name": 64, "handle": 20, "region": 64, "signature": 120}
GENDERS = ("female", "male", "other", "")
# What the server reads; another format, or a very large picture, is made anew here.
FORMATS = (".png", ".jpg", ".jpeg", ".webp", ".gif")
PIXELS = 40_000_000
SIDE = 1_024


class Me(Page):
    """Each row changes one thing; a press on the picture offers what can be done with it."""

    user_id = StringProperty("")
    name = StringProperty("")
    handle = StringProperty("")
    gender = StringProperty("")
    region = StringProperty("")
    signature = StringProperty("")
    has_picture = BooleanProperty(False)
    busy = BooleanProperty(False)
    """Whether a picture is on its way to the server."""

    def entered(self) -> None:
        self.user_id = self.session.user_id
        self._refresh = Clock.create_trigger(self._show, 0.05)
        self.session.bind(on_people=self._refresh)
        self._show()
        self.session.spawn(self._load())

    def left(self) -> None:
        self.session.unbind(on_people=self._refresh)
        self._refresh.cancel()

    def _show(self, *_: Any) -> None:
        """Shows what the cache has; the gender is not in it."""
        if user := self.session.user(self.user_id):
            self.name, self.handle, self.region = user.display_name, user.handle, user.region
            self.signature, self.has_picture = user.signature, bool(user.avatar_id)

    async def _load(self) -> None:
        self._take(await self.session.client.me())

    def _take(self, account: Account) -> None:
        """Shows the profile as the server has it, here and wherever the account is shown."""
        self.session.take(account)
        self.name, self.handle, self.region = account.display_name, account.handle, account.region
        self.signature, self.gender = account.signature, account.gender
        self.has_picture = bool(account.avatar_id)

    # What is said of oneself

    def change(self, field: str) -> None:
        """Asks for a text of the profile."""
        self.session.spawn(self._change(field))

    async def _change(self, field: str) -> None:
        app = App.get_running_app()
        value = {
            "display_name": self.name,
            "handle": self.handle,
            "region": self.region,
            "signature": self.signature,
        }[field]
        said = await app.dialogs.ask(
            app.words(f"me.{field}"),
            value,
            text=app.words("me.handle_rule") if field == "handle" else "",
            limit=LIMITS[field],
            multiline=field == "signature",
            yes=app.words("button.save"),
        )
        if said is None or said == value:
            return
        said = " ".join(said.split())
        if field == "display_name" and not said:
            app.tell("me.name_empty")
        elif field == "handle" and not HANDLE.fullmatch(said):
            app.tell("me.handle_wrong")
        else:
            await self._update(field, said)

    def change_gender(self) -> None:
        """Asks for the gender."""
        self.session.spawn(self._change_gender())

    async def _change_gender(self) -> None:
        app = App.get_running_app()
        options = [(it, app.words(f"gender.{it or 'none'}")) for it in GENDERS]
        said = await app.dialogs.choose(app.words("me.gender"), options, self.gender)
        if said is not None and said != self.gender:
            await self._update("gender", said)

    async def _update(self, field: str, value: str) -> None:
        self._take(await self.session.client.update_me(**{field: value}))
        self._tell()
        App.get_running_app().tell("me.saved")

    def _tell(self) -> None:
        """Has all that shows the account look again."""
        self.session.dispatch("on_people")
        self.session.dispatch("on_chats")

    # The picture

    def show_menu(self, where: Any) -> None:
        """Opens what can be done with the picture."""
        words = App.get_running_app().words
        items = [Item(words("me.choose_picture"), self.choose_picture, "image_outline")]
        if self.has_picture:
            items += [
                Item(words("me.show_picture"), self.show_picture, "magnify_plus_outline"),
                Item(
                    words("me.remove_picture"), self.remove_picture, "delete_outline", danger=True
                ),
            ]
        App.get_running_app().menu.show(where, items)

    def show_picture(self) -> None:
        """Shows the picture large."""

        async def show() -> None:
            picture = await self.faces.large(self.user_id)
            App.get_running_app().viewer.show(picture, self.name)

        self.session.spawn(show())

    def choose_picture(self) -> None:
        """Asks for a file, and which square of it."""
        self.session.spawn(self._choose_picture())

    async def _choose_picture(self) -> None:
        title = App.get_running_app().words("me.choose_picture")
        path = await files.choose(title, images.SUFFIXES)
        if path:
            await self.set_picture(path)

    async def set_picture(self, path: Path) -> None:
        """Asks which square of a picture to take, and makes it the account's picture."""
        app = App.get_running_app()
        image = await images.opened(path)
        if image is None:
            app.tell("picture.unreadable")
            return
        square = await app.pick("crop", image=image)
        if square is None:
            return
        self.busy = True
        try:
            data, part = await asyncio.to_thread(fit, path, image, square)
            self._take(await self.session.client.set_avatar(data, part))
        finally:
            self.busy = False
        self._tell()
        app.tell("me.saved")

    def remove_picture(self) -> None:
        """Takes the picture away."""
        self.session.spawn(self._remove_picture())

    async def _remove_picture(self) -> None:
        app = App.get_running_app()
        if await app.dialogs.confirm(
            app.words("me.remove_ask"), yes=app.words("me.remove_picture"), danger=True
        ):
            self._take(await self.session.client.delete_avatar())
            self._tell()


def fit(
    path: Path, image: Image.Image, square: tuple[int, int, int]
) -> tuple[bytes, tuple[int, int, int] | None]:
    """Returns what is sent of a picture, and the square to take of it: the file as it is, or
    where the server would not have it the square alone, made smaller."""
    small = path.stat().st_size <= IMAGE_BYTES and image.width * image.height <= PIXELS
    if small and path.suffix.lower() in FORMATS:
        return path.read_bytes(), square
    left, top, side = square
    part = image.crop((left, top, left + side, top + side))
    part.thumbnail((SIDE, SIDE))
    written = io.BytesIO()
    part.save(written, "WEBP", quality=92)
    return written.getvalue(), None


kv.load(__file__)
