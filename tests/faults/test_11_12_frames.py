"""11, 12: on the way to a device acks get lost, and pushes come twice and in the wrong order."""

import random
from unittest.mock import patch

import pytest
from hongyan.gate.v1 import gate_pb2

from hongyan_client import connection, outbox
from hongyan_client.stream import Stream
from tests.faults.load import Load
from tests.faults.report import trial
from tests.faults.scale import scaled

LOST_SHARE = 0.2
MESSAGES = scaled(400, 5000)

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(scaled(120, 900))]


class Forgetful(Stream):
    """A stream that loses a fifth of the acks and of the pushes."""

    chance = random.Random(11)
    share = LOST_SHARE
    faults = 0

    async def receive(self) -> gate_pb2.ConnectResponse | None:
        frame = await super().receive()
        if frame is None:
            return None
        kept = [event for event in frame.events if not self._loses(event)]
        return gate_pb2.ConnectResponse(events=kept)

    def _loses(self, event: gate_pb2.ServerEvent) -> bool:
        kind = event.WhichOneof("event")
        lost = kind in ("send_ack", "message") and self.chance.random() < self.share
        Forgetful.faults += lost
        return lost


class Muddled(Stream):
    """A stream that brings pushes twice, and in another order, also over frames."""

    chance = random.Random(12)
    share = LOST_SHARE
    faults = 0

    async def receive(self) -> gate_pb2.ConnectResponse | None:
        frame = await super().receive()
        if frame is None:
            return None
        late = self.__dict__.setdefault("late", [])
        pushes = [event for event in frame.events if event.HasField("message")]
        others = [event for event in frame.events if not event.HasField("message")]
        now, kept_back = [*late, *pushes], []
        late.clear()
        for event in list(now):
            if self.chance.random() < self.share:
                now.append(event)
                Muddled.faults += 1
        if self.share and (len(now) > 1 or self.chance.random() < self.share):
            self.chance.shuffle(now)
            kept_back = now[:1]
            Muddled.faults += 1
        late.extend(kept_back)
        return gate_pb2.ConnectResponse(events=[*now[len(kept_back) :], *others])


@pytest.mark.parametrize(
    ("number", "what", "kind"),
    [
        ("11", "a fifth of the acks and pushes lost", Forgetful),
        ("12", "pushes doubled and reordered", Muddled),
    ],
)
async def test_what_goes_wrong_on_the_way(world, town, number, what, kind):
    kind.faults = 0
    with (
        trial(number, what) as record,
        patch.object(kind, "share", LOST_SHARE),
        patch.object(connection, "Stream", kind),
        patch.object(outbox, "ACK_SECONDS", 1.0),
    ):
        load = await Load(town, pairs=scaled(3, 6)).start()
        await load.progress(MESSAGES, scaled(90, 600))
        # What a lost push hides is found with the next thing that comes of its conversation.
        kind.share = 0
        await load.everybody_writes()
        await load.finish()
        record.faults = kind.faults
        assert record.faults > 0
        record.judge(town)
