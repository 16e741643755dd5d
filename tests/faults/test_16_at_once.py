"""16: three devices of a person, and a friend, read, edit, recall and set things at once."""

import asyncio
import random
import time

import pytest

from hongyan_client.errors import ServerError
from hongyan_client.model import MessageKind, ReadMoved
from tests.faults.people import CANARY, Device, until
from tests.faults.report import trial
from tests.faults.scale import scaled

STEPS = scaled(40, 400)
SETTLE_SECONDS = 30
DEVICES = 3

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(scaled(150, 1200))]


class Cursors:
    """Watches what a device is told of cursors: none may go back."""

    def __init__(self, device: Device) -> None:
        self._events = device.client.events()
        self.backwards = 0
        self._at: dict[str, int] = {}
        self.task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        async for event in self._events:
            if isinstance(event, ReadMoved):
                self.backwards += event.read_seq < self._at.get(event.user_id, 0)
                self._at[event.user_id] = event.read_seq


async def act(device: Device, conversation_id: str, chance: random.Random) -> int:
    """Does one thing of many; returns 1 when the server refused it, as it may."""
    client = device.client
    shown = await client.history(conversation_id, limit=30)
    texts = [it for it in shown if it.kind is MessageKind.TEXT]
    own = [it for it in texts if it.sender_id == client.user_id]
    choice = chance.choice(("text", "edit", "recall", "react", "read", "set", "hide", "text"))
    try:
        if choice == "text" or not own:
            await device.send(conversation_id, f"{CANARY} {chance.random()} 你好")
        elif choice == "edit":
            entry = await client.edit(
                conversation_id, chance.choice(own).seq, f"改 {chance.random()}"
            )
            await client.settled(entry.client_message_id, 60)
        elif choice == "recall":
            entry = await client.recall(conversation_id, chance.choice(own).seq)
            await client.settled(entry.client_message_id, 60)
        elif choice == "react":
            entry = await client.react(
                conversation_id,
                chance.choice(texts).seq,
                chance.choice("👍❤😀"),
                removed=chance.random() < 0.3,
            )
            await client.settled(entry.client_message_id, 60)
        elif choice == "read":
            client.mark_read(conversation_id, chance.choice(texts).seq)
        elif choice == "set":
            await client.update_settings(
                conversation_id, pinned=chance.random() < 0.5, draft=f"{chance.random()}"
            )
        else:
            await client.hide(conversation_id, [chance.choice(texts).seq])
    except ServerError:
        return 1  # such as an edit of what another device has taken back
    return 0


def looks(device: Device, conversation_id: str) -> object:
    """Returns all that a person would see of a conversation on a device."""
    found = device.client.conversation(conversation_id)
    local = device.client._open().cache
    assert found is not None
    return (
        [
            (
                it.seq,
                it.kind,
                it.removed,
                it.text,
                sorted((r.emoji, sorted(r.user_ids)) for r in it.reactions),
            )
            for it in local.messages(conversation_id, 2**62, 10_000)
        ],
        found.settings,
        found.last_seq,
        found.unread_count,
        sorted((it.user_id, it.read_seq) for it in found.members),
    )


async def test_three_devices_at_once(town):
    with trial("16", f"{DEVICES} devices and a friend, {STEPS} acts each at once") as record:
        ling, bo, conversation_id = await town.pair("ling", "bo")
        devices = [ling, *[await town.second_device(ling) for _ in range(DEVICES - 1)]]
        for device in devices[1:]:
            await device.client.open_direct(bo.client.user_id)
        watches = [Cursors(device) for device in (*devices, bo)]

        async def play(device: Device, seed: int) -> int:
            chance = random.Random(seed)
            refused = 0
            for step in range(STEPS):
                refused += await act(device, conversation_id, chance)
                if step == STEPS // 2 and seed == 1:
                    await device.restart()
            return refused

        refused = await asyncio.gather(*(play(one, n) for n, one in enumerate((*devices, bo))))
        for device in (*devices, bo):
            await until(lambda device=device: not device.client.pending(), "all is sent")
        began = time.monotonic()
        await until(
            lambda: all(
                looks(one, conversation_id) == looks(devices[0], conversation_id) for one in devices
            ),
            "the same on all devices",
            SETTLE_SECONDS,
        )
        record.figures["the same after, seconds (≤ 3)"] = round(time.monotonic() - began, 2)
        record.figures["refused acts"] = sum(refused)
        record.faults = 1
        record.messages = record.acked = devices[0].client.conversation(conversation_id).last_seq
        # And a device that was never there sees the same.
        fresh = await town.second_device(ling)
        await fresh.client.history(conversation_id, limit=10_000)
        assert looks(fresh, conversation_id) == looks(devices[0], conversation_id)
        for watch in watches:
            watch.task.cancel()
            assert watch.backwards == 0
