"""Ways into groups and what is announced in them: invites, approval, and who has read."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from kivy.core.clipboard import Clipboard

from hongyan_client import codes
from hongyan_client.errors import NotFound
from tests.app.group_people import (
    fits,
    friends,
    group,
    group_of,
    known,
    opened,
    press_row,
    rows,
    until,
)
from tests.faults.people import Device, Town
from tests.system.test_story_groups import words

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_announcement_is_published_read_and_taken_down(
    robot: Any, me: Device, town: Town
) -> None:
    bo, mei = await friends(me, town, "bo", "mei")
    app, id = robot.app, await group_of(me, bo, mei)
    await known(robot, id)
    await opened(robot, "group", conversation_id=id)
    await press_row(robot, "群公告")
    page = app.desk.pages[-1]
    await fits(robot)
    await robot.write(page.ids.field, "周六晚七点，老地方 🍲")
    app.back()  # not without a question
    await robot.sees("放弃编辑？")
    app.dialogs.close()
    await robot.frames(3)
    assert app.desk.pages[-1] is page
    await robot.press("发布")
    await robot.sees("所有成员都会收到通知")
    await robot.press("发布")
    await until(lambda: group(bo, id).announcement == "周六晚七点，老地方 🍲", "he has it")
    await robot.sees("0 人已读 · 2 人未读")
    await robot.sees("灵灵")
    await fits(robot)
    bo.client.mark_read(id, group(bo, id).announcement_seq)
    await robot.sees("1 人已读 · 1 人未读")
    await press_row(robot, "1 人已读 · 1 人未读")
    await robot.sees("已读 1")
    await fits(robot)
    listed = [it.title for it in robot.named("ListRow")]
    assert {"已读 1", "波波", "梅子"} < set(listed)
    mei.client.mark_read(id, group(mei, id).announcement_seq)
    await robot.sees("已读 2")
    app.back()
    await press_row(robot, "编辑公告")
    page.ids.field.text = "改到周日\n老地方"
    await robot.press("发布")
    await robot.press("发布")
    await until(lambda: group(mei, id).announcement == "改到周日\n老地方", "she has the new one")
    await robot.sees("0 人已读 · 2 人未读")
    await press_row(robot, "撤下公告")
    await robot.press("撤下公告")
    await until(lambda: page not in app.desk.pages, "there is nothing to see")
    await until(lambda: group(bo, id).announcement == "", "it is down")
    assert words(bo, id).count("announced") == 3


async def test_who_may_not_announce_reads_only(robot: Any, me: Device, town: Town) -> None:
    [bo] = await friends(me, town, "bo")
    id = await group_of(bo, me)
    await known(robot, id)
    await opened(robot, "group", conversation_id=id)
    assert "群公告" not in rows(robot)
    await bo.client.announce(id, "周六七点")
    await press_row(robot, "群公告")
    await robot.sees("周六七点")
    await robot.sees("波波")
    assert not {"编辑公告", "撤下公告"} & set(rows(robot))


async def test_an_invite_is_made_kept_as_a_picture_used_and_revoked(
    robot: Any,
    me: Device,
    town: Town,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bo, mei = await friends(me, town, "bo", "mei")
    app, id = robot.app, await group_of(me)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    await known(robot, id)
    await opened(robot, "group", conversation_id=id)
    await press_row(robot, "群二维码")
    page = app.desk.pages[-1]
    await press_row(robot, "有效期")
    await robot.press("1 天")
    await press_row(robot, "可用次数")
    await robot.press("可用 1 次")
    await robot.press("生成二维码")
    await robot.sees("复制链接")
    await robot.sees("扫码或打开链接即可入群")
    await until(lambda: len(robot.named("InviteRow")) == 1, "it is among those that work")
    await fits(robot)
    assert "可用 1 次 · 至" in page.until
    await press_row(robot, "复制链接")
    assert Clipboard.paste() == page.link
    await press_row(robot, "保存图片")
    saved = await until(lambda: next(iter(tmp_path.rglob("*.png")), None), "the picture")
    await robot.sees("已保存到")
    assert await asyncio.to_thread(codes.read, saved) == page.link

    assert await bo.client.join_group(page.link) == (True, id)
    await until(lambda: group(me, id).member_count == 2, "he has come in")
    with pytest.raises(NotFound):
        await mei.client.resolve_invite(page.link)

    used = page.link
    await press_row(robot, "可用次数")
    await robot.press("不限次数")
    page.ids.sheet.scroll_y = 0
    await robot.frames(3)
    await robot.press("生成二维码")
    await until(lambda: page.link != used, "another one")
    assert (await mei.client.resolve_invite(page.link)).name == "周末火锅"
    link = page.link
    row = await until(
        lambda: next((it for it in robot.named("InviteRow") if "不限次数" in it.detail), None),
        "the new one",
    )
    page.ids.sheet.scroll_to(row, animate=False)
    button = next(it for it in robot.shown(row) if getattr(it, "text", "") == "撤销")
    await robot.click(button)
    await robot.sees("撤销这个邀请？")
    await robot.press("撤销")
    await until(lambda: page.link == "", "it is not shown any more")
    with pytest.raises(NotFound):
        await mei.client.resolve_invite(link)


async def test_a_link_leads_into_a_group(robot: Any, me: Device, town: Town) -> None:
    [bo] = await friends(me, town, "bo")
    app, id = robot.app, await group_of(bo, name="读书会")
    invite = await bo.client.create_invite(id)
    await opened(robot, "join", code=f"hongyan://join/{invite.code}")
    for text in ("读书会", "1 位成员", "波波的邀请"):
        await robot.sees(text)
    await fits(robot)
    await robot.press("加入群聊")
    await until(lambda: app.desk.chat.conversation_id == id, "its chat is open")
    assert not app.desk.pages
    await until(lambda: group(bo, id).member_count == 2, "one is in it")
    # The same link again leads to the chat at once.
    app.desk.chat.close()
    await opened(robot, "join", code=invite.code)
    await until(lambda: app.desk.chat.conversation_id == id, "its chat is open")
    assert not app.desk.pages


async def test_a_link_that_does_not_work_says_so(robot: Any, me: Device, town: Town) -> None:
    [bo] = await friends(me, town, "bo")
    id = await group_of(bo)
    invite = await bo.client.create_invite(id)
    await bo.client.revoke_invite(id, invite.invite_id)
    await opened(robot, "join", code=invite.code)
    await robot.sees("邀请已失效")
    await fits(robot)
    robot.app.back()
    # Nothing that a code could be.
    await opened(robot, "join", code="hongyan://join/" + "x" * 200)
    await robot.sees("邀请已失效")
    robot.app.back()
    # It is revoked while one stands at the door.
    invite = await bo.client.create_invite(id)
    await opened(robot, "join", code=invite.code)
    await robot.sees("波波的邀请")
    await bo.client.revoke_invite(id, invite.invite_id)
    await robot.press("加入群聊")
    await robot.sees("邀请已失效")


async def test_without_a_connection_the_door_can_be_tried_again(
    robot: Any, me: Device, town: Town
) -> None:
    [bo] = await friends(me, town, "bo")
    invite = await bo.client.create_invite(await group_of(bo, name="读书会"))
    await town.system.kill("chat")
    try:
        await opened(robot, "join", code=invite.code)
        await robot.sees("重试")
        assert robot.outside() == []
    finally:
        await town.system.start("chat")
    async with asyncio.timeout(60):
        # The gateway may need a moment to see that chat is back.
        while "读书会" not in robot.texts():
            if "重试" in robot.texts():
                await robot.press("重试")
            await robot.frames(2)


async def test_who_asks_to_join_waits_and_is_led_in(robot: Any, me: Device, town: Town) -> None:
    [bo] = await friends(me, town, "bo")
    app, id = robot.app, await group_of(bo, name="读书会")
    await bo.client.update_group(id, approval=True)
    invite = await bo.client.create_invite(id)
    page = await opened(robot, "join", code=invite.code)
    await robot.sees("此群聊需要群主或管理员同意")
    await robot.write(page.ids.greeting, "我是灵灵")
    await fits(robot)
    await robot.press("申请加入")
    await robot.sees("已申请，等待同意")
    await until(lambda: group(bo, id).waiting_count == 1, "he is told")
    [waiting] = await bo.client.join_requests(id)
    assert waiting.greeting == "我是灵灵"
    await bo.client.answer_join_request(id, me.client.user_id, approve=True)
    await until(lambda: app.desk.chat.conversation_id == id, "its chat opens by itself")


async def test_who_waits_is_let_in_or_not(robot: Any, me: Device, town: Town) -> None:
    bo, mei, wang = await friends(me, town, "bo", "mei", "wang")
    app, id = robot.app, await group_of(me, bo)
    await me.client.update_group(id, approval=True)
    await known(robot, id)
    invite = await me.client.create_invite(id)
    greeting = "我是梅子，波波的同事。" + "我们一起爬过山，也常在一起吃火锅。" * 6
    await mei.client.join_group(invite.code, greeting=greeting)
    # Whom a member brings waits as well.
    await wang.client.request_contact(bo.client.user_id)
    await until(bo.client._open().cache.contact_requests, "he is asked")
    await bo.client.accept_contact(wang.client.user_id)
    assert await bo.client.add_members(id, [wang.client.user_id]) == ([], [wang.client.user_id])
    await opened(robot, "group", conversation_id=id)
    badge = await until(
        lambda: next((it for it in robot.named("BadgeRow") if it.badge == "2"), None), "two wait"
    )
    assert badge.label == "入群申请"
    await press_row(robot, "入群申请")
    page = app.desk.pages[-1]
    await until(lambda: len(robot.named("JoinRequestRow")) == 2, "both are there")
    await robot.sees(greeting)
    await robot.sees("波波邀请")
    await fits(robot)

    def button(user_id: str, text: str) -> Any:
        row = next(it for it in robot.named("JoinRequestRow") if it.key == user_id)
        return next(it for it in robot.shown(row) if getattr(it, "text", "") == text)

    await robot.click(button(mei.client.user_id, "同意"))
    await until(lambda: mei.client.conversation(id), "she is in it")
    await until(lambda: len(robot.named("JoinRequestRow")) == 1, "one waits")
    await robot.click(button(wang.client.user_id, "拒绝"))
    await robot.sees("没有待处理的申请")
    assert await me.client.join_requests(id) == []
    assert {it.user_id for it in await me.client.group_members(id)} == {
        it.client.user_id for it in (me, bo, mei)
    }
    app.desk.leave(page)
