"""Messages in a chat: how they look, and what can be done with them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from kivy.utils import get_color_from_hex

from app.theme import DARK, LIGHT
from hongyan_client.model import MessageState
from tests.app.chatting import Talkers, ask, colour_at, row, texts_of
from tests.faults.people import Device, Town

pytestmark = pytest.mark.asyncio(loop_scope="session")
PHONE = (400, 800)


async def until(found: Any, what: str) -> Any:
    from tests.app.robot import until as wait  # noqa: PLC0415

    return await wait(found, what)


async def test_bubbles_stand_in_runs_in_their_colours(
    robot: Any, me: Device, town: Town, tmp_path: Path
) -> None:
    talk = await Talkers.friends(robot, me, town)
    await talk.bo_says("在吗")
    await talk.bo_says("有空一起吃饭吗？")
    await talk.i_say("有啊 😀")
    await talk.open()
    await robot.sees("有啊 😀")
    first, second, mine = (row(robot, it) for it in ("在吗", "有空一起吃饭吗？", "有啊 😀"))
    assert (first.first, second.first, mine.first) == (True, False, True)
    assert first.ids["bubble"].x == second.ids["bubble"].x
    assert mine.ids["bubble"].right < mine.width - 50
    for looks, tokens in (("light", LIGHT), ("dark", DARK)):
        robot.app.preferences.looks = looks
        await robot.frames(3)
        picture = tmp_path / f"{looks}.png"
        await robot.picture(picture)
        for it, token in ((second, "peer"), (mine, "mine")):
            wanted = [round(part * 255) for part in get_color_from_hex(tokens[token])[:3]]
            # A little inside of the bubble's lower left corner there is no letter.
            bubble = it.ids["bubble"]
            found = colour_at(picture, *bubble.to_window(bubble.x + 14, bubble.y + 4))
            assert found == pytest.approx(wanted, abs=3), (looks, token)


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_nothing_is_cut_off_wide_and_on_a_phone(
    robot: Any, me: Device, town: Town, language: str
) -> None:
    talk = await Talkers.friends(robot, me, town)
    robot.app.preferences.language = language
    seq = await talk.bo_says(
        "一段很长的文字 with English words https://example.com/a/very/long " * 3
    )
    await talk.i_say("回答 " + "很长" * 40, quote_seq=seq)
    await talk.bo_says("🎉🎉")
    await talk.i_say("ok")
    await me.client.send_card(talk.id, talk.bo.client.user_id)
    await talk.bo.client.react(talk.id, seq, "👍")
    await talk.open()
    await robot.sees("ok")
    await until(lambda: row(robot, "👍 1", "SpotWidget") or talk.view.scroll_by(-200), "the chip")
    for size in ((1100, 720), PHONE):
        await robot.resize(*size)
        assert robot.outside() == []
        for it in robot.named("MessageRow"):
            for spot in it.children:
                assert spot.x >= -1
                assert spot.right <= it.width + 1
        talk.chat.composer.quote(seq, "标题", "文字 " * 60)
        await robot.frames(3)
        assert robot.outside() == []
        talk.chat.composer.end_strip()


async def test_one_to_three_emoji_stand_large_and_without_a_bubble(
    robot: Any, me: Device, town: Town
) -> None:
    talk = await Talkers.friends(robot, me, town)
    for text in ("👨‍👩‍👧", "🎉🎉🎉", "🎉🎉🎉🎉", "好🎉"):
        await talk.bo_says(text)
    await talk.open()
    await robot.sees("好🎉")
    sizes = [row(robot, it).row.body.shape.size for it in ("👨‍👩‍👧", "🎉🎉🎉", "🎉🎉🎉🎉", "好🎉")]
    assert sizes == [42, 34, 15, 15]
    assert row(robot, "🎉🎉🎉").row.fills == ()
    assert row(robot, "好🎉").row.fills


async def test_a_link_opens_after_its_whole_address_was_seen(
    robot: Any, me: Device, town: Town
) -> None:
    talk = await Talkers.friends(robot, me, town)
    address = "https://example.com/a?b=1"
    await talk.bo_says(f"看这里：{address}，很好。javascript:alert(1)")
    await talk.open()
    await robot.sees("看这里")
    opened: list[str] = []
    talk.chat.open_address = opened.append
    shown = next(it for it in robot.named("MessageRow") if "看这里" in it.text)
    assert shown.row.links == (address,)
    run = next(it for it in shown.row.body.shape.runs if it.span == 0)
    x = shown.row.body.left + run.left + run.width / 2
    y = shown.height - shown.row.body.down - run.top - 8
    await robot.click_at(*shown.ids["bubble"].to_window(x, y))
    await robot.sees(address)
    assert opened == []
    await robot.press("打开")
    await until(lambda: opened == [address], "it opens")
    await robot.click_at(*shown.ids["bubble"].to_window(x, y))
    await robot.sees("打开链接？")
    await robot.press("取消")
    await robot.frames()
    assert opened == [address]


async def test_reactions_are_chips_that_a_press_toggles(robot: Any, me: Device, town: Town) -> None:
    talk = await Talkers.friends(robot, me, town)
    seq = await talk.bo_says("周六去爬山吗？")
    await talk.bo.client.react(talk.id, seq, "👍")
    await talk.open()
    await robot.press("👍 1")
    await robot.sees("👍 2")
    await robot.press("👍 2")
    await robot.sees("👍 1")
    await ask(robot, "周六去爬山吗？")
    await robot.press("❤️")
    await robot.sees("❤️ 1")
    await ask(robot, "周六去爬山吗？")
    await robot.press("➕")
    await until(lambda: robot.named("EmojiPanel"), "all emoji")
    panel = robot.named("EmojiPanel")[0]
    panel.ids.query.text = "火锅"
    panel.ids.query.text = "rocket"
    strip = await until(lambda: _strip(robot, "🚀"), "the rocket")
    await robot.click_at(*strip.to_window(strip.x + 20, strip.center_y))
    await robot.sees("🚀 1")
    assert not talk.chat.composer.panel
    assert talk.chat.composer.text == ""


def _strip(robot: Any, text: str) -> Any:
    return next((it for it in robot.named("EmojiStrip") if it.items[:1] == [text]), None)


async def test_ticks_go_from_stored_to_read(robot: Any, me: Device, town: Town) -> None:
    talk = await Talkers.friends(robot, me, town)
    seq = await talk.i_say("到了吗")
    await talk.open()
    await robot.sees("到了吗")
    await until(lambda: row(robot, "到了吗").tick == "received", "received")
    talk.bo.client.mark_read(talk.id, seq)
    await until(lambda: row(robot, "到了吗").tick == "read", "read")


async def test_what_is_refused_shows_why_and_a_tap_sends_it_again(
    robot: Any, me: Device, town: Town
) -> None:
    talk = await Talkers.friends(robot, me, town)
    await talk.open()
    await talk.bo.client.delete_contact(me.client.user_id)
    await talk.write_and_send("还在吗")
    await until(lambda: row(robot, "还在吗") and row(robot, "还在吗").tick == "failed", "refused")
    await robot.sees("你们已不是好友")
    assert talk.chat.composer.ids.input.get_root_window() is not None
    assert robot.outside() == []
    await me.client.request_contact(talk.bo.client.user_id)
    await until(
        lambda: any(
            it.user_id == me.client.user_id
            for it in talk.bo.client._open().cache.contact_requests()
        ),
        "asked again",
    )
    await talk.bo.client.accept_contact(me.client.user_id)
    await until(lambda: not talk.chat.barred, "they are friends again")
    await robot.click(row(robot, "还在吗").ids["tick"])
    await until(lambda: row(robot, "还在吗").tick in ("stored", "received"), "sent again")


async def test_a_quote_leads_to_what_it_answers_far_above(
    robot: Any, me: Device, town: Town
) -> None:
    talk = await Talkers.friends(robot, me, town)
    seq = await talk.bo_says("最早的话")
    for number in range(70):
        await talk.bo_says(f"之后 {number}")
    await talk.i_say("说的是这个", quote_seq=seq)
    await talk.open()
    await robot.sees("说的是这个")
    assert "最早的话" not in texts_of(robot)
    await robot.click(row(robot, "说的是这个").ids["quote"])
    await robot.sees("最早的话")
    assert row(robot, "最早的话").glow > 0
    await until(lambda: row(robot, "最早的话").glow == 0, "the light goes")
    assert talk.chat.far
    await robot.click(talk.chat.ids.down)
    await robot.sees("说的是这个")


async def test_an_own_message_is_edited_and_says_so(robot: Any, me: Device, town: Town) -> None:
    talk = await Talkers.friends(robot, me, town)
    await talk.i_say("写错自了")
    await talk.open()
    await robot.sees("写错自了")
    await robot.write(talk.input, "一半的话")
    await ask(robot, "写错自了")
    await robot.press("编辑")
    await robot.sees("编辑消息")
    assert talk.input.text == "写错自了"
    talk.input.text = "写对字了"
    await robot.press("发送")
    await until(lambda: row(robot, "写对字了"), "the new text")
    await until(lambda: row(robot, "写对字了").row.message.edited_at, "edited")
    assert talk.input.text == "一半的话"  # what was being written waits
    talk.input.text = ""
    talk.input.focus = True
    await robot.key(273)
    await robot.sees("编辑消息")
    await robot.key(27)
    await robot.frames()
    assert (talk.chat.composer.mode, talk.input.text) == ("", "")


async def test_what_one_takes_back_can_be_written_again(robot: Any, me: Device, town: Town) -> None:
    talk = await Talkers.friends(robot, me, town)
    await talk.open()
    await talk.write_and_send("说漏嘴了")
    await until(lambda: row(robot, "说漏嘴了") and row(robot, "说漏嘴了").row.message.seq, "sent")
    await ask(robot, "说漏嘴了")
    await robot.press("撤回")
    await robot.sees("你撤回了一条消息")
    await robot.press("重新编辑")
    assert talk.input.text == "说漏嘴了"


async def test_messages_are_pinned_and_found_by_the_bar(robot: Any, me: Device, town: Town) -> None:
    talk = await Talkers.friends(robot, me, town)
    await talk.bo_says("周六九点集合")
    for number in range(40):
        await talk.bo_says(f"闲聊 {number}")
    await talk.open()
    talk.view.scroll_by(-100_000)
    await robot.sees("周六九点集合")
    await ask(robot, "周六九点集合")
    await robot.press("置顶")
    await robot.sees("置顶消息")
    await until(lambda: talk.chat.pinned_text == "周六九点集合", "the bar")
    talk.chat.to_bottom()
    await until(lambda: row(robot, "周六九点集合") is None, "out of sight")
    await robot.click(talk.chat.ids.pinned)
    await until(lambda: row(robot, "周六九点集合"), "it is there again")
    assert robot.outside() == []
    await ask(robot, "周六九点集合")
    await robot.press("取消置顶")
    await until(lambda: not talk.chat.pinned_text, "taken down")


async def test_many_are_selected_and_copied_or_deleted(robot: Any, me: Device, town: Town) -> None:
    from kivy.core.clipboard import Clipboard  # noqa: PLC0415

    talk = await Talkers.friends(robot, me, town)
    for text in ("第一句", "第二句", "第三句"):
        await talk.bo_says(text)
    await talk.open()
    await robot.sees("第三句")
    await ask(robot, "第一句")
    await robot.press("多选")
    await until(lambda: talk.chat.selecting, "selecting")
    await robot.frames(3)
    await robot.click(row(robot, "第三句"))
    assert talk.chat.selected_count == 2
    await robot.resize(*PHONE)
    assert robot.outside() == []
    await robot.resize(1100, 720)
    await robot.press("复制文字")
    assert Clipboard.paste() == "波波：第一句\n波波：第三句"
    assert not talk.chat.selecting
    await ask(robot, "第二句")
    await robot.press("多选")
    await robot.frames(3)
    await robot.click(row(robot, "第三句"))
    await robot.press("删除")
    await robot.sees("删除 2 条消息？")
    await robot.press_last("删除")
    await until(lambda: row(robot, "第二句") is None, "gone")
    assert row(robot, "第一句")
    await ask(robot, "第一句")
    await robot.press("多选")
    await until(lambda: talk.chat.selecting, "selecting")
    await robot.key(27)
    assert not talk.chat.selecting


async def test_a_part_of_a_text_is_chosen_and_copied(robot: Any, me: Device, town: Town) -> None:
    from kivy.core.clipboard import Clipboard  # noqa: PLC0415

    talk = await Talkers.friends(robot, me, town)
    await talk.bo_says("电话是 13800000000，别忘了")
    await talk.open()
    await robot.sees("电话是")
    shown = row(robot, "电话是 13800000000，别忘了")
    body = shown.row.body
    (left, top, width), *_ = body.shape.boxes(4, 15)
    y = shown.height - body.down - top - 8
    await robot.drag(
        shown.ids["bubble"].to_window(body.left + left + 1, y),
        shown.ids["bubble"].to_window(body.left + left + width, y),
    )
    assert talk.view.chosen_text() == "13800000000"
    talk.input.focus = True
    await robot.key(99, "c", ["ctrl"])
    assert Clipboard.paste() == "13800000000"
    await robot.key(27)
    assert talk.view.chosen_text() == ""


async def test_who_has_read_a_message_of_a_group(robot: Any, me: Device, town: Town) -> None:
    talk = await Talkers.group(robot, me, town)
    seq = await talk.i_say("大家周六有空吗？")
    await talk.open()
    await robot.sees("大家周六有空吗？")
    talk.bo.client.mark_read(talk.id, seq)
    client = me.client
    async with asyncio.timeout(60):
        while talk.bo.client.user_id not in (await client.readers(talk.id, seq)).read:
            await asyncio.sleep(0.05)
    await ask(robot, "大家周六有空吗？")
    await robot.press("查看已读")
    await robot.sees("已读 1")
    await robot.sees("波波")
    assert robot.outside() == []
    await robot.resize(*PHONE)
    robot.app.preferences.language = "en"
    await robot.sees("Read by")
    assert robot.outside() == []


async def test_in_a_group_names_stand_above_and_nicknames_count(
    robot: Any, me: Device, town: Town
) -> None:
    talk = await Talkers.group(robot, me, town)
    await talk.bo.client.set_nickname(talk.id, "波仔")
    await talk.bo_says("大家好")
    await talk.open()
    await robot.sees("大家好")
    await until(
        lambda: any(
            "波仔" in "".join(run.text for run in line.shape.runs)
            for line in row(robot, "大家好").row.lines
        ),
        "the nickname",
    )
    talk.bo.client.typing(talk.id)
    await robot.sees("波仔正在输入…")


async def test_an_announcement_is_a_bar_until_it_is_dismissed(
    robot: Any, me: Device, town: Town
) -> None:
    talk = await Talkers.group(robot, me, town)
    await me.client.announce(talk.id, "明天停水")
    await talk.open()
    await until(lambda: talk.chat.announcement == "明天停水", "the bar")
    assert robot.outside() == []
    talk.chat.ids.announcement.dispatch("on_close")
    await robot.frames()
    assert talk.chat.announcement == ""
    await me.client.announce(talk.id, "后天也停水")
    await until(lambda: talk.chat.announcement == "后天也停水", "the next one")


async def test_where_one_may_not_write_it_says_why(robot: Any, me: Device, town: Town) -> None:
    talk = await Talkers.group(robot, me, town, mine=False)
    await talk.bo_says("欢迎")
    await talk.open()
    await robot.sees("欢迎")
    bo = talk.bo.client
    await bo.update_group(talk.id, muted=True)
    await robot.sees("全员禁言中，只有管理员可以发言")
    await bo.update_group(talk.id, muted=False)
    await until(lambda: not talk.chat.barred, "open again")
    await bo.remove_member(talk.id, me.client.user_id)
    await robot.sees("你已不在群聊中，无法发送消息")
    robot.app.preferences.language = "en"
    await robot.sees("You are no member of this group any more")
    await robot.resize(*PHONE)
    assert robot.outside() == []


async def test_a_stranger_is_accepted_or_blocked(robot: Any, me: Device, town: Town) -> None:
    bo = await town.newcomer("bo")
    await bo.client.update_me(display_name="波波")
    conversation = await bo.client.open_direct(me.client.user_id)
    await bo.client.send(conversation.conversation_id, "你好，我是隔壁的")
    app = robot.app
    await until(
        lambda: app.session.client.conversation(conversation.conversation_id), "the stranger"
    )
    app.open_chat(conversation.conversation_id)
    await robot.sees("你好，我是隔壁的")
    await until(lambda: app.desk.chat.stranger, "the bar")
    for size in (PHONE, (1100, 720)):
        await robot.resize(*size)
        assert robot.outside() == []
    await robot.press("加为好友")
    await robot.sees("已发送好友申请")
    await robot.press("拉黑")
    await robot.sees("拉黑波波？")
    await robot.press_last("拉黑")
    await until(lambda: app.session.client.contact(bo.client.user_id).blocked, "blocked")
    await until(lambda: app.desk.chat.conversation_id == "", "closed")


async def test_a_card_shows_whose_it_is(robot: Any, me: Device, town: Town) -> None:
    talk = await Talkers.friends(robot, me, town)
    await me.client.send_card(talk.id, talk.bo.client.user_id)
    await talk.open()
    card = await until(
        lambda: next((it for it in robot.named("SpotWidget") if it.name == "card"), None), "a card"
    )
    assert card.text == "波波"


async def test_events_that_failed_are_told_and_forgotten(
    robot: Any, me: Device, town: Town
) -> None:
    talk = await Talkers.friends(robot, me, town)
    seq = await talk.bo_says("不是你的话")
    await talk.open()
    await robot.sees("不是你的话")
    queued = await robot.app.session.client.edit(talk.id, seq, "改别人的")
    await robot.sees("只有发送者可以这样做")
    outbox = robot.app.session.client._open().cache
    await until(lambda: outbox.in_outbox(queued.client_message_id) is None, "forgotten")
    assert queued.state is MessageState.SENDING


async def test_messages_are_forwarded_one_by_one_to_chats_that_are_picked(
    robot: Any, me: Device, town: Town
) -> None:
    talk = await Talkers.friends(robot, me, town)
    other = await Talkers.group(robot, me, town, name="爬山群")
    await talk.bo_says("第一句")
    await talk.bo_says("第二句")
    await talk.open()
    await robot.sees("第二句")
    await ask(robot, "第一句")
    await robot.press("多选")
    await until(lambda: talk.chat.selecting, "selecting")
    await robot.frames(3)
    await robot.click(row(robot, "第二句"))
    await robot.press("转发")
    await until(lambda: robot.named("PickChat"), "the page to pick from")
    await robot.press("爬山群")
    robot.app.desk.pages[-1].done([other.id])
    await robot.sees("已转发")
    assert not talk.chat.selecting
    robot.app.open_chat(other.id)
    await until(lambda: row(robot, "第二句"), "both are there")
    said = [it.message.text for it in talk.chat.reading.thread.slots if it.kind == "message"]
    assert said == ["第一句", "第二句"]
    assert row(robot, "第一句").row.message.forwarded_from == talk.bo.client.user_id


async def test_a_finger_that_stays_asks_what_to_do(robot: Any, me: Device, town: Town) -> None:
    talk = await Talkers.friends(robot, me, town)
    await talk.bo_says("按住我")
    await talk.open()
    await robot.sees("按住我")
    bubble = row(robot, "按住我").ids["bubble"]
    await robot.hold(*bubble.to_window(*bubble.center))
    await until(lambda: robot.app.menu.is_open, "the menu")
    await robot.press("引用")
    await until(lambda: talk.chat.composer.mode == "quote", "an answer")
