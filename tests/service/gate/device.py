"""A device: one session stream, spoken byte by byte."""

import asyncio
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import grpc
from hongyan.chat.v1 import conversation_pb2, message_pb2
from hongyan.gate.v1 import gate_pb2

PATH = "/hongyan.gate.v1.GateService/Connect"


class Device:
    """Reads only when a test waits for something: one that does not wait is a slow device."""

    numbers = itertools.count(1)

    def __init__(self, target: str, token: str, **options: int) -> None:
        self._channel = grpc.aio.insecure_channel(
            target,
            options=(
                ("grpc.use_local_subchannel_pool", 1),
                ("grpc.max_receive_message_length", -1),
                *((f"grpc.{name}", value) for name, value in options.items()),
            ),
        )
        self._call: Any = self._channel.stream_stream(PATH)(
            metadata=(("authorization", f"Bearer {token}"),)
        )
        self.events: list[gate_pb2.ServerEvent] = []
        self.frames: list[bytes] = []

    async def hello(self, heads: Mapping[str, int] | None = None) -> "Device":
        """Says hello and waits until it has caught up."""
        await self.say(self.hello_event(heads))
        await self.wait("caught_up")
        return self

    @staticmethod
    def hello_event(heads: Mapping[str, int] | None = None) -> gate_pb2.ClientEvent:
        return gate_pb2.ClientEvent(hello=gate_pb2.Hello(sync=sync(heads)))

    async def say(self, *events: gate_pb2.ClientEvent, traceparent: str = "") -> None:
        """Writes one frame."""
        frame = gate_pb2.ConnectRequest(events=events, traceparent=traceparent)
        await self.write(frame.SerializeToString())

    async def write(self, data: bytes) -> None:
        await self._call.write(data)

    async def send(self, conversation_id: str, text: str, id: str = "") -> str:
        """Writes a message; returns its client_message_id."""
        event = send(conversation_id, text, id or f"m{next(self.numbers)}")
        await self.say(event)
        return event.send.client_message_id

    async def until(self, found: Callable[[], Any], seconds: float = 10) -> Any:
        """Reads until something is found in what came; returns it."""
        async with asyncio.timeout(seconds):
            while not (answer := found()):
                frame = await self._call.read()
                if frame is grpc.aio.EOF:
                    code = await self._call.code()
                    raise EOFError(f"{code.name}, after {self.kinds()}")
                self.frames.append(frame)
                self.events += gate_pb2.ConnectResponse.FromString(frame).events
        return answer

    async def wait(self, kind: str, count: int = 1) -> list[Any]:
        """Reads until so many events of a kind have come; returns all of them."""
        await self.until(lambda: len(self.of(kind)) >= count)
        return self.of(kind)

    async def settle(self) -> None:
        """Reads all that gate had queued before now."""
        nonce = next(self.numbers)
        await self.say(ping(nonce))
        await self.until(lambda: any(pong.nonce == nonce for pong in self.of("pong")))

    async def ended(self, seconds: float = 10) -> grpc.StatusCode:
        """Reads to the end of the stream; returns its code."""
        try:
            await self.until(lambda: False, seconds)
        except EOFError:
            pass
        except grpc.aio.AioRpcError as error:
            return error.code()
        code: grpc.StatusCode = await self._call.code()
        return code

    def of(self, kind: str) -> list[Any]:
        """Returns the events of a kind that have come."""
        return [getattr(event, kind) for event in self.events if event.WhichOneof("event") == kind]

    def kinds(self) -> list[str]:
        return [event.WhichOneof("event") or "" for event in self.events]

    def texts(self, conversation_id: str = "") -> list[str]:
        """Returns the texts of the messages that were pushed, in order."""
        return [
            message.text
            for message in self.of("message")
            if conversation_id in ("", message.conversation_id)
        ]

    def has(self, conversation_id: str) -> set[int]:
        """Returns the seqs that came in any way: pushed, in a difference, or as an ack."""
        events = self.of("message") + self.of("send_ack")
        found = {event.seq for event in events if event.conversation_id == conversation_id}
        for difference in self.of("difference"):
            for part in difference.conversations:
                if part.conversation.conversation_id == conversation_id:
                    found |= {message.seq for message in part.messages}
        return found

    async def half_close(self) -> None:
        await self._call.done_writing()

    async def close(self) -> None:
        self._call.cancel()
        await self._channel.close()


def send(conversation_id: str, text: str, id: str) -> gate_pb2.ClientEvent:
    return gate_pb2.ClientEvent(
        send=message_pb2.SendRequest(
            conversation_id=conversation_id, client_message_id=id, text=text
        )
    )


def sync(heads: Mapping[str, int] | None = None) -> gate_pb2.Sync:
    return gate_pb2.Sync(
        heads=[
            gate_pb2.Head(conversation_id=conversation_id, seq=seq)
            for conversation_id, seq in (heads or {}).items()
        ]
    )


def sync_event(heads: Mapping[str, int] | None = None) -> gate_pb2.ClientEvent:
    return gate_pb2.ClientEvent(sync=sync(heads))


def ping(nonce: int) -> gate_pb2.ClientEvent:
    return gate_pb2.ClientEvent(ping=gate_pb2.Ping(nonce=nonce))


def bye() -> gate_pb2.ClientEvent:
    return gate_pb2.ClientEvent(bye=gate_pb2.Bye())


def read(conversation_id: str, seq: int) -> gate_pb2.ClientEvent:
    return gate_pb2.ClientEvent(
        read=conversation_pb2.MarkReadRequest(conversation_id=conversation_id, seq=seq)
    )
