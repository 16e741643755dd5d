"""Devices that come, go and are cut in the middle: nothing is missing, nothing is there twice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx
import pytest

from hongyan_client.model import ConnectionState, Message
from tests.faults.people import Device, Town, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Wire:
    """A way to the gateway that can be cut like a cable: no good-bye for either side."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname, parts.port)
        self._open: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}
        self._server: asyncio.Server | None = None
        self.address = ""
        self.cuts = 0

    @asynccontextmanager
    async def laid(self) -> AsyncIterator["Wire"]:
        """Listens on a port of its own."""
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.address = f"http://{host}:{port}"
        try:
            yield self
        finally:
            self.take_down()
            await asyncio.gather(*self._open, return_exceptions=True)
            await self._server.wait_closed()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._open[task] = [writer]
        try:
            there_reader, there_writer = await asyncio.open_connection(*self._target)
            self._open[task].append(there_writer)
            with contextlib.suppress(OSError):
                await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
        finally:
            for end in self._open.pop(task):
                end.transport.abort()

    def cut(self) -> None:
        """Cuts every connection; new ones are made again at once."""
        self.cuts += bool(self._open)
        for ends in self._open.values():
            for end in ends:
                end.transport.abort()

    def take_down(self) -> None:
        """Cuts every connection for good."""
        assert self._server
        self._server.close()
        self.cut()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65_536):
        target.write(data)
        await target.drain()
    target.transport.abort()


async def say(device: Device, conversation_id: str, *texts: str) -> list[Message]:
    """Sends texts, all at once, and waits until they are stored."""
    sent = [await device.send(conversation_id, text) for text in texts]
    return [await device.client.settled(one.client_message_id, 60) for one in sent]


async def test_people_whose_cable_is_cut_again_and_again_miss_nothing(town: Town):
    ling, bo, conversation_id = await town.pair("ling", "bo")
    await asyncio.gather(ling.close(), bo.close())
    async with (
        Wire(town.system.address).laid() as wire,
        # The same two devices, each behind the cable now.
        Device(wire, ling.client.home, "ling", town.history) as one,
        Device(wire, bo.client.home, "bo", town.history) as other,
    ):
        await asyncio.gather(one.start(), other.start())

        async def write(device: Device) -> None:
            for number in range(1, 61):
                await say(device, conversation_id, f"{device.name} 第 {number} 条 🐦")

        async def cut() -> None:
            # In the middle of everything, and only while things go on.
            for goal in (7, 23, 41, 62, 88):
                await until(
                    lambda goal=goal: len(one.texts(conversation_id)) >= goal, f"{goal} messages"
                )
                wire.cut()

        await asyncio.gather(write(one), write(other), cut())
        for device in (one, other):
            await until(lambda device=device: len(device.texts(conversation_id)) >= 120, "all 120")
        talk = one.texts(conversation_id)
        assert other.texts(conversation_id) == talk
        assert len(talk) == 120
        for name in ("ling", "bo"):
            own = [text for text in talk if text.startswith(name)]
            assert own == [f"{name} 第 {number} 条 🐦" for number in range(1, 61)]
        assert wire.cuts == 5
        assert town.history.failed == []


async def test_what_is_written_without_a_connection_is_sent_in_order_when_it_is_back(town: Town):
    ling, bo, conversation_id = await town.pair("ling", "bo")
    home = ling.client.home
    await ling.close()
    away = town.device("ling", home=home)
    texts = [f"离线 {number}" for number in range(1, 11)]
    for text in texts:
        await away.send(conversation_id, text)
    assert [one.text for one in away.client.pending(conversation_id)] == texts
    await away.start()
    await until(lambda: bo.texts(conversation_id) == texts, "all of it, in order, once")
    await until(lambda: away.texts(conversation_id) == texts, "on the own device too")
    assert away.client.pending(conversation_id) == []


async def test_a_new_device_finds_every_conversation_the_latest_active_first(town: Town):
    ling = await town.newcomer("ling")
    ids = []
    for name in ("bo", "chen", "dai"):
        friend = await town.newcomer(name)
        conversation = await friend.client.open_direct(ling.client.user_id)
        ids.append(conversation.conversation_id)
        await say(friend, conversation.conversation_id, f"我是{name}", "在吗")
    tablet = await town.second_device(ling)
    listed = await tablet.client.conversations()
    assert [one.conversation_id for one in listed] == ids[::-1]
    assert [one.unread_count for one in listed] == [2, 2, 2]
    assert {one.last_message.text for one in listed if one.last_message} == {"在吗"}


async def test_own_messages_are_never_unread_and_reading_counts_down(town: Town):
    ling, bo, conversation_id = await town.pair("ling", "bo")
    await say(ling, conversation_id, "一", "二", "三")
    await say(bo, conversation_id, "四")
    await until(lambda: len(bo.texts(conversation_id)) == 4, "all arrive")

    def unread(device: Device) -> int:
        seen = device.client.conversation(conversation_id)
        return seen.unread_count if seen else -1

    assert unread(bo) == 3
    bo.client.mark_read(conversation_id, 2)
    assert unread(bo) == 1
    bo.client.mark_read(conversation_id, 1)
    assert unread(bo) == 1
    # The server counts the same; a new device asks it.
    fresh = await town.second_device(bo, start=False)

    async with asyncio.timeout(10):
        while (await fresh.client.conversations())[0].unread_count != 1:
            await asyncio.sleep(0.05)
    await until(lambda: unread(ling) == 1, "the other side has one to read")
    (seen,) = await fresh.client.conversations()
    assert seen.read_seq(bo.client.user_id) == 2


async def test_pages_of_history_join_without_gap_or_overlap(town: Town):
    ling, bo, conversation_id = await town.pair("ling", "bo")
    texts = [f"m{number}" for number in range(1, 76)]
    await say(ling, conversation_id, *texts)
    for limit in (1, 7, 75, 200):
        tablet = await town.second_device(bo, start=False)
        seqs: list[int] = []
        before = None
        while page := await tablet.client.history(conversation_id, before, limit):
            assert len(page) <= limit
            seqs = [one.seq for one in page] + seqs
            before = page[0].seq
        assert seqs == list(range(1, 76)), limit
        await tablet.close()


async def test_a_person_is_online_until_the_last_device_is_gone(town: Town):
    ling, bo, _ = await town.pair("ling", "bo")
    tablet = await town.second_device(bo)
    token = await ling.client.account.access_token()
    async with httpx.AsyncClient(base_url=town.system.address, trust_env=False) as rest:

        async def state() -> str:
            answer = await rest.get(
                "/v1/presence",
                params={"user_ids": bo.client.user_id},
                headers={"authorization": f"Bearer {token}"},
            )
            return str(answer.json()["presences"][0]["state"]).removeprefix("PRESENCE_STATE_")

        async def becomes(wanted: str) -> None:
            async with asyncio.timeout(10):
                while await state() != wanted:
                    await asyncio.sleep(0.05)

        await becomes("ONLINE")
        await bo.close()
        assert await state() == "ONLINE"
        # The last one is cut off without a word, and does not come back.
        await tablet.close()
        async with (
            Wire(town.system.address).laid() as wire,
            Device(wire, tablet.client.home, tablet.name, town.history) as behind,
        ):
            await behind.start()
            await becomes("ONLINE")
            wire.take_down()
            await becomes("OFFLINE")


async def test_a_client_shows_when_its_connection_is_away_and_back(town: Town):
    ling = await town.newcomer("ling", start=False)
    async with (
        Wire(town.system.address).laid() as wire,
        Device(wire, ling.client.home, ling.name, town.history) as behind,
    ):
        await behind.start()
        states: list[ConnectionState] = []
        events = behind.client.events()

        async def listen() -> None:
            async for event in events:
                if hasattr(event, "state"):
                    states.append(event.state)

        listener = asyncio.create_task(listen())
        wire.cut()
        await until(
            lambda: (
                states[:3]
                == [ConnectionState.OFFLINE, ConnectionState.CONNECTING, ConnectionState.ONLINE]
            ),
            "away, on the way, back",
        )
        await behind.client.caught_up(10)
        await behind.client.close()
        await listener
