"""Groups in the app: made, changed, led, left and ended, with real people in them."""

from typing import Any

import pytest

from hongyan_client.model import FOR_EVER
from tests.app.group_people import (
    act,
    fits,
    friends,
    group,
    group_of,
    known,
    opened,
    pick,
    press_row,
    rows,
    until,
)
from tests.faults.people import Device, Town
from tests.system.test_story_groups import refused, say, words

pytestmark = pytest.mark.asyncio(loop_scope="session")

MEMBER = ["查看全部成员", "群二维码", "群聊名称", "我在本群的昵称", "退出群聊"]
LEADER = [
    "入群申请",
    "谁可以邀请成员",
    "谁可以改群名、置顶消息",
    "谁可以发布公告",
    "进群审批",
    "全员禁言",
    "群公告",
    "消息定时消失",
]
OWNER = ["大群", "转让群主", "解散群聊"]
ANYBODY = ["查找聊天记录", "消息免打扰", "置顶聊天", "折叠聊天", "标为未读", "清空聊天记录"]


async def test_a_group_is_made_of_friends_and_a_retry_makes_no_second(
    robot: Any, me: Device, town: Town
) -> None:
    bo, mei = await friends(me, town, "bo", "mei")
    app = robot.app
    await until(lambda: app.session.name(mei.client.user_id) == "梅子", "the app knows them")
    page = await opened(robot, "group_new")
    await robot.sees("选择好友")
    await pick(robot, "波波", "梅子")
    await robot.sees("成员（2）")
    await fits(robot)
    await robot.write(page.ids.name, "周末火锅 🍲")
    await robot.press("创建群聊")
    id = await until(lambda: app.desk.chat.conversation_id, "its chat is open")
    assert not app.desk.pages
    await until(lambda: group(me, id).settings.name == "周末火锅 🍲", "the other device too")
    await until(lambda: bo.client.conversation(id), "the others are in it")
    # As if the answer had been lost: the same again is the same group.
    await page._create()
    assert app.desk.chat.conversation_id == id
    groups = [it for it in app.session.client.known_conversations() if it.group]
    assert [it.conversation_id for it in groups] == [id]


async def test_a_group_without_a_name_is_called_after_its_members(
    robot: Any, me: Device, town: Town
) -> None:
    [bo] = await friends(me, town, "bo")
    app = robot.app
    await until(lambda: app.session.name(bo.client.user_id) == "波波", "the app knows him")
    page = await opened(robot, "group_new", user_ids=(bo.client.user_id,))
    assert page.hint == "波波"
    await robot.press("创建群聊")
    id = await until(lambda: app.desk.chat.conversation_id, "its chat is open")
    assert app.session.title(app.session.client.conversation(id)) == "波波"
    await opened(robot, "group", conversation_id=id)
    await robot.sees("未命名")
    await press_row(robot, "群聊名称")
    await robot.write(app.dialogs.children[0].ids.field, "两个人")
    await robot.press("确定")
    await until(lambda: group(bo, id).settings.name == "两个人", "it has a name")
    await robot.sees("两个人")


async def test_leaving_the_choice_empty_leaves_the_page(robot: Any, me: Device, town: Town) -> None:
    await friends(me, town, "bo")
    await opened(robot, "group_new")
    await robot.sees("选择好友")
    robot.app.back()
    await until(lambda: not robot.app.desk.pages, "there is nothing to make")


async def test_friends_are_brought_in_and_members_taken_out(
    robot: Any, me: Device, town: Town
) -> None:
    bo, mei, wang = await friends(me, town, "bo", "mei", "wang")
    app, id = robot.app, await group_of(me, bo)
    await known(robot, id)
    page = await opened(robot, "group", conversation_id=id)
    await until(lambda: len(page.members) == 2, "its members are here")
    await robot.press("添加")
    await robot.sees("添加成员")
    await pick(robot, "梅子", "老王")
    await robot.sees("4 位成员")
    await until(lambda: len(page.members) == 4, "who came is in the grid")
    await until(lambda: group(mei, id).role == "member", "she is in it")
    await robot.press("移出")
    choosing = app.desk.pages[-1]
    await until(lambda: len(robot.named("MemberRow")) == 3, "all but the owner")
    for it in ("梅子", "老王"):
        await robot.press(it)
    await fits(robot)
    await robot.press("移出（2）")
    await robot.sees("移出群聊？")
    await robot.press("移出")
    await until(lambda: choosing not in app.desk.pages, "it is done")
    await robot.sees("2 位成员")
    await until(lambda: group(wang, id).role == "", "he is out")


async def test_members_are_found_and_led_by_their_menus(robot: Any, me: Device, town: Town) -> None:
    bo, mei = await friends(me, town, "bo", "mei")
    app, id = robot.app, await group_of(me, bo, mei)
    await known(robot, id)
    page = await opened(robot, "group_members", conversation_id=id)
    await until(lambda: len(robot.named("MemberRow")) == 3, "the members")
    page.query = "meizi"
    await until(lambda: [it.key for it in robot.named("MemberRow")] == [mei.client.user_id], "she")
    page.query = "nobody"
    await robot.sees("没有找到成员")
    page.query = ""

    def role(device: Device) -> str:
        rows = (it for it in robot.named("MemberRow") if it.key == device.client.user_id)
        return next((str(it.role) for it in rows), "?")

    await until(lambda: role(mei) == "", "she is there")
    await act(robot, page, mei.client.user_id, "设为管理员")
    await robot.sees("管理员")
    await until(lambda: group(mei, id).role == "admin", "she is one")
    await until(lambda: role(mei) == "admin", "the list knows")
    await act(robot, page, mei.client.user_id, "取消管理员")
    await until(lambda: group(mei, id).role == "member", "she is none")
    await until(lambda: role(mei) == "", "the list knows")

    await act(robot, page, bo.client.user_id, "禁言")
    await robot.sees("禁言波波")
    await robot.press("永久")
    await robot.sees("禁言：永久")
    await until(lambda: group(bo, id).silenced_until == FOR_EVER, "he is silent")
    assert await refused(bo, id, "喂？") == "SILENCED"
    await fits(robot)
    await act(robot, page, bo.client.user_id, "解除禁言")
    await until(lambda: group(bo, id).silenced_until is None, "he is not")
    await say(bo, id, "谢谢")

    await act(robot, page, bo.client.user_id, "移出群聊")
    await robot.press("移出")
    await until(lambda: group(bo, id).role == "", "he is out")
    await until(lambda: len(robot.named("MemberRow")) == 2, "the list knows")

    await act(robot, page, mei.client.user_id, "转让群主")
    await robot.sees("将群主转让给梅子？")
    await robot.press("转让")
    await until(lambda: group(mei, id).role == "owner", "it is hers")
    await until(lambda: group(me, id).role == "admin", "one is an admin now")
    # There is nothing left that one may do to an owner.
    await until(
        lambda: all(not it.acts for it in robot.named("MemberRow") if it.role == "owner"), "no ⋯"
    )
    await robot.press("梅子")
    await until(lambda: type(app.desk.pages[-1]).__name__ == "Person", "her profile is open")


async def test_what_the_page_offers_is_what_the_role_may(
    robot: Any, me: Device, town: Town
) -> None:
    [bo] = await friends(me, town, "bo")
    mine = me.client.user_id
    id = await group_of(bo, me, name="波波的群")
    await known(robot, id)
    page = await opened(robot, "group", conversation_id=id)

    async def shows(wanted: list[str]) -> None:
        await until(
            lambda: sorted(rows(robot)) == sorted([*wanted, *ANYBODY, "删除聊天"]), "the rows"
        )

    async def tiles(wanted: str) -> None:
        def found() -> bool:
            keys = {it.key for it in robot.named("MemberTile")}
            return len(keys) == 2 + len(wanted) and keys & {"+", "-"} == set(wanted)

        await until(found, f"the tiles {wanted}")

    await shows(MEMBER)
    await tiles("+")
    await bo.client.update_group(id, may_invite="admin", may_edit="owner", may_announce="member")
    await shows([it for it in MEMBER if it not in ("群聊名称", "群二维码")] + ["群公告"])
    await tiles("")
    await bo.client.update_group(id, may_invite="member", may_edit="member", may_announce="admin")
    await bo.client.set_role(id, mine, "admin")
    await shows(MEMBER + LEADER)
    await tiles("+")
    await bo.client.transfer_group(id, mine)
    await shows([it for it in MEMBER if it != "退出群聊"] + LEADER + OWNER)
    await tiles("+-")
    await fits(robot)
    # And all that is offered is done: the server says no to none of it.
    for choice, field, value in (
        ("谁可以邀请成员", "may_invite", "仅群主"),
        ("谁可以改群名、置顶消息", "may_edit", "群主和管理员"),
        ("谁可以发布公告", "may_announce", "所有成员"),
    ):
        await press_row(robot, choice)
        await robot.press(value)
        least = {"仅群主": "owner", "群主和管理员": "admin", "所有成员": "member"}[value]
        await until(
            lambda field=field, least=least: getattr(group(bo, id).settings, field) == least, field
        )
    for switch, field in (("进群审批", "approval"), ("全员禁言", "muted"), ("大群", "large")):
        await press_row(robot, switch)
        await until(lambda field=field: getattr(group(bo, id).settings, field), field)
    await press_row(robot, "我在本群的昵称")
    await robot.write(robot.app.dialogs.children[0].ids.field, "掌柜")
    await robot.press("确定")
    await until(lambda: page.nickname == "掌柜", "one has a name in it")
    await press_row(robot, "转让群主")
    await robot.press("波波")
    await robot.press("转让")
    await until(lambda: group(bo, id).role == "owner", "it is his again")
    await shows([it for it in MEMBER if it != "群二维码"] + LEADER)


async def test_while_all_are_muted_a_member_is_told(robot: Any, me: Device, town: Town) -> None:
    [bo] = await friends(me, town, "bo")
    id = await group_of(bo, me)
    await known(robot, id)
    await opened(robot, "group", conversation_id=id)
    await robot.sees("2 位成员")
    await bo.client.update_group(id, muted=True)
    await robot.sees("全员禁言中")
    assert await refused(me, id, "我说一句") == "GROUP_MUTED"
    await bo.client.silence_member(id, me.client.user_id, FOR_EVER)
    await robot.sees("你已被禁言：永久")


async def test_who_leaves_is_told_what_it_means_and_reads_on(
    robot: Any, me: Device, town: Town
) -> None:
    [bo] = await friends(me, town, "bo")
    app, id = robot.app, await group_of(bo, me)
    await known(robot, id)
    await say(bo, id, "周六见")
    app.open_chat(id)
    await opened(robot, "group", conversation_id=id)
    await press_row(robot, "退出群聊")
    await robot.sees("已有的聊天记录仍可查看")
    await robot.press("取消")
    assert group(bo, id).member_count == 2
    await press_row(robot, "退出群聊")
    await robot.press("退出群聊")
    await until(lambda: not app.desk.pages, "the page is left")
    await robot.sees("已退出“周末火锅”")
    await robot.sees("周六见")
    await until(lambda: group(bo, id).member_count == 1, "one is out")
    # What there is for who was a member once.
    await opened(robot, "group", conversation_id=id)
    await robot.sees("你已不在此群聊中")
    left = [it for it in ANYBODY if it != "消息免打扰"]
    assert sorted(rows(robot)) == sorted([*left, "删除聊天"])
    await fits(robot)
    await press_row(robot, "删除聊天")
    await robot.press("删除")
    await until(lambda: not app.desk.chat.conversation_id, "the chat is closed")
    found = app.session.client.conversation(id)
    assert found.settings.removed


async def test_an_owner_ends_a_group_for_everybody(robot: Any, me: Device, town: Town) -> None:
    [bo] = await friends(me, town, "bo")
    app, id = robot.app, await group_of(me, bo)
    await known(robot, id)
    await opened(robot, "group", conversation_id=id)
    await press_row(robot, "解散群聊")
    await robot.sees("群聊对所有成员结束，无法恢复")
    await robot.press("解散群聊")
    await until(lambda: not app.desk.pages, "the page is left")
    await robot.sees("已解散“周末火锅”")
    await until(lambda: group(bo, id).dissolved, "it is over for him")
    await until(lambda: words(bo, id)[-1] == "dissolved", "and he is told so")


@pytest.mark.parametrize(
    "page", ["group", "group_members", "announcement", "group_code", "group_requests"]
)
async def test_who_is_removed_while_a_page_is_open_is_led_away(
    robot: Any, me: Device, town: Town, page: str
) -> None:
    [bo] = await friends(me, town, "bo")
    app, id = robot.app, await group_of(bo, me)
    await bo.client.announce(id, "周六七点")
    await bo.client.set_role(id, me.client.user_id, "admin")
    await until(lambda: group(me, id).role == "admin", "one is an admin")
    await known(robot, id)
    await until(
        lambda: app.session.client.conversation(id).group.role == "admin", "the app knows it"
    )
    await opened(robot, "group", conversation_id=id)
    if page != "group":
        await opened(robot, page, conversation_id=id)
    await bo.client.remove_member(id, me.client.user_id)
    await until(lambda: not app.desk.pages, "the pages are left")
    await robot.sees("你已不在“周末火锅”中")


async def test_who_is_no_leader_any_more_sees_no_requests(
    robot: Any, me: Device, town: Town
) -> None:
    [bo] = await friends(me, town, "bo")
    app, id = robot.app, await group_of(bo, me)
    await bo.client.set_role(id, me.client.user_id, "admin")
    await known(robot, id)
    await until(
        lambda: app.session.client.conversation(id).group.role == "admin", "the app knows it"
    )
    await opened(robot, "group_requests", conversation_id=id)
    await robot.sees("没有待处理的申请")
    await bo.client.set_role(id, me.client.user_id, "member")
    await until(lambda: not app.desk.pages, "the page is left")
