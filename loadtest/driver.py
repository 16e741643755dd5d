"""The load itself, in a process of its own: `python -m loadtest.driver` reads a plan on stdin.

It writes one JSON object a line: {"event": "begin"} when everybody is connected,
{"event": "end", …figures} when the load is done, so that the reader can take CPU times between.
"""

import asyncio
import json
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import uvloop
from hongyan.chat.v1 import conversation_grpc, conversation_pb2, message_grpc, message_pb2
from hongyan.gate.v1 import gate_pb2

from hongyan_client.channel import Channel
from hongyan_client.stream import Stream

CONNECTS_AT_ONCE = 40
LAST_SECONDS = 10.0
RECEIPT_SECONDS = 0.3

Plan = dict[str, Any]


@dataclass(slots=True)
class Pair:
    """Two users and their conversation."""

    conversation_id: str
    sender: Stream
    receiver: Stream
    seqs: list[int] = field(default_factory=list)


def say(event: str, **figures: Any) -> None:
    """Writes a line for the reader, with the CPU time that this process has used so far."""
    line = {"event": event, "client_cpu_seconds": time.process_time(), **figures}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def connect(address: str, token: str) -> Stream:
    """Opens a stream on a connection of its own and waits until it has caught up."""
    stream = Stream(Channel(address), token)
    await stream.open(gate_pb2.Sync())
    while (frame := await stream.receive()) is not None:
        if any(event.HasField("caught_up") for event in frame.events):
            return stream
    raise ConnectionError("the stream ended before it had caught up")


async def open_direct(address: str, token: str, user_id: str) -> str:
    """Returns the direct conversation with a user."""
    channel = Channel(address)
    service = conversation_grpc.ConversationServiceStub(channel.grpc)
    request = conversation_pb2.OpenDirectRequest(user_id=user_id)
    answer = await channel.call(service.OpenDirect, request, token=token)
    channel.close()
    return str(answer.conversation.conversation_id)


async def connect_pairs(plan: Plan) -> list[Pair]:
    """Connects both users of each pair."""
    users = plan["users"]
    turn = asyncio.Semaphore(CONNECTS_AT_ONCE)

    async def one(place: int) -> Pair:
        sender, receiver = users[2 * place], users[2 * place + 1]
        async with turn:
            conversation_id = await open_direct(
                plan["address"], sender["token"], receiver["user_id"]
            )
            return Pair(
                conversation_id,
                await connect(plan["address"], sender["token"]),
                await connect(plan["address"], receiver["token"]),
            )

    return list(await asyncio.gather(*(one(place) for place in range(len(users) // 2))))


def message(conversation_id: str, client_message_id: str, text: str) -> gate_pb2.ClientEvent:
    """Returns the event that sends a text."""
    send = message_pb2.SendRequest(
        conversation_id=conversation_id, client_message_id=client_message_id, text=text
    )
    return gate_pb2.ClientEvent(send=send)


async def closed_loop(plan: Plan) -> dict[str, Any]:
    """Each pair keeps `window` messages in flight: a new one for each ack."""
    pairs, text = await connect_pairs(plan), "x" * plan["bytes"]
    refused = 0

    async def send(pair: Pair, until: float) -> int:
        nonlocal refused
        for _ in range(plan["window"]):
            pair.sender.send(message(pair.conversation_id, uuid.uuid4().hex, text))
        open_sends, acked = plan["window"], 0
        while open_sends and (frame := await pair.sender.receive()) is not None:
            for event in frame.events:
                kind = event.WhichOneof("event")
                if kind == "send_ack":
                    acked += 1
                elif kind == "send_refused":
                    refused += 1
                else:
                    continue
                open_sends -= 1
                if time.perf_counter() < until:
                    pair.sender.send(message(pair.conversation_id, uuid.uuid4().hex, text))
                    open_sends += 1
        return acked

    readers = [asyncio.create_task(receive(pair)) for pair in pairs]
    say("begin")
    started = time.perf_counter()
    until = started + plan["seconds"]
    acked = sum(await asyncio.gather(*(send(pair, until) for pair in pairs)))
    await received(pairs, acked)
    seconds = time.perf_counter() - started
    for reader in readers:
        reader.cancel()
    return {**counts(pairs, acked, refused), "seconds": seconds}


async def receive(
    pair: Pair, on_message: Callable[[str], None] | None = None, *, receipts: bool = False
) -> None:
    """Notes what the receiver of a pair gets, until cancelled; it may say what it has received."""
    said_at = 0.0
    while (frame := await pair.receiver.receive()) is not None:
        for event in frame.events:
            if event.HasField("message"):
                pair.seqs.append(event.message.seq)
                if on_message:
                    on_message(event.message.client_message_id)
        # As a device does: many in one, every 300 ms.
        if receipts and pair.seqs and time.perf_counter() - said_at >= RECEIPT_SECONDS:
            said_at = time.perf_counter()
            cursor = gate_pb2.Received(conversation_id=pair.conversation_id, seq=pair.seqs[-1])
            pair.receiver.send(gate_pb2.ClientEvent(received=cursor))


async def received(pairs: list[Pair], acked: int) -> None:
    """Waits until every acknowledged message has arrived."""
    async with asyncio.timeout(LAST_SECONDS):
        while sum(len(pair.seqs) for pair in pairs) < acked:
            await asyncio.sleep(0.01)


def counts(pairs: list[Pair], acked: int, refused: int) -> dict[str, Any]:
    """Returns what arrived, and whether it arrived whole, once and in order."""
    wrong = sum(
        pair.seqs != list(range(pair.seqs[0], pair.seqs[0] + len(pair.seqs)))
        for pair in pairs
        if pair.seqs
    )
    delivered = sum(len(pair.seqs) for pair in pairs)
    return {"acked": acked, "delivered": delivered, "refused": refused, "pairs_wrong": wrong}


async def open_loop(plan: Plan) -> dict[str, Any]:
    """Sends `rate` messages a second at fixed times, and measures from those times."""
    pairs, text = await connect_pairs(plan), "x" * plan["bytes"]
    total = int(plan["rate"] * plan["seconds"])
    scheduled: dict[str, float] = {}
    ack_seconds: list[float] = []
    receive_seconds: list[float] = []

    def on_message(client_message_id: str) -> None:
        receive_seconds.append(time.perf_counter() - scheduled[client_message_id])

    async def acks(pair: Pair) -> None:
        while (frame := await pair.sender.receive()) is not None:
            for event in frame.events:
                if event.HasField("send_ack"):
                    sent = scheduled[event.send_ack.client_message_id]
                    ack_seconds.append(time.perf_counter() - sent)

    receipts = plan.get("receipts", False)
    tasks = [asyncio.create_task(receive(pair, on_message, receipts=receipts)) for pair in pairs]
    tasks += [asyncio.create_task(acks(pair)) for pair in pairs]
    say("begin")
    started = time.perf_counter()
    for number in range(total):
        due = started + number / plan["rate"]
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        client_message_id = uuid.uuid4().hex
        scheduled[client_message_id] = due
        pair = pairs[number % len(pairs)]
        pair.sender.send(message(pair.conversation_id, client_message_id, text))
    await received(pairs, total)
    for task in tasks:
        task.cancel()
    return {
        **counts(pairs, len(ack_seconds), 0),
        "seconds": time.perf_counter() - started,
        "ack_ms": percentiles(ack_seconds),
        "receive_ms": percentiles(receive_seconds),
    }


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Returns p50 and p99 in milliseconds."""
    ordered = sorted(seconds)
    return {
        name: 1000 * ordered[min(int(len(ordered) * part), len(ordered) - 1)]
        for name, part in (("p50", 0.5), ("p99", 0.99))
    }


async def connect_all(plan: Plan) -> list[Stream]:
    """Connects every user."""
    turn = asyncio.Semaphore(CONNECTS_AT_ONCE)

    async def one(user: dict[str, str]) -> Stream:
        async with turn:
            return await connect(plan["address"], user["token"])

    return await asyncio.gather(*(one(user) for user in plan["users"]))


async def idle(plan: Plan) -> dict[str, Any]:
    """Holds streams open that say nothing, until stdin ends."""
    streams = await connect_all(plan)
    say("begin")
    await asyncio.to_thread(sys.stdin.read)
    return {"streams": len(streams)}


async def room(plan: Plan) -> dict[str, Any]:
    """One member keeps `window` messages in flight in a room in which all others listen."""
    sender, *listeners = await connect_all(plan)
    conversation_id, text = plan["room"], "x" * plan["bytes"]
    for listener in listeners[: plan["focused"]]:
        focus = gate_pb2.Focus(conversation_id=conversation_id)
        listener.send(gate_pb2.ClientEvent(focus=focus))
    seqs: list[list[int]] = [[] for _ in listeners]
    heads = [0] * len(listeners)

    async def listen(place: int) -> None:
        while (frame := await listeners[place].receive()) is not None:
            for event in frame.events:
                if event.HasField("message"):
                    seqs[place].append(event.message.seq)
                    heads[place] = event.message.seq
                elif event.HasField("head_moved"):
                    heads[place] = event.head_moved.last_seq

    tasks = [asyncio.create_task(listen(place)) for place in range(len(listeners))]
    say("begin")
    started = time.perf_counter()
    until = started + plan["seconds"]
    open_sends = acked = 0
    ack_seconds: list[float] = []
    sent_at: dict[str, float] = {}
    while open_sends or time.perf_counter() < until:
        while open_sends < plan["window"] and time.perf_counter() < until:
            client_message_id = uuid.uuid4().hex
            sent_at[client_message_id] = time.perf_counter()
            sender.send(message(conversation_id, client_message_id, text))
            open_sends += 1
        frame = await sender.receive()
        assert frame is not None
        for event in frame.events:
            if event.HasField("send_ack"):
                ack_seconds.append(
                    time.perf_counter() - sent_at.pop(event.send_ack.client_message_id)
                )
                acked, open_sends = acked + 1, open_sends - 1
    async with asyncio.timeout(LAST_SECONDS):
        while min(heads) < acked:
            await asyncio.sleep(0.01)
    seconds = time.perf_counter() - started
    for task in tasks:
        task.cancel()
    whole = list(range(1, acked + 1))
    told = plan["focused"] if plan["focused"] else len(listeners)
    return {
        "acked": acked,
        "delivered": sum(map(len, seqs)),
        "refused": 0,
        "pairs_wrong": sum(one != whole for one in seqs[:told]),
        "seconds": seconds,
        "ack_ms": percentiles(ack_seconds),
    }


async def history(plan: Plan) -> dict[str, Any]:
    """Fills one conversation, then reads pages of 50 at random places of it."""
    (pair,), text = await connect_pairs(plan), "x" * plan["bytes"]
    reader = asyncio.create_task(receive(pair))
    left, open_sends = plan["messages"], 0
    while left or open_sends:
        while left and open_sends < 500:
            pair.sender.send(message(pair.conversation_id, uuid.uuid4().hex, text))
            left, open_sends = left - 1, open_sends + 1
        frame = await pair.sender.receive()
        assert frame is not None
        open_sends -= sum(event.HasField("send_ack") for event in frame.events)
    reader.cancel()
    channel = Channel(plan["address"])
    service = message_grpc.MessageServiceStub(channel.grpc)
    token = plan["users"][0]["token"]
    times: list[float] = []
    rows = 0
    say("begin")
    started = time.perf_counter()
    number = 0
    while time.perf_counter() - started < plan["seconds"]:
        number += 1
        before = (number * 7919) % plan["messages"] + 51
        request = message_pb2.ListRequest(
            conversation_id=pair.conversation_id, before_seq=before, limit=50
        )
        asked = time.perf_counter()
        page = await channel.call(service.List, request, token=token)
        times.append(time.perf_counter() - asked)
        rows += len(page.messages)
    seconds = time.perf_counter() - started
    channel.close()
    return {
        "acked": plan["messages"],
        "pages": number,
        "rows": rows,
        "seconds": seconds,
        "page_ms": percentiles(times),
    }


LOADS: dict[str, Callable[[Plan], Awaitable[dict[str, Any]]]] = {
    "closed": closed_loop,
    "open": open_loop,
    "idle": idle,
    "history": history,
    "room": room,
}


async def main() -> None:
    plan = json.loads(sys.stdin.readline())
    figures = await LOADS[plan["load"]](plan)
    say("end", **figures)


if __name__ == "__main__":
    uvloop.run(main())
