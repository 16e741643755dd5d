"""Whatever the network does to pushes, each message is shown once and in the order of seq."""

import asyncio
import tempfile
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from hongyan.chat.v1 import conversation_pb2, message_pb2
from hongyan.gate.v1 import gate_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from hongyan_client.cache import Cache
from hongyan_client.errors import PermissionDenied, Unavailable
from hongyan_client.model import Event, HistoryReset, Message, MessageAdded
from hongyan_client.sync import Page, Sync

C = "c1"


def message(seq: int) -> Message:
    when = datetime.fromtimestamp(1_700_000_000 + seq, UTC)
    return Message(C, seq, "you", f"m{seq}", f"text {seq}", when)


def difference(seqs: list[int], last_seq: int, *, joined: bool) -> gate_pb2.ConversationDifference:
    described = conversation_pb2.Conversation(
        conversation_id=C, kind=conversation_pb2.CONVERSATION_KIND_DIRECT, last_seq=last_seq
    )
    messages = [
        message_pb2.Message(
            conversation_id=C,
            seq=seq,
            sender_id="you",
            client_message_id=f"m{seq}",
            text=f"text {seq}",
            created_at=Timestamp(seconds=1_700_000_000 + seq),
        )
        for seq in seqs
    ]
    return gate_pb2.ConversationDifference(conversation=described, messages=messages, joined=joined)


class Device:
    """A Sync over a real cache, with a log that can be listed."""

    def __init__(self, home: Path, tasks: asyncio.TaskGroup, gap_seconds: float = 0.01) -> None:
        self.cache = Cache(home / "cache.sqlite", "me")
        self.log_end = 0
        self.lists = 0
        self.failures: list[Exception] = []
        self.events: list[Event] = []
        self.syncs = 0

        def spawn(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
            return tasks.create_task(work)

        self.sync = Sync(
            self.cache,
            self._list,
            self.events.append,
            spawn,
            now_micros=lambda: 0,
            need_sync=self._need_sync,
            gap_seconds=gap_seconds,
            jitter=lambda: 0.0,
        )

    def _need_sync(self) -> None:
        self.syncs += 1

    async def _list(self, conversation_id: str, after_seq: int, limit: int) -> Page:
        self.lists += 1
        if self.failures:
            raise self.failures.pop(0)
        first = after_seq + 1 if after_seq >= 0 else max(1, self.log_end - limit + 1)
        end = min(self.log_end, first + limit - 1)
        return Page([message(seq) for seq in range(first, end + 1)], self.log_end)

    def push(self, seq: int) -> None:
        self.log_end = max(self.log_end, seq)
        with self.cache.transaction():
            self.sync.apply_message(message(seq))

    def differ(self, seqs: list[int], last_seq: int, *, joined: bool) -> None:
        self.log_end = max(self.log_end, last_seq)
        with self.cache.transaction():
            self.sync.apply_difference(difference(seqs, last_seq, joined=joined))

    def shown(self) -> list[int]:
        return [it.message.seq for it in self.events if isinstance(it, MessageAdded)]

    async def whole(self) -> None:
        async with asyncio.timeout(5):
            await self.sync.whole.wait()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=40),
    st.lists(st.integers(0, 39), max_size=5),
)
def test_lost_doubled_and_shuffled_pushes_are_shown_once_in_order(
    pushes: list[int], pauses: list[int]
) -> None:
    async def play() -> None:
        with tempfile.TemporaryDirectory() as home:
            async with asyncio.TaskGroup() as tasks:
                device = Device(Path(home), tasks, gap_seconds=0.001)
                device.differ([], 0, joined=False)
                for number, seq in enumerate(pushes):
                    device.push(seq)
                    if number in pauses:
                        await asyncio.sleep(0.002)
                await device.whole()
            assert device.shown() == list(range(1, max(pushes) + 1))
            kept = device.cache.messages(C, 99, 99)
            assert [it.seq for it in kept] == device.shown()
            device.cache.close()

    asyncio.run(play())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=12))
def test_cuts_and_differences_between_pushes_change_nothing(steps: list[tuple[int, bool]]) -> None:
    """Each step: the log grows by some; then a push of its end, or a reconnect's difference."""

    async def play() -> None:
        with tempfile.TemporaryDirectory() as home:
            async with asyncio.TaskGroup() as tasks:
                device = Device(Path(home), tasks, gap_seconds=0.001)
                device.differ([], 0, joined=False)
                end = 0
                for growth, cut in steps:
                    end += growth
                    window = device.cache.window(C)
                    assert window is not None
                    if not cut and growth:
                        device.push(end)
                    elif cut and end - window.head_seq > 20:
                        device.differ(list(range(end - 9, end + 1)), end, joined=False)
                    elif cut:
                        page = list(range(window.head_seq + 1, end + 1))[:7]
                        device.differ(page, end, joined=True)
                await device.whole()
            shown = device.shown()
            assert shown == sorted(set(shown))
            window = device.cache.window(C)
            assert window is not None
            assert window.head_seq == end
            kept = [it.seq for it in device.cache.messages(C, 10**6, 10**6)]
            assert kept == list(range(window.first_seq, end + 1))
            device.cache.close()

    asyncio.run(play())


async def test_a_gap_waits_before_it_is_pulled(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        device = Device(tmp_path, tasks, gap_seconds=5)
        device.differ([], 0, joined=False)
        device.push(2)
        assert device.shown() == []
        device.push(1)
        await device.whole()
    assert device.shown() == [1, 2]
    assert device.lists == 0


async def test_a_pull_is_tried_again_until_it_works(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        device = Device(tmp_path, tasks)
        device.failures = [Unavailable(14), Unavailable(14)]
        device.differ([], 0, joined=False)
        device.push(3)
        await device.whole()
    assert device.shown() == [1, 2, 3]


async def test_a_pull_that_is_denied_is_given_up(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        device = Device(tmp_path, tasks)
        device.failures = [PermissionDenied(7)]
        device.differ([], 0, joined=False)
        device.push(3)
        await device.whole()
    assert device.shown() == []


async def test_a_long_difference_is_completed_by_listing(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        device = Device(tmp_path, tasks)
        device.differ([], 0, joined=False)
        device.differ([1, 2, 3], 700, joined=True)
        await device.whole()
    assert device.shown() == list(range(1, 701))
    assert device.lists == 4


async def test_too_far_behind_the_window_starts_anew(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        device = Device(tmp_path, tasks)
        device.differ([1, 2], 2, joined=True)
        device.differ([98, 99, 100], 100, joined=False)
        await device.whole()
    assert [it.first_seq for it in device.events if isinstance(it, HistoryReset)] == [98]
    assert device.shown() == [1, 2, 98, 99, 100]


async def test_a_push_of_an_unknown_conversation_asks_for_it(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        device = Device(tmp_path, tasks)
        device.push(7)
        assert device.syncs == 1
        device.differ([5, 6, 7], 7, joined=False)
        await device.whole()
    assert device.shown() == [5, 6, 7]


async def test_what_was_hidden_before_it_came_stays_hidden(tmp_path: Path) -> None:
    change = conversation_pb2.UserChange(version=1)
    change.hidden.conversation_id = C
    change.hidden.seqs.append(3)
    async with asyncio.TaskGroup() as tasks:
        device = Device(tmp_path, tasks)
        device.differ([], 0, joined=False)
        device.push(3)
        with device.cache.transaction():
            device.sync.apply_user_change(change)
        device.push(1)
        device.push(2)
        await device.whole()
    kept = device.cache.messages(C, 99, 99)
    assert [it.seq for it in kept] == [1, 2]
    device.cache.close()
