"""Whatever happens on the way, a device ends with what the server has: entries, changes of the
account and cursors come in any order, twice or never, and the client is started anew in between."""

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from hongyan.chat.v1 import conversation_pb2, message_pb2
from hongyan.gate.v1 import gate_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from hongyan_client.cache import Cache
from hongyan_client.convert import to_message
from hongyan_client.model import Event, Message, MessageAdded, MessageKind
from hongyan_client.sync import Page, Sync

C = "c1"
ME, YOU = "me", "you"
SHOWN = (MessageKind.TEXT, MessageKind.PIN, MessageKind.REMOVED)
HIDEABLE = ("text", "removed")
RECALLED = message_pb2.Removed(reason=message_pb2.REMOVED_REASON_RECALLED)
HIDDEN = message_pb2.Removed(reason=message_pb2.REMOVED_REASON_HIDDEN)


@dataclass
class Server:
    """The truth, as simple as it can be said: a log as it was pushed, and as it reads now."""

    pushed: list[message_pb2.Message] = field(default_factory=list)
    now: list[message_pb2.Message] = field(default_factory=list)
    changes: list[conversation_pb2.UserChange] = field(default_factory=list)
    pins: list[int] = field(default_factory=list)
    settings: conversation_pb2.ConversationSettings = field(
        default_factory=conversation_pb2.ConversationSettings
    )
    hidden: set[int] = field(default_factory=set)
    read: dict[str, int] = field(default_factory=lambda: {ME: 0, YOU: 0})

    def append(self, sender: str, **content: Any) -> int:
        seq = len(self.pushed) + 1
        entry = message_pb2.Message(
            conversation_id=C,
            seq=seq,
            sender_id=sender,
            client_message_id=f"m{seq}",
            created_at=Timestamp(seconds=1_700_000_000 + seq),
            **content,
        )
        self.pushed.append(entry)
        reads = message_pb2.Message()
        reads.CopyFrom(entry)
        self.now.append(reads)
        return seq

    def text(self, sender: str) -> None:
        self.append(sender, text=f"text {len(self.pushed) + 1}")

    def _target(self, pick: int) -> message_pb2.Message | None:
        texts = [it for it in self.now if it.WhichOneof("content") == "text"]
        return texts[pick % len(texts)] if texts else None

    def edit(self, pick: int) -> None:
        if target := self._target(pick):
            text = f"edited by {len(self.pushed) + 1}"
            seq = self.append(target.sender_id, edit=message_pb2.Edit(seq=target.seq, text=text))
            for earlier in self.now[:-1]:
                if earlier.HasField("edit") and earlier.edit.seq == target.seq:
                    earlier.edit.text = ""
            target.text = text
            target.edited_at.seconds = 1_700_000_000 + seq

    def recall(self, pick: int) -> None:
        if target := self._target(pick):
            self.append(target.sender_id, recall=message_pb2.Recall(seq=target.seq))
            for earlier in self.now:
                if earlier.HasField("edit") and earlier.edit.seq == target.seq:
                    earlier.edit.text = ""
            self._take_away(target, RECALLED)

    def _take_away(self, target: message_pb2.Message, why: message_pb2.Removed) -> None:
        target.removed.CopyFrom(why)
        target.ClearField("reactions")
        target.ClearField("edited_at")
        self.pins = [seq for seq in self.pins if seq != target.seq]

    def react(self, sender: str, pick: int, removed: bool) -> None:
        if target := self._target(pick):
            self.append(
                sender, reaction=message_pb2.Reaction(seq=target.seq, emoji="👍", removed=removed)
            )
            users = [user for it in target.reactions for user in it.user_ids if user != sender]
            if not removed:
                before = [user for it in target.reactions for user in it.user_ids]
                users = before if sender in before else [*before, sender]
            target.ClearField("reactions")
            if users:
                target.reactions.add(emoji="👍", user_ids=users)

    def pin(self, pick: int, removed: bool) -> None:
        if target := self._target(pick):
            self.append(YOU, pin=message_pb2.Pin(seq=target.seq, removed=removed))
            self.pins = [seq for seq in self.pins if seq != target.seq]
            if not removed:
                self.pins.insert(0, target.seq)

    def draft(self, number: int) -> None:
        self.settings.draft = f"draft {number}"
        self.settings.pinned = not self.settings.pinned
        change = conversation_pb2.UserChange(version=len(self.changes) + 1)
        change.settings.conversation_id = C
        change.settings.settings.CopyFrom(self.settings)
        self.changes.append(change)

    def hide(self, pick: int) -> None:
        if self.now:
            seq = pick % len(self.now) + 1
            self.hidden.add(seq)
            change = conversation_pb2.UserChange(version=len(self.changes) + 1)
            change.hidden.conversation_id = C
            change.hidden.seqs.append(seq)
            self.changes.append(change)

    def move_read(self, user: str) -> None:
        self.read[user] = len(self.pushed)

    def reads(self, seq: int) -> message_pb2.Message:
        """An entry as the account reads it now."""
        # What did something to another message stays, or that one could not be right.
        if seq not in self.hidden or self.now[seq - 1].WhichOneof("content") not in HIDEABLE:
            return self.now[seq - 1]
        gone = message_pb2.Message()
        gone.CopyFrom(self.now[seq - 1])
        gone.removed.CopyFrom(HIDDEN)
        gone.ClearField("reactions")
        gone.ClearField("edited_at")
        return gone

    def unread(self) -> int:
        return sum(
            it.sender_id != ME and it.WhichOneof("content") == "text" and it.seq not in self.hidden
            for it in self.now[self.read[ME] :]
        )

    def difference(self, head: int, version: int) -> gate_pb2.Difference:
        described = conversation_pb2.Conversation(
            conversation_id=C,
            kind=conversation_pb2.CONVERSATION_KIND_DIRECT,
            last_seq=len(self.now),
            settings=self.settings,
            pinned_seqs=self.pins,
            unread_count=self.unread(),
        )
        for user, seq in self.read.items():
            described.members.add(user_id=user, read_seq=seq)
        answer = gate_pb2.Difference(user_changes=self.changes[version:])
        # At most three: the rest is listed.
        messages = [self.reads(seq) for seq in range(head + 1, len(self.now) + 1)][:3]
        answer.conversations.add(conversation=described, messages=messages, joined=True)
        return answer


class Device:
    """A client's Sync, which can be started anew on the same cache."""

    def __init__(self, home: Path, server: Server, tasks: asyncio.TaskGroup) -> None:
        self._home = home
        self._server = server
        self._tasks = tasks
        self._running: list[asyncio.Task[None]] = []
        self.shown: list[int] = []
        self.start()

    def start(self) -> None:
        self.cache = Cache(self._home / "cache.sqlite", ME)
        self.sync = Sync(
            self.cache,
            self._list,
            self._note,
            self._spawn,
            now_micros=lambda: 1_800_000_000_000_000,
            need_sync=lambda: None,
            gap_seconds=0.001,
            jitter=lambda: 0.0,
        )
        self.sync.hello()

    async def restart(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()
        self.cache.close()
        self.start()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._tasks.create_task(work)
        self._running.append(task)
        return task

    def _note(self, event: Event) -> None:
        if isinstance(event, MessageAdded):
            self.shown.append(event.message.seq)

    async def _list(self, conversation_id: str, after_seq: int, limit: int) -> Page:
        await asyncio.sleep(0)
        end = len(self._server.now)
        first = after_seq + 1 if after_seq >= 0 else max(1, end - limit + 1)
        page = [to_message(self._server.reads(seq)) for seq in range(first, end + 1)][:limit]
        return Page(page, end)

    def push(self, seq: int) -> None:
        with self.cache.transaction():
            self.sync.apply_message(to_message(self._server.pushed[seq - 1]))

    def change(self, version: int) -> None:
        with self.cache.transaction():
            self.sync.apply_user_change(self._server.changes[version - 1])

    def read_moved(self, user: str) -> None:
        moved = gate_pb2.ReadMoved(
            conversation_id=C, user_id=user, read_seq=self._server.read[user]
        )
        with self.cache.transaction():
            self.sync.apply_read_moved(moved)

    def differ(self) -> None:
        window = self.cache.window(C)
        version, _ = self.sync.known()
        answer = self._server.difference(window.head_seq if window else 0, version)
        with self.cache.transaction():
            for change in answer.user_changes:
                self.sync.apply_user_change(change)
            for conversation in answer.conversations:
                self.sync.apply_difference(conversation)

    async def whole(self) -> None:
        async with asyncio.timeout(10):
            await self.sync.whole.wait()

    def kept(self) -> list[Message]:
        return self.cache.messages(C, 10**6, 10**6)


number = st.integers(0, 30)
flag = st.booleans()
user = st.sampled_from((ME, YOU))
ACTS = st.one_of(
    st.tuples(st.just("text"), user),
    st.tuples(st.just("edit"), number),
    st.tuples(st.just("recall"), number),
    st.tuples(st.just("react"), user, number, flag),
    st.tuples(st.just("pin"), number, flag),
    st.tuples(st.just("draft"), number),
    st.tuples(st.just("hide"), number),
    st.tuples(st.just("move_read"), user),
)
NEWS = st.one_of(
    st.tuples(st.just("push"), number),
    st.tuples(st.just("change"), number),
    st.tuples(st.just("read_moved"), user),
    st.tuples(st.just("differ")),
    st.tuples(st.just("restart")),
    st.tuples(st.just("pause")),
)


async def deliver(device: Device, server: Server, news: tuple[Any, ...]) -> None:
    match news:
        case ("push", pick) if server.pushed:
            device.push(pick % len(server.pushed) + 1)
        case ("change", pick) if server.changes:
            device.change(pick % len(server.changes) + 1)
        case ("read_moved", who):
            device.read_moved(who)
        case ("differ",):
            device.differ()
        case ("restart",):
            await device.restart()
        case ("pause",):
            await asyncio.sleep(0.002)


def plain(message: Message) -> tuple[Any, ...]:
    """What of a message has to be the same however it came."""
    reactions = tuple((it.emoji, tuple(sorted(it.user_ids))) for it in message.reactions)
    edited = message.edited_at is not None
    return message.seq, message.kind, message.text, message.removed, reactions, edited


@settings(max_examples=120, deadline=None)
@given(st.lists(st.one_of(ACTS, NEWS), min_size=1, max_size=40))
def test_a_device_ends_with_what_the_server_has(steps: list[tuple[Any, ...]]) -> None:
    async def play() -> None:
        with tempfile.TemporaryDirectory() as home:
            async with asyncio.TaskGroup() as tasks:
                server = Server()
                device = Device(Path(home), server, tasks)
                device.differ()
                for step in steps:
                    if hasattr(server, step[0]):
                        getattr(server, step[0])(*step[1:])
                    else:
                        await deliver(device, server, step)
                device.differ()
                await device.whole()
            kept = device.kept()
            wanted = [to_message(server.reads(seq)) for seq in range(1, len(server.now) + 1)]
            shown = [it for it in wanted if it.kind in SHOWN and it.removed != "hidden"]
            assert [plain(it) for it in kept] == [plain(it) for it in shown]
            window = device.cache.window(C)
            assert window is not None
            assert (window.first_seq, window.head_seq) == (1, len(server.now))
            known = device.cache.conversation(C)
            assert known is not None
            assert known.unread_count == server.unread()
            assert (known.settings.draft, known.settings.pinned) == (
                server.settings.draft,
                server.settings.pinned,
            )
            assert list(known.pinned_seqs) == server.pins
            assert {it.user_id: it.read_seq for it in known.members} == server.read
            device.cache.close()

    asyncio.run(play())
