"""Reports, moderation and announcements over gRPC, on SQLite and MariaDB."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import sqlalchemy as sa
from hongyan.chat.v1 import (
    message_pb2,
    message_pb2_grpc,
    moderation_pb2,
    moderation_pb2_grpc,
    report_pb2,
    report_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
)
from hongyan.options.v1 import access_pb2

from loadtest.servers import mariadb
from services.admin.keys import add_key
from services.chat import announcements
from services.chat.policies import Policy
from services.common import migrations
from services.common.contract import ACCESS
from tests.service.conftest import free_port
from tests.service.gate.device import Device
from tests.service.gate.world import INTERNAL_KEY, ChatPod, GatePod, Verify
from tests.service.verify.world import refusal

Code = grpc.StatusCode
BOT = Policy(frozenset((1, 2, 3, 4)), False, False, is_bot=True)
ABUSE = report_pb2.REPORT_CATEGORY_ABUSE
SPAM = report_pb2.REPORT_CATEGORY_SPAM
ADMIN_RPCS = [
    path
    for path, access in ACCESS.items()
    if access == access_pb2.ACCESS_ADMIN and path.startswith("/hongyan.chat.")
]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "admins"


@pytest.fixture(params=["sqlite", "mariadb"])
async def database_url(request: pytest.FixtureRequest, chat_database: str) -> AsyncIterator[str]:
    if request.param == "sqlite":
        yield chat_database
        return
    async with mariadb() as server:
        await asyncio.to_thread(migrations.upgrade, "chat", server.url)
        yield server.url


@pytest.fixture
async def chat(verify: Verify, database_url: str, keys: Path) -> AsyncIterator[ChatPod]:
    pod = await ChatPod(verify, free_port(), database_url, admin_keys_file=keys).start()
    yield pod
    await pod.stop()


class World:
    """Users and one administrator of a chat pod."""

    def __init__(self, channel: grpc.aio.Channel, verify: Verify, key: str) -> None:
        self._verify = verify
        self.channel = channel
        self.admin = (("authorization", f"Bearer {key}"),)
        self._moderation: Any = moderation_pb2_grpc.ModerationServiceStub(channel)
        self._messages: Any = message_pb2_grpc.MessageServiceStub(channel)
        self._reports: Any = report_pb2_grpc.ReportServiceStub(channel)
        self._search: Any = search_pb2_grpc.SearchServiceStub(channel)

    def _as(self, user: str) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self._verify.token(user)}"),)

    async def send(self, user: str, talk: str, id: str, **content: Any) -> int:
        request = message_pb2.SendRequest(conversation_id=talk, client_message_id=id, **content)
        return (await self._messages.Send(request, metadata=self._as(user))).message.seq

    async def history(self, user: str, talk: str) -> list[Any]:
        request = message_pb2.ListRequest(conversation_id=talk)
        return list((await self._messages.List(request, metadata=self._as(user))).messages)

    async def hide(self, user: str, talk: str, seq: int) -> None:
        request = message_pb2.HideRequest(conversation_id=talk, seqs=[seq])
        await self._messages.Hide(request, metadata=self._as(user))

    async def found(self, user: str, words: str) -> int:
        request = search_pb2.SearchRequest(query=words)
        return len((await self._search.Search(request, metadata=self._as(user))).messages)

    async def report(self, user: str, talk: str, seq: int, text: str = "") -> str:
        target = report_pb2.ReportedMessage(conversation_id=talk, seq=seq)
        request = report_pb2.ReportRequest(message=target, category=ABUSE, text=text)
        return (await self._reports.Report(request, metadata=self._as(user))).report_id

    async def report_user(self, user: str, other: str) -> str:
        request = report_pb2.ReportRequest(user_id=other, category=SPAM)
        return (await self._reports.Report(request, metadata=self._as(user))).report_id

    async def act(self, rpc: str, request: Any) -> Any:
        return await getattr(self._moderation, rpc)(request, metadata=self.admin, timeout=15)

    async def reports(self, *, closed: bool = False) -> list[Any]:
        request = moderation_pb2.ListReportsRequest(closed=closed)
        return list((await self.act("ListReports", request)).reports)

    async def delete(self, talk: str, seq: int, reason: str = "rude") -> int:
        request = moderation_pb2.DeleteMessageRequest(conversation_id=talk, seq=seq, reason=reason)
        return (await self.act("DeleteMessage", request)).seq

    async def announce(self, text: str, sender: str, id: str) -> Any:
        request = moderation_pb2.ModerationServiceAnnounceRequest(
            text=text, sender_id=sender, client_announcement_id=id
        )
        return (await self.act("Announce", request)).announcement

    async def finished(self, id: str) -> Any:
        """Waits for the end of an announcement; returns it."""
        async with asyncio.timeout(30):
            while True:
                request = moderation_pb2.ListAnnouncementsRequest()
                listed = (await self.act("ListAnnouncements", request)).announcements
                it = next(it for it in listed if it.announcement_id == id)
                if it.HasField("finished_at"):
                    return it
                await asyncio.sleep(0.02)

    async def audit(self) -> list[Any]:
        answer = await self.act("ListAudit", moderation_pb2.ListAuditRequest())
        return list(answer.entries)


@pytest.fixture
async def world(verify: Verify, chat: ChatPod, keys: Path) -> AsyncIterator[World]:
    async with grpc.aio.insecure_channel(chat.target) as channel:
        yield World(channel, verify, add_key(keys, "mei"))


async def test_a_report_keeps_what_was_said(chat: ChatPod, world: World) -> None:
    talk = await chat.talk("ann", "bob")
    seq = await world.send("bob", talk, "1", text="you are a 笨蛋")
    id = await world.report("ann", talk, seq, "rude")
    await world.send("bob", talk, "2", recall=message_pb2.Recall(seq=seq))
    assert await world.report("ann", talk, seq, "once more") == id
    other = await world.report_user("ann", "bob")
    assert await world.report_user("ann", "bob") == other
    newest, report = await world.reports()
    assert (newest.report_id, newest.user_id, newest.category) == (other, "bob", SPAM)
    assert not newest.HasField("evidence")
    assert (report.report_id, report.reporter_id, report.user_id) == (id, "ann", "bob")
    assert (report.text, report.evidence.text) == ("rude", "you are a 笨蛋")
    assert (report.evidence.conversation_id, report.evidence.seq) == (talk, seq)


async def test_the_same_report_many_times_at_once_is_one(chat: ChatPod, world: World) -> None:
    talk = await chat.talk("ann", "bob")
    seq = await world.send("bob", talk, "1", text="spam")
    ids = await asyncio.gather(*(world.report("ann", talk, seq) for _ in range(10)))
    assert len(set(ids)) == 1
    assert len(await world.reports()) == 1


async def test_what_one_cannot_read_is_not_there_to_report(chat: ChatPod, world: World) -> None:
    talk = await chat.talk("ann", "bob")
    seq = await world.send("bob", talk, "1", text="between us")
    hidden = await world.send("bob", talk, "2", text="hidden")
    await world.hide("ann", talk, hidden)
    gone = await world.send("bob", talk, "3", text="gone")
    recall = await world.send("bob", talk, "4", recall=message_pb2.Recall(seq=gone))
    answers = [
        (await refusal(call)).seen
        for call in (
            world.report("eve", talk, seq),
            world.report("eve", talk, 999),
            world.report("eve", "nowhere", 1),
            world.report("ann", talk, hidden),
            world.report("ann", talk, gone),
            world.report("ann", talk, recall),
            world.report("ann", talk, 999),
        )
    ]
    assert answers[0][0] is Code.NOT_FOUND
    assert set(map(str, answers)) == {str(answers[0])}
    assert await world.reports() == []


async def test_who_reports_is_limited_and_reports_others(chat: ChatPod, world: World) -> None:
    assert (await refusal(world.report_user("ann", "ann"))).fields.keys() == {"user_id"}
    assert (await refusal(world.report_user("ann", "nobody"))).reason == "USER_NOT_FOUND"
    for number in range(18):
        await world.report_user("ann", f"user{number}")
    refused = await refusal(world.report_user("ann", "another"))
    assert (refused.code, refused.reason) == (Code.RESOURCE_EXHAUSTED, "LIMIT_REACHED")
    await world.report_user("bob", "ann")
    assert len(await world.reports()) == 19


async def test_a_closed_report_may_come_again(chat: ChatPod, world: World) -> None:
    id = await world.report_user("ann", "bob")
    request = moderation_pb2.CloseReportRequest(report_id=id, note="warned")
    closed = (await world.act("CloseReport", request)).report
    assert (closed.closed_by, closed.note) == ("mei", "warned")
    assert closed.HasField("closed_at")
    assert (await refusal(world.act("CloseReport", request))).reason == "REPORT_CLOSED"
    request.report_id = "none"
    assert (await refusal(world.act("CloseReport", request))).reason == "REPORT_NOT_FOUND"
    again = await world.report_user("ann", "bob")
    assert [it.report_id for it in await world.reports()] == [again]
    assert list(await world.reports(closed=True)) == [closed]
    page = moderation_pb2.ListReportsRequest(page_size=1)
    await world.report_user("ann", "cat")
    first = await world.act("ListReports", page)
    page.page_token = first.next_page_token
    second = await world.act("ListReports", page)
    assert [first.reports[0].user_id, second.reports[0].user_id] == ["cat", "bob"]
    assert second.next_page_token == ""


async def test_a_removed_message_is_gone_for_everybody(
    verify: Verify, chat: ChatPod, gate: GatePod, world: World
) -> None:
    talk = await chat.group("ann", "bob", "cat")
    cat = await Device(gate.target, verify.token("cat")).hello()
    seq = await world.send("bob", talk, "1", text="an old 笑话")
    await world.send("bob", talk, "2", edit=message_pb2.Edit(seq=seq, text="a bad 笑话"))
    await world.send("ann", talk, "3", reaction=message_pb2.Reaction(seq=seq, emoji="😡"))
    await world.send("ann", talk, "4", pin=message_pb2.Pin(seq=seq))
    assert await world.found("ann", "笑话") == 1
    entry = await world.delete(talk, seq)
    assert await world.delete(talk, seq) == entry
    pushed = await cat.until(
        lambda: next((it for it in cat.of("message") if it.seq == entry), None)
    )
    assert (pushed.recall.seq, pushed.recall.moderated, pushed.sender_id) == (seq, True, "")
    await cat.close()
    for user in ("ann", "bob", "cat"):
        log = {it.seq: it for it in await world.history(user, talk)}
        assert log[seq].removed.reason == message_pb2.REMOVED_REASON_MODERATED
        assert log[seq].sender_id == "bob"
        assert not log[seq].reactions
        assert log[entry].recall.moderated
        assert not any("笑话" in str(it) or "\\347\\254" in str(it) for it in log.values())
        assert await world.found(user, "笑话") == 0
    # Nothing of it is left in the table.
    async with chat.database.read() as connection:
        rows = await connection.execute(sa.text("SELECT body FROM message"))
        assert not any("笑话".encode() in bytes(body) for (body,) in rows)
    back = await Device(gate.target, verify.token("cat")).hello({talk: seq})
    assert entry in back.has(talk)
    await back.close()


async def test_what_is_no_text_is_not_removed(chat: ChatPod, world: World) -> None:
    talk = await chat.group("ann", "bob")
    seq = await world.send("bob", talk, "1", text="hi")
    recall = await world.send("bob", talk, "2", recall=message_pb2.Recall(seq=seq))
    assert (await refusal(world.delete(talk, seq))).reason == "MESSAGE_REMOVED"
    for place in ((talk, recall), (talk, 1), (talk, 999), ("nowhere", 1)):
        assert (await refusal(world.delete(*place))).reason == "MESSAGE_NOT_FOUND"
    # Members cannot say that they are moderators.
    other = await world.send("bob", talk, "3", text="hi")
    forged = message_pb2.Recall(seq=other, moderated=True)
    entry = await world.send("bob", talk, "4", recall=forged)
    log = {it.seq: it for it in await world.history("ann", talk)}
    assert not log[entry].recall.moderated
    assert log[other].removed.reason == message_pb2.REMOVED_REASON_RECALLED


async def test_everybody_is_told_once(
    verify: Verify, chat: ChatPod, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcements, "USERS_AT_ONCE", 7)
    verify.users = [f"user{number:02}" for number in range(21)] + ["office", "foe"]
    verify.policies["office"] = BOT
    blocked = await chat.talk("office", "foe")
    await chat.contacts.block("foe", "office", True)
    assert (await refusal(world.announce("hi", "nobody", "1"))).reason == "USER_NOT_FOUND"
    assert (await refusal(world.announce("hi", "foe", "1"))).reason == "SENDER_NOT_A_BOT"
    begun = await world.announce("今晚维护", "office", "1")
    assert (await world.announce("今晚维护", "office", "1")).announcement_id == (
        begun.announcement_id
    )
    assert (await refusal(world.announce("other", "office", "1"))).code is Code.ALREADY_EXISTS
    done = await world.finished(begun.announcement_id)
    assert (done.total, done.told, done.refused, done.admin) == (22, 21, 1, "mei")
    for user in verify.users[:21]:
        talk = await chat.talk(user, "office")
        assert [it.text for it in await world.history(user, talk)] == ["今晚维护"]
    assert await world.history("foe", blocked) == []


async def test_a_pod_that_died_in_the_middle_tells_nobody_twice(
    verify: Verify, chat: ChatPod, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcements, "USERS_AT_ONCE", 4)
    verify.users = [f"user{number}" for number in range(9)]
    verify.policies["office"] = BOT
    begun = await world.announce("hello", "office", "1")
    await world.finished(begun.announcement_id)
    # As if the pod had died after its second page was committed, before it was noted.
    async with chat.database.begin() as connection:
        await connection.execute(
            sa.text(
                "UPDATE announcement SET finished_at = 0, lease_until = 0, told = 4,"
                " after_user_id = 'user3'"
            )
        )
    done = await world.finished(begun.announcement_id)
    assert (done.total, done.told) == (9, 9)
    for user in verify.users:
        talk = await chat.talk(user, "office")
        assert len(await world.history(user, talk)) == 1


@pytest.mark.parametrize("path", ADMIN_RPCS)
async def test_every_call_of_an_administrator_is_written_before_it_is_done(
    verify: Verify, chat: ChatPod, world: World, path: str
) -> None:
    """Of all rpcs that the contract has, whoever adds one."""
    token = verify.token("ann")
    for metadata, reason in (
        ((), "TOKEN_MISSING"),
        ((("authorization", f"Bearer {token}"),), "ADMIN_KEY_INVALID"),
        ((("x-hongyan-internal", INTERNAL_KEY),), "TOKEN_MISSING"),
    ):
        refused = await refusal(world.channel.unary_unary(path)(b"", metadata=metadata))
        assert (refused.code, refused.reason) == (Code.UNAUTHENTICATED, reason)
        _, entry, *_ = await world.audit()
        assert (entry.rpc, entry.refusal) == (path.removeprefix("/hongyan."), reason)
    async with chat.database.begin() as connection:
        await connection.execute(sa.text("ALTER TABLE chat_audit RENAME TO away"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.channel.unary_unary(path)(b"", metadata=world.admin)
    assert caught.value.code() in (Code.INTERNAL, Code.UNAVAILABLE)


async def test_an_act_is_in_the_audit_with_its_reason(chat: ChatPod, world: World) -> None:
    talk = await chat.talk("ann", "bob")
    seq = await world.send("bob", talk, "1", text="spam")
    await world.delete(talk, seq, "advertising")
    await refusal(world.delete(talk, 999, "a mistake"))
    id = await world.report_user("ann", "bob")
    request = moderation_pb2.CloseReportRequest(report_id=id, note="warned")
    await world.act("CloseReport", request)
    _, *acts = await world.audit()
    assert [(it.admin, it.outcome, it.refusal, it.reason) for it in reversed(acts)] == [
        ("mei", "OK", "", "advertising"),
        ("mei", "NOT_FOUND", "MESSAGE_NOT_FOUND", "a mistake"),
        ("mei", "OK", "", "warned"),
    ]
