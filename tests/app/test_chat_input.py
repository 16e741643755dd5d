"""Writing in a chat: keys, drafts, input methods, emoji and who is meant."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from hongyan_client import Client
from tests.app.chatting import Talkers, row
from tests.faults.people import Device, Town
from tests.system.test_story_groups import words

pytestmark = pytest.mark.asyncio(loop_scope="session")
PHONE = (400, 800)
ENTER, ESCAPE, UP, DOWN, PAGE_UP, END = 13, 27, 273, 274, 280, 279


async def until(found: Any, what: str) -> Any:
    from tests.app.robot import until as wait  # noqa: PLC0415

    return await wait(found, what)


async def compose(robot: Any, text: str) -> None:
    """Tells the window what an input method is putting together, as SDL does."""
    from kivy.core.window import Window  # noqa: PLC0415

    Window.dispatch("on_textedit", text)
    await robot.frames(2)


async def commit(robot: Any, text: str) -> None:
    """Tells the window what an input method has written."""
    from kivy.core.window import Window  # noqa: PLC0415

    Window.dispatch("on_textinput", text)
    await robot.frames(2)


async def test_enter_sends_and_shift_breaks_or_the_other_way_round(
    robot: Any, me: Device, town: Town
) -> None:
    talk = await Talkers.friends(robot, me, town)
    await talk.open()
    await robot.write(talk.input, "第一行")
    await robot.key(ENTER, "\r", ["shift"])
    await robot.write(talk.input, "第二行")
    assert talk.input.text == "第一行\n第二行"
    grown = talk.input.height
    await robot.key(ENTER, "\r")
    await until(lambda: row(robot, "第一行\n第二行"), "sent")
    assert talk.input.text == ""
    await robot.frames(2)
    assert talk.input.height < grown
    robot.app.preferences.enter_sends = False
    try:
        await robot.write(talk.input, "甲")
        await robot.key(ENTER, "\r")
        assert talk.input.text == "甲\n"
        await robot.write(talk.input, "乙")
        await robot.key(ENTER, "\r", ["ctrl"])
        await until(lambda: row(robot, "甲\n乙"), "sent")
    finally:
        robot.app.preferences.enter_sends = True
    await until(lambda: "甲\n乙" in words(talk.bo, talk.id), "it has arrived")


async def test_what_an_input_method_puts_together_is_shown_and_not_yet_text(
    robot: Any, me: Device, town: Town, tmp_path: Path
) -> None:
    talk = await Talkers.friends(robot, me, town)
    await talk.open()
    await robot.write(talk.input, "我")
    before = len(talk.input._above.children)
    await compose(robot, "ni'hao")
    assert (talk.input.text, talk.input.composition) == ("我", "ni'hao")
    assert len(talk.input._above.children) > before  # it is drawn, underlined
    await robot.key(ENTER, "\r")
    await robot.key(ESCAPE)
    await robot.key(8)
    assert (talk.input.text, talk.input.composition) == ("我", "ni'hao")
    assert talk.chat.conversation_id == talk.id
    await compose(robot, "")
    await commit(robot, "你好")
    assert (talk.input.text, talk.input.composition) == ("我你好", "")
    assert len(talk.input._above.children) == before
    await robot.key(ENTER, "\r")
    await until(lambda: row(robot, "我你好"), "sent")


async def test_an_input_method_is_told_where_the_cursor_is() -> None:
    from app import input_method  # noqa: PLC0415

    assert input_method.tell((10, 20), 18) == (sys.platform in ("linux", "win32", "darwin"))


async def test_emoji_are_chosen_and_remembered(robot: Any, me: Device, town: Town) -> None:
    talk = await Talkers.friends(robot, me, town)
    robot.app.preferences.recent_emoji = []
    await talk.open()
    await robot.write(talk.input, "开饭")
    await robot.click(talk.chat.composer.ids.smile)
    await robot.sees("表情与情感")
    panel = robot.named("EmojiPanel")[0]
    strip = await until(
        lambda: next((it for it in robot.named("EmojiStrip") if "😀" in it.items), None), "smileys"
    )
    await robot.click_at(*strip.to_window(strip.x + 66, strip.center_y))
    assert talk.input.text == "开饭😃"
    panel.ids.query.text = "食物"
    found = await until(
        lambda: next((it for it in robot.named("EmojiStrip") if "🍲" in it.items), None), "food"
    )
    x = found.x + 44 * found.items.index("🍲") + 22
    await robot.click_at(*found.to_window(x, found.center_y))
    assert talk.input.text == "开饭😃🍲"
    assert list(robot.app.preferences.recent_emoji) == ["🍲", "😃"]
    for language, size in (("zh", (1100, 720)), ("en", PHONE)):
        robot.app.preferences.language = language
        await robot.resize(*size)
        assert robot.outside() == []
    panel.ids.query.text = "qqqq"
    await robot.sees("No emoji was found")
    talk.input.focus = True
    await robot.key(ESCAPE)
    assert not talk.chat.composer.panel


async def test_every_group_of_emoji_scrolls_without_many_new_pictures_in_a_frame(
    robot: Any, me: Device, town: Town
) -> None:
    from app.widgets.emoji_panel import NEW_PER_FRAME  # noqa: PLC0415

    talk = await Talkers.friends(robot, me, town)
    await talk.open()
    talk.chat.composer.panel = True
    await robot.sees("表情与情感")
    panel = robot.named("EmojiPanel")[0]
    strips = len(robot.named("EmojiStrip"))
    for group in ("animals", "flags", "symbols", "food"):
        panel.go(group if group != "animals" else "nature")
        await robot.frames(2)
        assert panel.drawn._made <= NEW_PER_FRAME
        assert len(robot.named("EmojiStrip")) <= strips + 4
    talk.chat.composer.panel = False


async def test_who_is_meant_is_chosen_from_the_members(robot: Any, me: Device, town: Town) -> None:
    talk = await Talkers.group(robot, me, town)
    await talk.open()
    await until(talk.chat.members.all, "the members")
    await robot.write(talk.input, "你来吗 @bo")
    await until(lambda: any(robot.named("MentionRow")), "candidates")
    rows = robot.named("MentionRow")
    assert [it.name for it in rows] == ["波波"]
    await robot.key(ENTER, "\r")
    assert talk.input.text == "你来吗 @波波 "
    await robot.write(talk.input, "@")
    names = [it.name for it in sorted(robot.named("MentionRow"), key=lambda it: -it.y)]
    assert names == ["所有人", "波波"]  # the owner may mention all
    await robot.resize(*PHONE)
    assert robot.outside() == []
    await robot.key(ESCAPE)
    assert robot.named("MentionRow") == []
    await robot.key(8)
    await robot.key(ENTER, "\r")
    await until(lambda: "你来吗 @波波" in words(talk.bo, talk.id), "it has arrived")
    seq = talk.bo.client.conversation(talk.id).last_seq
    found = talk.bo.client.known_message(talk.id, seq)
    assert found.mentioned == (talk.bo.client.user_id,)
    await robot.write(talk.input, "@所有")
    await robot.key(9)
    assert talk.input.text == "@所有人 "
    await robot.key(ENTER, "\r")
    await until(lambda: "@所有人" in words(talk.bo, talk.id), "it has arrived")
    last = talk.bo.client.conversation(talk.id).last_message
    assert last.mentions_everybody


async def test_too_long_a_text_is_told_and_kept(robot: Any, me: Device, town: Town) -> None:
    talk = await Talkers.friends(robot, me, town)
    await talk.open()
    talk.input.text = "长" * 6_000
    await robot.press("发送")
    await robot.sees("消息太长：17.6 KB，最多 16 KB")
    assert len(talk.input.text) == 6_000
    assert robot.outside() == []
    talk.input.text = "长" * 5_000
    await robot.press("发送")
    await until(lambda: "长" * 5_000 in words(talk.bo, talk.id), "it has arrived")


async def test_a_book_in_one_line_is_pasted(robot: Any, me: Device, town: Town) -> None:
    """It is wider than any texture until it is wrapped."""
    talk = await Talkers.friends(robot, me, town)
    await talk.open()
    for book in ("今天天气真好，我们去公园散步吧。" * 70 + "😀", "好" * 20_000, "😀" * 3_000):
        talk.input.focus = True
        talk.input.text = ""
        talk.input.insert_text(book)
        await robot.frames(4)
        assert talk.input.text == book
    field = robot.app.desk.chats.ids.field.ids.input
    field.insert_text("今天天气真好 😀" * 400)
    await robot.frames(4)
    assert field.text
    robot.app.desk.chats.leave_search()


async def test_what_is_written_is_kept_on_this_device_within_a_second(
    robot: Any, me: Device, town: Town
) -> None:
    talk = await Talkers.friends(robot, me, town)
    other = await me.client.open_direct((await town.newcomer("kai")).client.user_id)
    await talk.open()
    client = robot.app.session.client
    await robot.write(talk.input, "写了一半")
    await until(lambda: client._open().cache.unsent_drafts().get(talk.id) == "写了一半", "kept")
    robot.app.open_chat(other.conversation_id)
    await robot.sees("[草稿]")
    assert talk.input.text == ""
    await until(lambda: client._open().cache.unsent_drafts() == {}, "the server has it")
    await until(
        lambda: me.client.conversation(talk.id).settings.draft == "写了一半", "the other device"
    )
    robot.app.open_chat(talk.id)
    assert talk.input.text == "写了一半"
    await robot.key(ENTER, "\r") if talk.input.focus else await robot.press("发送")
    await until(lambda: client.conversation(talk.id).settings.draft == "", "sent, not kept")


KEEPER = """
import asyncio, sys
from pathlib import Path
from hongyan_client import Client

async def main():
    client = Client(sys.argv[1], Path(sys.argv[2]))
    client.keep_draft(sys.argv[3], "一半的话 😀")
    print("kept", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_draft_outlives_a_process_that_is_killed(
    town: Town, system: Any, tmp_path: Path
) -> None:
    device, peer = await town.newcomer("ling"), await town.newcomer("bo")
    conversation = await device.client.open_direct(peer.client.user_id)
    id, home = conversation.conversation_id, device.client.home
    await device.client.refresh(id)
    await device.close()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KEEPER, "http://127.0.0.1:1", str(home), id,
        stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert process.stdout
    async with asyncio.timeout(60):
        assert (await process.stdout.readline()).strip() == b"kept"
    process.send_signal(signal.SIGKILL)
    await process.wait()
    async with Client("http://127.0.0.1:1", home) as offline:
        known = offline.conversation(id)
        assert known
        assert known.settings.draft == "一半的话 😀"
    async with Client(system.address, home) as online:
        await online.send_drafts()
        assert online._open().cache.unsent_drafts() == {}
        known = online.conversation(id)
        assert known
        assert known.settings.draft == "一半的话 😀"


async def test_keys_scroll_and_close_what_is_open_in_order(
    robot: Any, me: Device, town: Town
) -> None:
    talk = await Talkers.friends(robot, me, town)
    for number in range(40):
        await talk.bo_says(f"第 {number} 句")
    await talk.open()
    await robot.sees("第 39 句")
    talk.input.focus = True
    await robot.key(PAGE_UP)
    assert talk.chat.far
    await robot.key(END, "", ["ctrl"])
    await robot.frames(3)
    assert talk.view.at_bottom()
    message = talk.chat.reading.thread.messages[-1]
    talk.chat.composer.panel = True
    talk.chat.quote(message)
    await robot.frames(2)
    await robot.key(ESCAPE)
    assert (talk.chat.composer.mode, talk.chat.composer.panel) == ("", True)
    await robot.key(ESCAPE)
    assert not talk.chat.composer.panel
    talk.view.choose(talk.chat.reading.thread.slots[-1].key, 0, 2)
    await robot.key(ESCAPE)
    assert talk.view.chosen_text() == ""
    assert talk.chat.conversation_id == talk.id


async def test_writing_is_told_to_the_other_one(robot: Any, me: Device, town: Town) -> None:
    talk = await Talkers.friends(robot, me, town)
    await talk.open()
    from hongyan_client.model import TypingStarted  # noqa: PLC0415

    async with talk.bo.client.events() as events:
        await robot.write(talk.input, "在写")
        async with asyncio.timeout(60):
            async for event in events:
                if isinstance(event, TypingStarted) and event.conversation_id == talk.id:
                    break
    talk.bo.client.typing(talk.id)
    await robot.sees("对方正在输入…")
    await talk.bo_says("写好了")
    await robot.sees("写好了")
    await until(lambda: not talk.chat.typing, "over with the message")
    await robot.sees("在线")
