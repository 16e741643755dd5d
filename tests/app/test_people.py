"""The address book of the app: who is in it, in which order, how they are found, who asks."""

from typing import Any

import pytest

from app.book import Friend
from hongyan_client.model import Contact, User
from tests.app.friends import Neighbours, fits, handle, request_of, row, stranger
from tests.app.friends import friend as a_friend
from tests.faults.people import Device, Town

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAMES = [
    "阿强",
    "白露",
    "波波",
    "陈默",
    "大海",
    "二丫",
    "冯唐",
    "高山",
    "韩雪",
    "江流",
    "康康",
    "林夕",
    "梅子",
    "宁静",
    "欧阳",
    "潘多",
    "秦风",
    "若水",
    "苏木",
    "唐果",
    "王伟",
    "小雨",
    "杨柳",
    "赵云",
    "曾经",
    "Kai",
    "Zoe",
    "老王",
    "123号",
    "马丁",
]


async def until(found: Any, what: str, seconds: float = 60) -> Any:
    from tests.app.robot import until as wait  # noqa: PLC0415

    return await wait(found, what, seconds)


def titles(robot: Any) -> list[str]:
    """Returns the rows of the contacts, with the letters above them."""
    return [it["title"] for it in robot.app.desk.contacts.ids.list.data]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", True),
        ("王", True),
        ("伟", True),
        ("wangwei", True),
        ("wang w", True),
        ("WW", True),
        ("同学", True),
        ("tongxue", True),
        ("bobo", True),
        ("Bo_1", True),
        ("wx", False),
        ("李", False),
    ],
)
async def test_a_friend_is_found_by_what_one_remembers(words: str, found: bool) -> None:
    user = User("u", "王伟", handle="Bobo_1234")
    friend = Friend(Contact("u", friend=True, remark="同学"), "同学", user)
    assert friend.is_found_by(words) is found


@pytest.mark.timeout(300)  # thirty people register
async def test_friends_stand_from_a_to_z_and_letters_jump_to_them(
    robot: Any, me: Device, neighbours: Neighbours
) -> None:
    people = await neighbours.befriend(me, NAMES)
    contacts = robot.app.desk.contacts
    star = next(it for it, name in zip(people, NAMES, strict=True) if name == "唐果")
    await me.client.update_contact(star.client.user_id, starred=True)
    robot.app.desk.tab = "contacts"
    await until(
        lambda: {*NAMES, "30 位朋友"} <= set(titles(robot)) and "☆" in contacts.letters,
        "all are there, with their names",
    )
    shown = titles(robot)
    assert shown[:3] == ["新的朋友", "群聊", "标签"]
    assert shown[3:5] == ["星标朋友", "唐果"]
    assert shown[-3:] == ["#", "123号", "30 位朋友"]
    # By pinyin, and a surname as it is said: 曾 is Zeng.
    assert shown[shown.index("Z") :][:4] == ["Z", "曾经", "赵云", "Zoe"]
    assert shown[shown.index("K") :][:3] == ["K", "Kai", "康康"]
    assert contacts.letters[:3] == ["☆", "A", "B"]

    async def jump(letter: str) -> None:
        index = contacts.ids.index
        await robot.frames()
        await robot.click(next(it for it in index.children if it.text == letter))

    await jump("W")
    await robot.sees("王伟")
    headings = [it for it in robot.named("ListRow") if it.heading]
    assert max(headings, key=lambda it: float(it.to_window(0, it.y)[1])).title == "W"
    assert contacts.ids.index.held == ""
    await jump("☆")
    await robot.sees("唐果")
    await fits(robot, "星标朋友")


async def test_a_letter_is_shown_large_while_it_is_held_and_drawing_goes_on(
    robot: Any, me: Device, neighbours: Neighbours
) -> None:
    from kivy.base import EventLoop  # noqa: PLC0415
    from kivy.core.window import Window  # noqa: PLC0415

    from tests.app.robot import Touch  # noqa: PLC0415

    await neighbours.befriend(me, ["阿强", "波波", "梅子", "老王"])
    contacts = robot.app.desk.contacts
    robot.app.desk.tab = "contacts"
    await until(lambda: contacts.letters == ["A", "B", "L", "M"], "the letters")
    await robot.frames()
    first, last = contacts.ids.index.children[-1], contacts.ids.index.children[0]
    x, y = first.to_window(*first.center)
    touch = Touch("mouse", 1, (x / Window.width, y / Window.height, "left"))
    touch.scale_for_screen(Window.width, Window.height)
    EventLoop.post_dispatch_input("begin", touch)
    await robot.frames()
    assert contacts.ids.index.held == "A"
    touch.move((x / Window.width, last.to_window(*last.center)[1] / Window.height, "left"))
    touch.scale_for_screen(Window.width, Window.height)
    EventLoop.post_dispatch_input("update", touch)
    await robot.frames()
    assert contacts.ids.index.held == "M"
    large = [it for it in robot.shown() if getattr(it, "text", "") == "M" and it.font_size > 30]
    assert len(large) == 1
    EventLoop.post_dispatch_input("end", touch)
    await robot.frames()
    assert contacts.ids.index.held == ""


async def test_what_is_written_filters_at_once_and_leads_on_to_the_search_of_all(
    robot: Any, me: Device, neighbours: Neighbours
) -> None:
    await neighbours.befriend(me, ["王伟", "梅子", "波波"])
    desk = robot.app.desk
    desk.tab = "contacts"
    await robot.sees("王伟")
    await robot.write(desk.contacts.ids.query, "ww")
    await until(lambda: titles(robot) == ["王伟", "查找“ww”"], "one is left")
    desk.contacts.ids.query.text = "没有这个人"
    await robot.sees("没有找到相关的人")
    await fits(robot)
    desk.contacts.ids.query.text = ""
    await robot.sees("3 位朋友")


async def test_somebody_new_is_found_by_handle_and_asked(
    robot: Any, me: Device, town: Town
) -> None:
    name = handle("Bo")
    bo = await stranger(town, "波波", handle=name, signature="山高水长")
    mine, desk = me.client.user_id, robot.app.desk
    desk.tab = "contacts"
    await robot.sees("还没有好友")
    await robot.write(desk.contacts.ids.query, name.upper())
    await robot.press(f"查找“{name.upper()}”")
    await robot.sees("山高水长")
    await fits(robot, "扫一扫")
    await robot.press("山高水长")
    await robot.press("添加到通讯录")
    assert robot.app.dialogs.children[0].ids.field.text == "我是灵灵"
    await robot.press("发送")
    await robot.sees("等待对方通过验证")
    await until(lambda: request_of(bo, mine), "the request is there")
    asked = request_of(bo, mine)
    assert asked
    assert (asked.greeting, asked.source, asked.state) == ("我是灵灵", "search", "pending")
    await bo.client.accept_contact(mine)
    await robot.sees("发消息")


async def test_nobody_is_found_by_a_part_of_an_address(robot: Any, me: Device) -> None:
    page = robot.app.go("add_friend")
    await robot.write(page.ids.query, "nobody")
    await robot.press("搜索")
    await robot.sees("没有找到这个人")
    await fits(robot, "请输入完整的鸿雁号或邮箱")


async def test_who_asks_is_counted_shown_and_accepted(robot: Any, me: Device, town: Town) -> None:
    bo = await stranger(town, "波波")
    kai = await stranger(town, "Kai")
    await bo.client.request_contact(me.client.user_id, greeting="爬山认识的")
    await kai.client.request_contact(me.client.user_id)
    contacts = robot.app.desk.contacts
    robot.app.desk.tab = "contacts"
    await until(lambda: contacts.asking == 2, "both are counted")
    await robot.frames()
    assert [it.text for it in robot.named("Badge")] == ["2", "2"]  # the rail, and the row
    await robot.press("新的朋友")
    await robot.sees("爬山认识的")
    await robot.sees("请求添加你为朋友")
    await fits(robot, "收到的申请")
    found = await row(robot, "波波")
    assert found.where_from.startswith("来自搜索 · ")
    await robot.click(next(it for it in robot.shown(found) if getattr(it, "text", "") == "接受"))
    await robot.sees("已添加")
    await until(lambda: bo.client.contact(me.client.user_id).friend, "they are friends")
    await until(lambda: contacts.asking == 1, "one is left")
    await robot.click(await row(robot, "Kai"), button="right")
    await robot.press("拒绝")
    await robot.sees("已拒绝")
    await until(lambda: contacts.asking == 0, "none is left")
    assert robot.named("Badge") == []
    # Who was declined is not told.
    asked = request_of(kai, me.client.user_id)
    assert asked
    assert asked.state == "pending"


async def test_the_badge_is_on_the_tab_of_a_phone_too(robot: Any, me: Device, town: Town) -> None:
    from tests.app.robot import PHONE  # noqa: PLC0415

    bo = await stranger(town, "波波")
    await bo.client.request_contact(me.client.user_id)
    await robot.resize(*PHONE)
    await until(lambda: [it.text for it in robot.named("Badge")] == ["1"], "the tab's badge")
    assert robot.outside() == []


async def test_what_was_asked_is_withdrawn(robot: Any, me: Device, town: Town) -> None:
    bo = await stranger(town, "波波")
    await me.client.request_contact(bo.client.user_id, greeting="我是灵灵")
    robot.app.desk.tab = "contacts"
    await robot.press("新的朋友")
    await robot.sees("发出的申请")
    await robot.sees("等待验证")
    found = await row(robot, "波波")
    await robot.click(next(it for it in robot.shown(found) if type(it).__name__ == "IconButton"))
    await robot.press("撤回申请")
    await robot.sees("已撤回")

    def state() -> str:
        asked = request_of(me, bo.client.user_id)
        return asked.state if asked else ""

    await until(lambda: state() == "withdrawn", "the other device knows")


async def test_presence_is_told_of_those_in_sight(
    robot: Any, me: Device, town: Town, neighbours: Neighbours
) -> None:
    names = [it for it in NAMES if it not in ("阿强", "马丁")]
    people = await neighbours.befriend(me, names[:14])
    first, last = await a_friend(town, me, "阿强"), await a_friend(town, me, "张三")
    robot.app.desk.tab = "contacts"
    await until(lambda: {"阿强", "白露", "张三"} <= set(titles(robot)), "all are there")

    def online() -> set[str]:
        return {it.title for it in robot.named("ListRow") if it.online}

    await until(lambda: online() == {"阿强"}, "one is online")
    watched = robot.app.session._watched["contacts"]
    assert people[0].client.user_id in watched
    assert last.client.user_id not in watched
    robot.app.desk.contacts.ids.list.scroll_y = 0
    await until(lambda: online() == {"张三"}, "who has come into sight is online too")
    robot.app.desk.contacts.ids.list.scroll_y = 1
    await until(lambda: online() == {"阿强"}, "the first one again")
    await until(lambda: me_watches(robot, first), "the server is told")
    await first.close()
    # Who is cut off for a moment is not said to be away.
    await until(lambda: online() == set(), "one has gone", 60)


def me_watches(robot: Any, device: Device) -> bool:
    """Returns whether the app has the presence of somebody told."""
    id = device.client.user_id
    return robot.app.session.client.presence(id).online is not None


async def test_the_plus_leads_to_the_ways_of_becoming_friends(robot: Any, me: Device) -> None:
    robot.app.desk.tab = "contacts"
    for text in ("添加朋友", "扫一扫", "我的二维码"):
        await robot.click(robot.app.desk.contacts.ids.more)
        assert robot.outside() == []
        await robot.press(text)
        await robot.frames()
        assert robot.app.desk.pages[-1].title == text
        robot.app.back()


async def test_groups_are_listed_and_lead_to_their_chats(
    robot: Any, me: Device, town: Town
) -> None:
    bo = await a_friend(town, me, "波波")
    robot.app.desk.tab = "contacts"
    await robot.press("群聊")
    await robot.sees("还没有群聊")
    made = await me.client.create_group("爬山小队", [bo.client.user_id])
    await robot.sees("爬山小队")
    await fits(robot, "2 人")
    await robot.press("爬山小队")
    await until(lambda: robot.app.desk.chat.conversation_id == made.conversation_id, "it is open")
    await until(lambda: not robot.app.desk.pages, "no page is left")


async def test_people_are_picked_with_a_search_and_a_limit(
    robot: Any, me: Device, neighbours: Neighbours
) -> None:
    bo, mei, wang = await neighbours.befriend(me, ["波波", "梅子", "老王"])
    app = robot.app
    picked = app.session.spawn(app.pick("pick_people", fixed=[wang.client.user_id], limit=2))
    await robot.sees("选择联系人")
    await robot.press("梅子", app.desk.pages[-1])
    await robot.press("老王", app.desk.pages[-1])  # is in already
    await robot.press("波波", app.desk.pages[-1])
    await robot.sees("最多选择 2 人")
    assert list(app.desk.pages[-1].chosen) == [mei.client.user_id]
    await fits(robot, "完成(1)")
    await robot.press("梅子", app.desk.pages[-1])
    await robot.write(app.desk.pages[-1].ids.query, "bb")
    page = app.desk.pages[-1]
    await until(
        lambda: [it.title for it in robot.shown(page) if getattr(it, "key", "")] == ["波波"],
        "found",
    )
    await robot.press("波波", app.desk.pages[-1])
    app.desk.pages[-1].ids.query.text = ""
    assert len(robot.named("ChosenFace")) == 1
    await robot.press("完成(1)")
    assert await picked == [bo.client.user_id]
    picked = app.session.spawn(app.pick("pick_people"))
    await robot.sees("选择联系人")
    await robot.press("梅子", app.desk.pages[-1])
    await robot.click(robot.named("ChosenFace")[0])
    assert not app.desk.pages[-1].chosen
    app.back()
    assert await picked is None
