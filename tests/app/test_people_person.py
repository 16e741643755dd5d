"""A person's page, tags and the blocked: what is shown, and what each action does on the server."""

from typing import Any

import pytest

from hongyan_client.model import Contact
from tests.app.friends import Neighbours, fits, friend, handle, row, stranger
from tests.faults.people import Device, Town

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def until(found: Any, what: str) -> Any:
    from tests.app.robot import until as wait  # noqa: PLC0415

    return await wait(found, what)


async def knows(device: Device, user_id: str, **fields: Any) -> Contact:
    """Waits until another device knows a contact so."""

    def as_told() -> bool:
        contact = device.client.contact(user_id)
        return all(getattr(contact, name) == value for name, value in fields.items())

    await until(as_told, f"the other device knows {fields}")
    return device.client.contact(user_id)


async def open_person(robot: Any, user_id: str, **options: Any) -> Any:
    page = robot.app.go("person", user_id=user_id, **options)
    await robot.frames()
    return page


async def test_a_friend_is_shown_with_all_that_is_known(robot: Any, me: Device, town: Town) -> None:
    name = handle("bobo")
    bo = await friend(town, me, "波波", handle=name, region="四川 成都", signature="山高水长 " * 12)
    await me.client.update_contact(bo.client.user_id, remark="波波（同学）", tags=["同学", "爬山"])
    group = await me.client.create_group("爬山小队", [bo.client.user_id])
    robot.app.desk.tab = "contacts"
    await robot.press("波波（同学）")
    for text in ("昵称：波波", f"鸿雁号：{name}", "地区：四川 成都", "在线", "山高水长"):
        await robot.sees(text)
    await robot.sees("同学、爬山")
    await until(lambda: robot.app.desk.pages[-1].groups == [group.conversation_id], "the group")
    await fits(robot, "发消息", "共同的群聊")
    await robot.press(f"鸿雁号：{name}")
    await robot.sees("已复制")
    from kivy.core.clipboard import Clipboard  # noqa: PLC0415

    assert Clipboard.paste() == name
    await robot.press("共同的群聊")
    await robot.press("爬山小队")
    chat = robot.app.desk.chat
    await until(lambda: chat.conversation_id == group.conversation_id, "the group's chat")


async def test_a_remark_a_star_and_tags_are_on_the_other_device_too(
    robot: Any, me: Device, town: Town
) -> None:
    bo = await friend(town, me, "波波")
    id = bo.client.user_id
    await open_person(robot, id)
    await robot.press("备注")
    await robot.write(robot.app.dialogs.children[0].ids.field, "老同学")
    await robot.press("确定")
    await knows(me, id, remark="老同学")
    await robot.sees("昵称：波波")
    await robot.press("设为星标朋友")
    await knows(me, id, starred=True)
    await robot.press("标签")
    await robot.sees("还没有标签")
    await robot.press("新建标签")
    await robot.write(robot.app.dialogs.children[0].ids.field, "爬山")
    await robot.press("确定")
    await robot.sees("爬山")
    await fits(robot, "新建标签")
    await robot.press("完成")
    await knows(me, id, tags=("爬山",), starred=True, remark="老同学")
    await robot.sees("爬山")


async def test_the_message_button_opens_the_chat(robot: Any, me: Device, town: Town) -> None:
    bo = await friend(town, me, "波波")
    await open_person(robot, bo.client.user_id)
    await robot.press("发消息")
    id = (await me.client.open_direct(bo.client.user_id)).conversation_id
    await until(lambda: robot.app.desk.chat.conversation_id == id, "the chat is open")
    assert robot.app.desk.pages == []


async def test_a_stranger_is_asked_with_the_way_one_came_upon_them(
    robot: Any, me: Device, town: Town
) -> None:
    bo = await friend(town, me, "波波")
    kai = await stranger(town, "Kai")
    await kai.client.request_contact(bo.client.user_id)
    await bo.client.accept_contact(kai.client.user_id)
    id = (await bo.client.open_direct(me.client.user_id)).conversation_id
    card = await bo.client.send_card(id, kai.client.user_id)
    seq = (await bo.client.settled(card.client_message_id)).seq
    app = robot.app.session.client
    await until(lambda: any(it.seq == seq for it in app.known_messages(id)), "the card is there")
    await open_person(robot, kai.client.user_id, source="card", conversation_id=id, seq=seq)
    await robot.press("添加到通讯录")
    robot.app.dialogs.children[0].ids.field.text = "波波介绍的"
    await robot.press("发送")
    await robot.sees("“波波介绍的”")
    await fits(robot, "等待对方通过验证")

    def asked() -> Any:
        found = kai.client._open().cache.contact_requests()
        return next((it for it in found if it.user_id == me.client.user_id), None)

    await until(asked, "the request is there")
    assert (asked().source, asked().greeting) == ("card", "波波介绍的")


async def test_who_is_in_the_same_group_is_asked_so(robot: Any, me: Device, town: Town) -> None:
    bo, kai = await friend(town, me, "波波"), await stranger(town, "Kai")
    await kai.client.request_contact(bo.client.user_id)
    await bo.client.accept_contact(kai.client.user_id)
    members = [me.client.user_id, kai.client.user_id]
    id = (await bo.client.create_group("三人行", members)).conversation_id
    await kai.client.update_me(who_may_add="known")
    await open_person(robot, kai.client.user_id, source="group", conversation_id=id)
    await robot.press("添加到通讯录")
    await robot.press("发送")
    await robot.sees("等待对方通过验证")
    asked = next(it for it in await me.client.contact_requests() if not it.incoming)
    assert (asked.user_id, asked.source) == (kai.client.user_id, "group")


async def test_who_takes_no_requests_is_not_asked(robot: Any, me: Device, town: Town) -> None:
    kai = await stranger(town, "Kai")
    await kai.client.update_me(who_may_add="nobody")
    await open_person(robot, kai.client.user_id, source="search")
    await robot.press("添加到通讯录")
    await robot.press("发送")
    await robot.sees("对方不接受这种添加方式")


async def test_who_asks_is_accepted_on_their_page(robot: Any, me: Device, town: Town) -> None:
    bo = await stranger(town, "波波")
    await bo.client.request_contact(me.client.user_id, greeting="爬山认识的")
    await until(me.client._open().cache.contact_requests, "the request is there")
    await open_person(robot, bo.client.user_id)
    await robot.sees("“爬山认识的”")
    await fits(robot, "通过验证")
    await robot.press("通过验证")
    await robot.sees("发消息")
    await until(lambda: bo.client.contact(me.client.user_id).friend, "they are friends")


async def test_a_person_is_blocked_listed_and_unblocked(robot: Any, me: Device, town: Town) -> None:
    bo = await friend(town, me, "波波")
    id = bo.client.user_id
    await open_person(robot, id)
    await robot.press("加入黑名单")
    await robot.sees("加入黑名单？")
    assert robot.outside() == []
    robot.app.dialogs.close()
    await robot.frames()
    assert not me.client.contact(id).blocked
    await robot.press("加入黑名单")
    dialog = robot.app.dialogs.children[0]
    await until(lambda: dialog.parent, "the question")
    dialog.answer(True)
    await knows(me, id, blocked=True)
    robot.app.go("blocked")
    await row(robot, "波波")
    await fits(robot, "波波")
    await robot.press("移出黑名单")
    await knows(me, id, blocked=False, friend=True)
    await robot.sees("黑名单是空的")
    await fits(robot)


async def test_a_friend_is_deleted_after_a_question(robot: Any, me: Device, town: Town) -> None:
    bo = await friend(town, me, "波波")
    robot.app.desk.tab = "contacts"
    await robot.press("波波")
    await robot.press("删除好友")
    await robot.sees("删除好友“波波”？")
    assert robot.outside() == []
    robot.app.dialogs.children[0].answer(True)
    await knows(me, bo.client.user_id, friend=False)
    await robot.sees("还没有好友")
    assert robot.app.desk.pages == []


async def test_oneself_has_no_buttons_but_to_edit(robot: Any, me: Device) -> None:
    await open_person(robot, me.client.user_id)
    await robot.sees("编辑个人资料")
    assert not {"加入黑名单", "添加到通讯录", "备注"} & set(robot.texts())
    await robot.press("编辑个人资料")
    await robot.sees("更换头像")


async def test_a_bot_is_marked(robot: Any, me: Device, town: Town) -> None:
    bo = await stranger(town, "波波")
    made = await bo.client.create_bot("天气预报", handle=handle("rain") + "_bot", public=True)
    await open_person(robot, made.user_id)
    await robot.sees("机器人")
    await robot.sees("天气预报")


async def test_the_picture_of_a_person_is_looked_at_closely(
    robot: Any, me: Device, town: Town
) -> None:
    bo = await friend(town, me, "波波")
    await open_person(robot, bo.client.user_id)
    viewer = robot.app.viewer
    await robot.click(robot.named("PersonFace")[0])
    await until(lambda: viewer.texture, "the letter, drawn large")
    assert viewer.texture.size == (480, 480)
    assert robot.outside() == []
    assert robot.app.back()
    assert not viewer.is_open


async def test_tags_have_their_people_and_are_renamed_and_deleted(
    robot: Any, me: Device, neighbours: Neighbours
) -> None:
    bo, mei, wang = await neighbours.befriend(me, ["波波", "梅子", "老王"])
    app = robot.app
    app.desk.tab = "contacts"
    await robot.press("标签")
    await robot.sees("还没有标签")
    await robot.press("新建标签")
    await robot.write(app.dialogs.children[0].ids.field, "家人")
    await robot.press("确定")
    await until(lambda: type(app.desk.pages[-1]).__name__ == "PickPeople", "people are chosen")
    page = app.desk.pages[-1]
    for it in (bo, mei):
        page.toggle(it.client.user_id)
    await robot.press("完成(2)")
    for it in (bo, mei):
        await knows(me, it.client.user_id, tags=("家人",))
    await robot.sees("家人 (2)")
    await fits(robot, "家人 (2)")
    await robot.press("家人 (2)")
    await robot.sees("添加成员")
    await fits(robot, "添加成员")
    await robot.press("添加成员")
    await until(lambda: type(app.desk.pages[-1]).__name__ == "PickPeople", "people are chosen")
    assert set(app.desk.pages[-1].fixed) == {bo.client.user_id, mei.client.user_id}
    app.desk.pages[-1].toggle(wang.client.user_id)
    await robot.press("完成(1)")
    await robot.sees("家人 (3)")
    await robot.click(await row(robot, "老王", app.desk.pages[-1]), button="right")
    await robot.press("移出标签")
    await knows(me, wang.client.user_id, tags=())
    await robot.sees("家人 (2)")
    await robot.press("更多")
    await robot.press("重命名")
    app.dialogs.children[0].ids.field.text = "亲人"
    await robot.press("确定")
    await robot.sees("亲人 (2)")
    for it in (bo, mei):
        await knows(me, it.client.user_id, tags=("亲人",))
    await robot.press("更多")
    await robot.press("删除标签")
    await robot.sees("删除标签“亲人”？")
    app.dialogs.children[0].answer(True)
    for it in (bo, mei):
        await knows(me, it.client.user_id, tags=())
    await robot.sees("还没有标签")


async def test_a_tag_is_not_renamed_to_one_that_there_is(
    robot: Any, me: Device, neighbours: Neighbours
) -> None:
    bo, mei = await neighbours.befriend(me, ["波波", "梅子"])
    await me.client.update_contact(bo.client.user_id, tags=["家人"])
    await me.client.update_contact(mei.client.user_id, tags=["同学"])
    robot.app.go("tags")
    await robot.click(await row(robot, "家人 (1)"), button="right")
    await robot.press("重命名")
    robot.app.dialogs.children[0].ids.field.text = "同学"
    await robot.press("确定")
    await robot.sees("已有同名标签")
    assert me.client.contact(bo.client.user_id).tags == ("家人",)
