"""Five people, a bot, a group and its whole life; a second device that was away has all of it."""

import asyncio
import zipfile
from pathlib import Path

import pytest

from hongyan_client import Bot
from hongyan_client.errors import PermissionDenied
from hongyan_client.export import export
from hongyan_client.model import MessageState, MessageStateChanged
from loadtest.accounts import PASSWORD
from tests.faults.people import Device, Town, until
from tests.system.echo import running

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def say(device: Device, conversation_id: str, text: str) -> int:
    message = await device.client.send(conversation_id, text)
    return (await device.client.settled(message.client_message_id, 30)).seq


async def refused(device: Device, conversation_id: str, text: str) -> str:
    """Sends what will be refused; returns the server's reason."""
    events = device.client.events()
    sent = await device.client.send(conversation_id, text)
    async with asyncio.timeout(30):
        async for event in events:
            if (
                isinstance(event, MessageStateChanged)
                and event.message.client_message_id == sent.client_message_id
                and event.message.state is MessageState.FAILED
            ):
                break
    events.close()
    reason = event.message.failure
    device.client.discard(sent.client_message_id)
    return reason


async def befriend(one: Device, *others: Device) -> None:
    """Others ask by a code of one, who accepts."""
    code = await one.client.create_contact_code()
    for other in others:
        asked = await other.client.request_contact(
            code=f"hongyan://add/{code.code}", greeting="你好"
        )
        assert (asked.user_id, asked.state) == (one.client.user_id, "pending")
    wanted = {it.client.user_id for it in others}
    await until(
        lambda: wanted <= {it.user_id for it in one.client._open().cache.contact_requests()},
        "the requests come by the stream",
    )
    for asked in await one.client.contact_requests():
        if asked.user_id in wanted:
            await one.client.accept_contact(asked.user_id)


def words(device: Device, conversation_id: str) -> list[str]:
    """What a device shows of a conversation: texts, and the names of events."""
    messages = device.client._open().cache.messages(conversation_id, 10**6, 10**6)
    return [it.event.what if it.event else it.text for it in messages]


async def test_five_people_and_a_group(town: Town, tmp_path: Path):
    ling, bo, kai, mei, ann = await asyncio.gather(
        *(town.newcomer(name) for name in ("ling", "bo", "kai", "mei", "ann"))
    )
    tablet = await town.second_device(ling, start=False)
    await befriend(ling, bo, kai, mei, ann)
    bo_id = bo.client.user_id
    assert {it.user_id for it in await ling.client.contacts()} == {
        it.client.user_id for it in (bo, kai, mei, ann)
    }
    await ling.client.update_contact(ann.client.user_id, remark="安安", tags=["饭友"], starred=True)

    # The group is made, and one more joins by an invite and with approval.
    friends = [it.client.user_id for it in (bo, kai, mei)]
    made = await ling.client.create_group("周末火锅", friends)
    id = made.conversation_id
    assert made.group is not None
    assert (made.group.settings.name, made.group.role, made.group.member_count) == (
        "周末火锅",
        "owner",
        4,
    )
    await ling.client.update_group(id, approval=True)
    await ling.client.set_role(id, mei.client.user_id, "admin")
    await until(lambda: "role" in words(bo, id), "the others see who is an admin")
    invite = await bo.client.create_invite(id, max_uses=1)
    link = f"hongyan://join/{invite.code}"
    door = await ann.client.resolve_invite(link)
    assert (door.name, door.member_count, door.approval) == ("周末火锅", 4, True)
    assert await ann.client.join_group(link, greeting="我是安") == (False, id)
    for leader in (ling, mei):
        await until(
            lambda leader=leader: leader.client.conversation(id).group.waiting_count == 1,
            "who lets others in is told that somebody waits",
        )
    [waiting] = await mei.client.join_requests(id)
    assert (waiting.user_id, waiting.greeting) == (ann.client.user_id, "我是安")
    with pytest.raises(PermissionDenied):
        await bo.client.answer_join_request(id, ann.client.user_id, approve=True)
    await mei.client.answer_join_request(id, ann.client.user_id, approve=True)
    five = (ling, bo, kai, mei, ann)
    await until(lambda: ling.client.conversation(id).group.waiting_count == 0, "nobody waits")
    for device in five:
        await until(lambda device=device: "joined" in words(device, id), f"{device.name}: joined")

    # An announcement that everybody reads.
    seq = await ling.client.announce(id, "周六晚七点，老地方 🍲")
    for device in (bo, kai, mei, ann):
        await until(
            lambda device=device: device.client.conversation(id).mention_count == 1, "announced"
        )
        device.client.mark_read(id, seq)
    async with asyncio.timeout(30):
        while len((await ling.client.readers(id, seq)).read) < 4:
            await asyncio.sleep(0.05)
    known = ann.client.conversation(id)
    assert known is not None
    assert known.group is not None
    assert (known.group.announcement, known.mention_count) == ("周六晚七点，老地方 🍲", 0)

    # Only admins write, then everybody again.
    await mei.client.update_group(id, muted=True)
    assert await refused(kai, id, "我也要来") == "GROUP_MUTED"
    await say(mei, id, "先别说话")
    await ling.client.update_group(id, muted=False)
    await say(kai, id, "我来了")

    # A bot answers in the group.
    bot = await ling.client.create_bot("回声")
    await ling.client.request_contact(bot.user_id)
    assert await ling.client.add_members(id, [bot.user_id]) == ([bot.user_id], [])
    token, _ = await ling.client.create_bot_token(bot.user_id)
    async with running(Bot(town.system.address, token, tmp_path / "bot"), []):
        await say(mei, id, "周六下雨吗？")
        await until(lambda: "回声 周六下雨吗？" in words(ann, id), "the bot has answered")

    # One is removed, and sees nothing later.
    await mei.client.remove_member(id, kai.client.user_id)
    await say(bo, id, "他走了")
    await until(lambda: words(kai, id)[-1] == "left", "the one who goes is told so")
    assert await refused(kai, id, "喂？") == "NOT_A_MEMBER"
    assert [it.event.what if it.event else it.text for it in await kai.client.history(id)][-2:] == [
        "回声 周六下雨吗？",
        "left",
    ]
    with pytest.raises(PermissionDenied):
        await kai.client.group_members(id)

    # Another owner, who ends it.
    await ling.client.transfer_group(id, bo.client.user_id)
    await bo.client.dissolve_group(id)
    for device in (ling, bo, mei, ann):
        await until(lambda device=device: words(device, id)[-1] == "dissolved", "it is over")

    # One takes all of theirs along and goes; what they said stays with the others.
    await export(bo.client, tmp_path / "bo.zip", lambda *_: None)
    with zipfile.ZipFile(tmp_path / "bo.zip") as archive:
        exported = archive.read(f"messages/{id}.jsonl").decode()
    assert "他走了" in exported
    assert "周六晚七点" in exported
    await bo.client.delete_account(PASSWORD)
    await until(lambda: not ling.client.contact(bo_id).friend, "a friend less")
    assert (await mei.client.account.user(bo_id)).display_name == ""
    ended = mei.client.conversation(id)
    assert ended is not None
    assert ended.group is not None
    assert (ended.group.dissolved, ended.group.role) == (True, "")

    # The tablet was away all the time.
    await tablet.start()
    await until(lambda: len(tablet.client._open().cache.contacts()) == 4, "all contacts")
    assert tablet.client.contact(ann.client.user_id) == ling.client.contact(ann.client.user_id)
    assert tablet.client.contact(ann.client.user_id).remark == "安安"
    await tablet.client.history(id)
    assert words(tablet, id) == words(ling, id)
    assert words(ling, id) == [
        "created",
        "changed",
        "role",
        "joined",
        "announced",
        "changed",
        "先别说话",
        "changed",
        "我来了",
        "joined",
        "周六下雨吗？",
        "回声 周六下雨吗？",
        "left",
        "他走了",
        "transferred",
        "dissolved",
    ]
    assert words(ann, id)[0] == "joined"


async def test_a_deleted_friend_sees_it_when_they_write(town: Town):
    ling, bo = await asyncio.gather(town.newcomer("ling"), town.newcomer("bo"))
    await befriend(ling, bo)
    conversation = await ling.client.open_direct(bo.client.user_id)
    id = conversation.conversation_id
    await until(lambda: words(bo, id) == ["friends"], "both see that they are friends")
    await ling.client.delete_contact(bo.client.user_id)
    assert await refused(bo, id, "在吗？") == "NOT_FRIENDS"
    await until(lambda: not ling.client.contact(bo.client.user_id).friend, "gone by the stream")
    assert (await bo.client.request_contact(ling.client.user_id)).state == "pending"


async def test_a_stranger_lands_in_the_box_of_requests(town: Town):
    ling, bo = await asyncio.gather(town.newcomer("ling"), town.newcomer("bo"))
    id = (await ling.client.open_direct(bo.client.user_id)).conversation_id
    await say(ling, id, "请问是波先生吗？")

    def seen() -> bool:
        known = bo.client.conversation(id)
        return known is not None and known.request

    await until(seen, "it is a request")
    await say(bo, id, "是我")
    assert not seen()
