"""Shortcuts: they go where the help says, also from a field, and not through a question."""

from typing import Any

import pytest

from app import keys, strings
from tests.app.friends import friends
from tests.app.test_chats import direct, key_press, until_true
from tests.faults.people import Device, Town
from tests.system.test_story_groups import say

pytestmark = pytest.mark.asyncio(loop_scope="session")

UP, DOWN, ESCAPE, ENTER, F1 = 273, 274, 27, 13, 282


async def test_keys_go_from_chat_to_chat_and_to_what_is_unread(
    robot: Any, me: Device, town: Town
) -> None:
    app = robot.app
    people = await friends(town, me, ["波波", "梅子", "老王"])
    ids = []
    for it in people:
        ids.append(await direct(me, it))
        await say(it, ids[-1], "早")
    newest, middle, oldest = ids[2], ids[1], ids[0]
    listed = app.desk.chats.ids.list
    await until_true(lambda: [it["key"] for it in listed.data] == [newest, middle, oldest], "all")
    await me.client.mark_read_now(newest, 2)
    await me.client.mark_read_now(middle, 2)
    await until_true(lambda: app.session.unread == 1, "the oldest alone is unread")
    await key_press(robot, DOWN, ["alt"])
    assert app.desk.chat.conversation_id == newest
    app.desk.chat.composer.ids.input.focus = True
    await key_press(robot, DOWN, ["alt"])
    assert app.desk.chat.conversation_id == middle
    await key_press(robot, UP, ["alt", "numlock"])
    assert app.desk.chat.conversation_id == newest
    await key_press(robot, ord("u"), ["ctrl", "shift"])
    assert app.desk.chat.conversation_id == oldest
    await until_true(lambda: app.session.unread == 0, "it is read")
    await key_press(robot, ord("u"), ["ctrl", "shift"])
    await robot.sees("没有未读消息了")


async def test_keys_open_tabs_pages_and_the_help(robot: Any, me: Device) -> None:
    from tests.app.robot import PHONE  # noqa: PLC0415

    app = robot.app
    await key_press(robot, ord("2"), ["ctrl"])
    assert app.desk.tab == "contacts"
    await key_press(robot, ord(","), ["ctrl"])
    assert app.desk.tab == "settings"
    await key_press(robot, ord("1"), ["ctrl"])
    assert app.desk.tab == "chats"
    await key_press(robot, ord("n"), ["ctrl"])
    await robot.sees("发起聊天")
    await key_press(robot, ESCAPE)
    assert not app.desk.pages
    await key_press(robot, F1)
    await robot.sees("Ctrl+Shift+U")
    await key_press(robot, ord("/"), ["ctrl"])
    assert len(app.desk.pages) == 1  # it is shown once
    assert robot.outside() == []
    await robot.resize(*PHONE)
    app.preferences.language = "en"
    await robot.sees("Next unread chat")
    assert robot.outside() == []
    await key_press(robot, ESCAPE)
    assert not app.desk.pages


async def test_a_question_takes_the_keys(robot: Any, me: Device) -> None:
    import asyncio  # noqa: PLC0415

    app = robot.app
    asked = asyncio.create_task(app.dialogs.ask("备注", "波波"))
    await robot.sees("备注")
    await key_press(robot, ord("2"), ["ctrl"])
    assert app.desk.tab == "chats"
    await key_press(robot, ENTER)
    assert await asked == "波波"
    asked = asyncio.create_task(app.dialogs.ask("备注", "波波"))
    await robot.sees("备注")
    await key_press(robot, ESCAPE)
    assert await asked is None


async def test_nobody_who_is_logged_out_goes_anywhere(robot: Any, door: None) -> None:
    for code, held in ((ord("k"), ["ctrl"]), (ord("2"), ["ctrl"]), (F1, [])):
        await key_press(robot, code, held)
    assert not robot.app.desk.pages
    assert robot.app.desk.tab == "chats"


async def test_every_shortcut_has_words_and_keys_of_its_own() -> None:
    used = [keys_ for _, part in keys.TABLE for it in part for keys_ in it.keys if it.name]
    assert len(used) == len(set(used))
    for heading, part in keys.TABLE:
        assert heading in strings.TABLE
        assert all(it.text in strings.TABLE for it in part)
        assert all(hasattr(keys.Shortcuts, it.name) for it in part if it.name)
    assert keys.with_main("u", "shift").label in ("Ctrl+Shift+U", "⌘⇧U")
