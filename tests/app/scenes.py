"""What the pictures are taken of: how the app is brought to each screen, in the order of use."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.app.village import TALK, Village, portrait

Scene = Callable[["Stage"], Awaitable[Any]]


@dataclass
class Stage:
    """The app in front of the camera, and the world that it shows."""

    robot: Any
    village: Village

    @property
    def app(self) -> Any:
        """The app."""
        return self.robot.app

    def id_of(self, key: str) -> str:
        """Returns somebody's user id."""
        return str(self.village.people[key].client.user_id)

    async def chat(self, conversation_id: str) -> None:
        """Opens a chat and waits until its rows are there."""
        self.app.open_chat(conversation_id)
        await self.robot.frames(12)

    async def page(self, name: str, **options: Any) -> None:
        """Opens a page and gives it time to load what it shows."""
        self.app.go(name, **options)
        await self.robot.calm()


SCENES: dict[str, Scene] = {}
"""What pictures are taken of, by name, in this order; `door…` are those of nobody."""


def scene(name: str) -> Callable[[Scene], Scene]:
    """Adds a scene under a name."""

    def add(function: Scene) -> Scene:
        SCENES[name] = function
        return function

    return add


def of_page(name: str, page: str, **options: Any) -> None:
    """Adds a page as a scene; options that are functions are asked for their value then."""

    async def show(stage: Stage) -> None:
        given = {key: value(stage) if callable(value) else value for key, value in options.items()}
        await stage.page(page, **given)

    SCENES[name] = show


async def door(stage: Stage, name: str) -> None:
    """Shows one of the screens that there are before there is an account, when it is drawn."""
    stage.app.entry.form = name
    async with asyncio.timeout(60):
        while not all(it.is_drawn for it in stage.robot.named("Scenery")):
            await stage.robot.frames(2)
    await stage.robot.frames(4)


@scene("door_welcome")
async def _welcome(stage: Stage) -> None:
    await door(stage, "welcome")


@scene("door_login")
async def _login(stage: Stage) -> None:
    await door(stage, "login")


@scene("door_register")
async def _register(stage: Stage) -> None:
    await door(stage, "register")


@scene("door_reset")
async def _reset(stage: Stage) -> None:
    await door(stage, "reset")


@scene("door_code_login")
async def _code_login(stage: Stage) -> None:
    stage.app.open_code_login()
    await stage.robot.frames(6)


@scene("chats")
async def _chats(stage: Stage) -> None:
    await stage.robot.calm()


@scene("chats_menu")
async def _chats_menu(stage: Stage) -> None:
    await stage.robot.calm()
    await stage.robot.click(stage.robot.named("ChatRow")[0], button="right")
    await stage.robot.frames(4)


@scene("chats_found")
async def _found(stage: Stage) -> None:
    await stage.robot.calm()
    stage.app.desk.chats.ids.field.text = "周六"
    await stage.robot.calm()


@scene("chat")
async def _chat(stage: Stage) -> None:
    await stage.chat(stage.village.direct)
    await stage.robot.calm()


@scene("chat_group")
async def _chat_group(stage: Stage) -> None:
    await stage.chat(stage.village.group)
    await stage.robot.calm()


@scene("chat_menu")
async def _chat_menu(stage: Stage) -> None:
    await stage.chat(stage.village.direct)
    await stage.robot.calm()
    from tests.app.chatting import ask  # noqa: PLC0415 - it needs a window

    await ask(stage.robot, TALK[-1][1])
    await stage.robot.frames(4)


@scene("chat_emoji")
async def _chat_emoji(stage: Stage) -> None:
    await stage.chat(stage.village.direct)
    stage.app.desk.chat.composer.panel = True
    await stage.robot.calm()


@scene("chat_select")
async def _chat_select(stage: Stage) -> None:
    await stage.chat(stage.village.direct)
    await stage.robot.calm()
    newest = stage.app.session.client.known_messages(stage.village.direct, 3)
    stage.app.desk.chat.select(newest[-1])
    await stage.robot.frames(4)


@scene("contacts")
async def _contacts(stage: Stage) -> None:
    stage.app.desk.tab = "contacts"
    await stage.robot.calm()


@scene("settings")
async def _settings(stage: Stage) -> None:
    stage.app.desk.tab = "settings"
    await stage.robot.calm()


@scene("dialog")
async def _dialog(stage: Stage) -> None:
    stage.app.desk.settings.ask_logout()
    await stage.robot.frames(6)


@scene("viewer")
async def _viewer(stage: Stage) -> None:
    stage.app.viewer.show(portrait(3), "灵灵")
    await stage.robot.frames(6)


def person(key: str) -> Any:
    return lambda stage: stage.id_of(key)


def group(stage: Stage) -> str:
    return stage.village.group


def direct(stage: Stage) -> str:
    return stage.village.direct


of_page("person_friend", "person", user_id=person("bo"))
of_page("person_stranger", "person", user_id=person("chen"), source="search")
of_page("new_friends", "new_friends")
of_page("groups_list", "groups_list")
of_page("tags", "tags")
of_page("tag", "tag", tag="爬山")
of_page("add_friend", "add_friend")
of_page("my_code", "my_code")
of_page("scan", "scan")
of_page("blocked", "blocked")
of_page("pick_people", "pick_people")
of_page("pick_chat", "pick_chat")
of_page("me", "me")
of_page("search", "search")
of_page("search_in_chat", "search", conversation_id=group)
of_page("group_new", "group_new")
of_page("group", "group", conversation_id=group)
of_page("group_members", "group_members", conversation_id=group)
of_page("announcement", "announcement", conversation_id=group)
of_page("group_code", "group_code", conversation_id=group)
of_page("group_requests", "group_requests", conversation_id=group)
of_page("chat_info", "chat_info", conversation_id=direct)
of_page("account", "account")
of_page("accounts", "accounts")
of_page("password", "password")
of_page("delete_account", "delete_account")
of_page("devices", "devices")
of_page("device_code", "device_code")
of_page("privacy", "privacy")
of_page("notifications", "notifications")
of_page("appearance", "appearance")
of_page("language", "language")
of_page("storage", "storage")
of_page("about", "about")
of_page("licences", "licences")
of_page("shortcuts", "shortcuts")
