"""Frames of a session stream: serialized events joined into a request, within both limits."""

from collections import deque

from hongyan.gate.v1 import gate_pb2

FRAME_EVENTS = 1_000
FRAME_BYTES = 256 * 1024
# Field 1 of ConnectRequest, length-delimited: an event inside a frame.
_EVENT_TAG = b"\x0a"


def encode_event(event: gate_pb2.ClientEvent) -> bytes:
    """Serializes an event as it stands inside a frame; raises ValueError when it fits in none."""
    body = event.SerializeToString()
    encoded = _EVENT_TAG + _varint(len(body)) + body
    if len(encoded) > FRAME_BYTES:
        raise ValueError(f"an event of {len(encoded)} bytes fits in no frame of {FRAME_BYTES}")
    return encoded


def take_frame(queue: deque[bytes]) -> bytes:
    """Removes as many events as one frame holds, in order, and joins them.

    Protobuf lets serialized repeated fields be joined byte by byte, so that an event is
    copied once and parsed never on its way out.
    """
    size = 0
    events: list[bytes] = []
    while queue and len(events) < FRAME_EVENTS and size + len(queue[0]) <= FRAME_BYTES:
        event = queue.popleft()
        size += len(event)
        events.append(event)
    return b"".join(events)


def fitting_heads(heads: list[tuple[str, int]]) -> gate_pb2.Sync:
    """Builds a Sync of as many heads, from the first on, as the contract and one frame hold."""
    sync = gate_pb2.Sync()
    # The event's own tags and lengths take a few bytes around the heads.
    room = FRAME_BYTES - 64
    for conversation_id, seq in heads[:5000]:
        head = gate_pb2.Head(conversation_id=conversation_id, seq=seq)
        room -= head.ByteSize() + 4
        if room < 0:
            break
        sync.heads.append(head)
    return sync


def _varint(number: int) -> bytes:
    """Encodes a length as protobuf does."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
