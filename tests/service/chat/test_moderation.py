"""Reports and what administrators do about them, over gRPC."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from hongyan.chat.v1 import (
    message_pb2,
    moderation_pb2,
    moderation_pb2_grpc,
    report_pb2,
    report_pb2_grpc,
)

from services.chat.policies import Policy
from services.common.admins import line_for, new_key
from tests.service.chat.test_unary import Bot as Person
from tests.service.conftest import free_port
from tests.service.gate.world import ChatPod, Verify
from tests.service.verify.world import refusal

KEY = new_key()
ABUSE = report_pb2.REPORT_CATEGORY_ABUSE


@pytest.fixture
async def chat(verify: Verify, chat_database: str, tmp_path: Path) -> AsyncIterator[ChatPod]:
    keys = tmp_path / "admins"
    keys.write_text(line_for("mei", KEY))
    pod = await ChatPod(verify, free_port(), chat_database, admin_keys_file=keys).start()
    yield pod
    await pod.stop()


class Reporter(Person):
    """A person who can also report, recall and hide."""

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        super().__init__(channel, token)
        self._reports: Any = report_pb2_grpc.ReportServiceStub(channel)

    async def report(self, request: report_pb2.ReportRequest) -> str:
        answer = await self._reports.Report(request, metadata=self._metadata, timeout=10)
        return str(answer.report_id)

    async def report_message(self, conversation_id: str, seq: int, text: str = "") -> str:
        message = report_pb2.ReportedMessage(conversation_id=conversation_id, seq=seq)
        request = report_pb2.ReportRequest(message=message, category=ABUSE, text=text)
        return await self.report(request)

    async def recall(self, conversation_id: str, seq: int) -> None:
        request = message_pb2.SendRequest(
            conversation_id=conversation_id,
            client_message_id=f"recall-{seq}",
            recall=message_pb2.Recall(seq=seq),
        )
        await self._messages.Send(request, metadata=self._metadata)

    async def hide(self, conversation_id: str, seq: int) -> None:
        request = message_pb2.HideRequest(conversation_id=conversation_id, seqs=[seq])
        await self._messages.Hide(request, metadata=self._metadata)


class Moderator:
    """An administrator with a key."""

    def __init__(self, channel: grpc.aio.Channel, key: str = KEY) -> None:
        self._stub: Any = moderation_pb2_grpc.ModerationServiceStub(channel)
        self._metadata = (("authorization", f"Bearer {key}"),)

    async def call(self, name: str, request: Any) -> Any:
        return await getattr(self._stub, name)(request, metadata=self._metadata, timeout=10)

    async def reports(self, **options: Any) -> list[Any]:
        request = moderation_pb2.ListReportsRequest(**options)
        return list((await self.call("ListReports", request)).reports)

    async def delete(self, conversation_id: str, seq: int) -> int:
        request = moderation_pb2.DeleteMessageRequest(
            conversation_id=conversation_id, seq=seq, reason="an insult"
        )
        return int((await self.call("DeleteMessage", request)).seq)

    async def announce(self, text: str, sender_id: str, id: str) -> Any:
        request = moderation_pb2.ModerationServiceAnnounceRequest(
            text=text, sender_id=sender_id, client_announcement_id=id
        )
        return (await self.call("Announce", request)).announcement

    async def finished(self, id: str) -> Any:
        """Waits until an announcement is finished, and returns it."""
        async with asyncio.timeout(20):
            while True:
                request = moderation_pb2.ListAnnouncementsRequest()
                listed = (await self.call("ListAnnouncements", request)).announcements
                found = next(it for it in listed if it.announcement_id == id)
                if found.HasField("finished_at"):
                    return found
                await asyncio.sleep(0.05)


@pytest.fixture
async def channel(chat: ChatPod) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(chat.target) as opened:
        yield opened


@pytest.fixture
def moderator(channel: grpc.aio.Channel) -> Moderator:
    return Moderator(channel)


def person(channel: grpc.aio.Channel, verify: Verify, name: str) -> Reporter:
    return Reporter(channel, verify.token(name))


async def test_a_report_keeps_what_was_said_when_it_is_taken_back(
    channel: grpc.aio.Channel, verify: Verify, moderator: Moderator
) -> None:
    ann, bob = (person(channel, verify, name) for name in ("ann", "bob"))
    id = (await bob.open("ann")).conversation_id
    await bob.send(id, "你这个笨蛋", "1")
    report_id = await ann.report_message(id, 1, "他骂我")
    await bob.recall(id, 1)
    assert await ann.report_message(id, 1, "again") == report_id
    [report] = await moderator.reports()
    assert (report.report_id, report.reporter_id, report.user_id) == (report_id, "ann", "bob")
    assert (report.text, report.evidence.text) == ("他骂我", "你这个笨蛋")
    close = moderation_pb2.CloseReportRequest(report_id=report_id, note="warned")
    closed = (await moderator.call("CloseReport", close)).report
    assert (closed.closed_by, closed.note) == ("mei", "warned")
    assert await moderator.reports() == []
    assert [it.report_id for it in await moderator.reports(closed=True)] == [report_id]
    assert (await refusal(moderator.call("CloseReport", close))).reason == "REPORT_CLOSED"


async def test_what_the_caller_cannot_read_is_answered_as_what_there_is_not(
    channel: grpc.aio.Channel, verify: Verify, moderator: Moderator
) -> None:
    ann, bob, eve = (person(channel, verify, name) for name in ("ann", "bob", "eve"))
    id = (await bob.open("ann")).conversation_id
    for number in ("1", "2", "3"):
        await bob.send(id, f"secret {number}", number)
    await ann.hide(id, 2)
    await bob.recall(id, 3)
    unknown = await refusal(eve.report_message("01a208d5003d763d92a19ada16c0b74d", 1))
    assert (unknown.code, unknown.reason) == (grpc.StatusCode.NOT_FOUND, "MESSAGE_NOT_FOUND")
    for call in (
        eve.report_message(id, 1),  # no member
        eve.report_message(id, 99),
        ann.report_message(id, 99),  # no such entry
        ann.report_message(id, 2),  # hidden
        ann.report_message(id, 3),  # taken back
        ann.report_message(id, 4),  # no text
    ):
        assert (await refusal(call)).seen == unknown.seen
    assert await moderator.reports() == []


async def test_a_user_is_reported_and_oneself_or_nobody_is_not(
    channel: grpc.aio.Channel, verify: Verify, moderator: Moderator
) -> None:
    ann = person(channel, verify, "ann")

    def about(user_id: str, category: int = ABUSE) -> Any:
        kind = report_pb2.ReportCategory.ValueType(category)
        return ann.report(report_pb2.ReportRequest(user_id=user_id, category=kind))

    first = await about("bob")
    assert await about("bob") == first
    assert (await refusal(about("nobody"))).reason == "USER_NOT_FOUND"
    assert "user_id" in (await refusal(about("ann"))).fields
    assert "category" in (await refusal(about("bob", 0))).fields
    [report] = await moderator.reports()
    assert not report.HasField("evidence")


async def test_reports_are_limited(channel: grpc.aio.Channel, verify: Verify) -> None:
    ann = person(channel, verify, "ann")
    for number in range(20):
        await ann.report(report_pb2.ReportRequest(user_id=f"user{number}", category=ABUSE))
    refused = await refusal(ann.report(report_pb2.ReportRequest(user_id="more", category=ABUSE)))
    assert refused.reason == "LIMIT_REACHED"
    assert refused.retry_seconds > 0


async def test_the_same_report_twenty_times_at_once_is_one(
    channel: grpc.aio.Channel, verify: Verify, moderator: Moderator
) -> None:
    ann = person(channel, verify, "ann")
    request = report_pb2.ReportRequest(user_id="bob", category=ABUSE)
    assert len({*await asyncio.gather(*(ann.report(request) for _ in range(20)))}) == 1
    assert len(await moderator.reports()) == 1


async def test_a_message_is_removed_for_all_and_only_once(
    channel: grpc.aio.Channel, verify: Verify, moderator: Moderator
) -> None:
    ann, bob = (person(channel, verify, name) for name in ("ann", "bob"))
    id = (await bob.open("ann")).conversation_id
    await bob.send(id, "你这个笨蛋", "1")
    first = await moderator.delete(id, 1)
    assert await moderator.delete(id, 1) == first
    for one in (ann, bob):
        page = await one.page(id)
        assert page.messages[0].removed.reason == message_pb2.REMOVED_REASON_MODERATED
        assert "笨蛋" not in str(page)
    for place in ((id, 99), (id, first), ("nowhere", 1)):
        assert (await refusal(moderator.delete(*place))).reason == "MESSAGE_NOT_FOUND"


async def test_an_announcement_comes_from_a_bot_to_everybody_once(
    channel: grpc.aio.Channel, verify: Verify, moderator: Moderator
) -> None:
    users = [f"user{number:03d}" for number in range(450)]
    verify.users.extend([*users, "office"])
    verify.policies["office"] = Policy(frozenset((1,)), False, False, is_bot=True)
    begun = await moderator.announce("今晚维护", "office", "a1")
    assert (await moderator.announce("今晚维护", "office", "a1")) == begun
    refused = await refusal(moderator.announce("other words", "office", "a1"))
    assert refused.reason == "CLIENT_ANNOUNCEMENT_ID_REUSED"
    assert (await refusal(moderator.announce("x", "ann", "a2"))).reason == "SENDER_NOT_A_BOT"
    assert (await refusal(moderator.announce("x", "nobody", "a2"))).reason == "USER_NOT_FOUND"
    done = await moderator.finished(begun.announcement_id)
    assert done.told + done.refused == done.total == len(verify.users) - 1
    for name in (users[0], users[199], users[200], users[-1]):
        one = person(channel, verify, name)
        [conversation] = await one.conversations()
        page = await one.page(conversation.conversation_id)
        assert [(it.sender_id, it.text) for it in page.messages] == [("office", "今晚维护")]


async def test_users_and_strangers_are_no_moderators(
    channel: grpc.aio.Channel, verify: Verify, moderator: Moderator
) -> None:
    for key in (verify.token("ann"), new_key(), ""):
        stranger = Moderator(channel, key)
        for call in (
            stranger.reports(),
            stranger.delete("c", 1),
            stranger.announce("x", "ann", "1"),
            stranger.call("ListAudit", moderation_pb2.ListAuditRequest()),
        ):
            refused = await refusal(call)
            assert refused.code is grpc.StatusCode.UNAUTHENTICATED
    entries = (await moderator.call("ListAudit", moderation_pb2.ListAuditRequest())).entries
    assert [it.outcome for it in entries[1:]] == ["UNAUTHENTICATED"] * 12
