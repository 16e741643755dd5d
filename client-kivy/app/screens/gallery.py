"""The kit on one page: every widget in every state, with nothing behind it."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from kivy.app import App
from kivy.graphics.texture import Texture
from kivy.uix.boxlayout import BoxLayout

from app import kv
from app.widgets import listing
from app.widgets.avatar import Avatar
from app.widgets.button import TextButton
from app.widgets.menu import Item
from app.widgets.section import Row, SwitchRow
from hongyan_client import pictures
from hongyan_client.pictures import Face

KINDS = ("primary", "quiet", "quiet_filled", "danger", "danger_filled", "link")
PEOPLE = (("ling", "灵灵"), ("bo", "波波"), ("mei", "梅子"), ("kai", "Kai"), ("wang", "老王"))
PIXELS = 128
LONG = "很长的一行，长到一行写不下，要在末尾用省略号收住 and some words of another script 😀🎉"


class Gallery(BoxLayout):
    """Sections of the kit; buttons on top open what lies over everything."""

    now = datetime(2026, 11, 27, 9, 41, tzinfo=UTC)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._buttons()
        self._avatars()
        self._rows()
        self._list()

    def _buttons(self) -> None:
        for kind in KINDS:
            line = BoxLayout(size_hint_y=None, height="52dp", spacing="10dp", padding=("10dp", 0))
            for state in ("normal", "down", "busy", "disabled"):
                said = kind if state == "normal" else state
                button = TextButton(text=said, kind=kind, pos_hint={"center_y": 0.5})
                button.state = "down" if state == "down" else "normal"
                button.busy = state == "busy"
                button.disabled = state in ("busy", "disabled")
                line.add_widget(button)
            self.ids.buttons.add_widget(line)

    def _avatars(self) -> None:
        faces = [Face(*it) for it in PEOPLE]
        shown = [(face_texture(it), 0, False) for it in faces]
        shown += [(texture(pictures.group(faces[:count], PIXELS)), 0, False) for count in (2, 3, 5)]
        shown += [(face_texture(faces[0]), 3, False), (face_texture(faces[1]), 120, False)]
        shown += [(face_texture(faces[2]), 3, True)]
        for picture, unread, muted in shown:
            self.ids.avatars.add_widget(Avatar(texture=picture, unread=unread, muted=muted))

    def _rows(self) -> None:
        for row in (
            Row(icon="account_outline", label="带图标的一行", value="值", leads=True),
            Row(label="With a detail", detail="说明文字 a second line", leads=True),
            Row(label="选中的一行", checked=True),
            Row(label=LONG, value=LONG, leads=True),
            SwitchRow(icon="bell_outline", label="开", active=True),
            SwitchRow(label="关", detail=LONG),
            Row(icon="logout", label="危险的一行", danger=True),
        ):
            self.ids.rows.add_widget(row)

    def _list(self) -> None:
        words = App.get_running_app().words
        picture = face_texture(Face(*PEOPLE[0]))
        self.ids.list.data = [
            listing.heading("A"),
            listing.row("1", "灵灵", texture=picture),
            listing.row("2", "灵灵", note="说明 note", trailing="昨天", texture=picture),
            listing.row("3", LONG, note=LONG, trailing="9:41", badge="12", texture=picture),
            listing.row("4", "新的朋友", icon="account_plus_outline", badge="3", leads=True),
            listing.row("5", "波波", button=words("button.accept"), texture=picture),
            *(
                listing.row(check, check, check=check, texture=picture)
                for check in ("no", "yes", "fixed")
            ),
        ]

    # What lies over everything

    def show_menu(self, button: Any) -> None:
        """Opens a menu with all that a menu has."""
        app = App.get_running_app()

        def told(name: str) -> Any:
            return lambda: app.toast.say(name)

        items = [
            Item("复制", told("复制"), "content_copy"),
            Item("没有图标 without an icon", told("…")),
            Item("删除", told("删除"), "delete_outline", danger=True),
        ]
        emoji = [Item(it, told(it)) for it in ("👍", "❤️", "😂", "🎉", "😢", "🙏")]
        app.menu.show(button.to_window(button.x, button.y), items, emoji)

    def ask(self, kind: str) -> None:
        """Asks one of the questions that there are."""
        dialogs = App.get_running_app().dialogs
        asked = {
            "confirm": lambda: dialogs.confirm("发送？", "说明为什么要问。Why it is asked."),
            "danger": lambda: dialogs.confirm("删除聊天记录？", LONG, yes="删除", danger=True),
            "text": lambda: dialogs.ask("备注名", "波波", hint="写在这里"),
            "lines": lambda: dialogs.ask("公告", hint="写几行", multiline=True),
            "choose": lambda: dialogs.choose(
                "免打扰", [("1", "1 小时"), ("8", "8 小时"), ("0", "一直")], "8"
            ),
        }[kind]
        task = asyncio.get_running_loop().create_task(asked())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def face_texture(face: Face) -> Any:
    """Returns a face as a texture."""
    return texture(pictures.user(face, PIXELS))


def texture(image: Any) -> Any:
    """Returns a picture as a texture."""
    made = Texture.create(size=image.size, colorfmt="rgb", mipmap=True)
    made.blit_buffer(image.tobytes(), colorfmt="rgb", bufferfmt="ubyte")
    made.flip_vertical()
    return made


kv.load(__file__)
