"""Frames: events joined in order, within both limits."""

from collections import deque

import pytest
from hongyan.chat.v1 import message_pb2
from hongyan.gate.v1 import gate_pb2
from hypothesis import given
from hypothesis import strategies as st

from hongyan_client.frames import FRAME_BYTES, encode_event, fitting_heads, take_frame


def send(number: int, size: int) -> gate_pb2.ClientEvent:
    request = message_pb2.SendRequest(
        conversation_id="c", client_message_id=str(number), text="x" * size
    )
    return gate_pb2.ClientEvent(send=request)


@given(st.lists(st.integers(0, 16_384), max_size=60))
def test_every_event_leaves_once_in_order_within_the_limits(sizes: list[int]) -> None:
    queue = deque(encode_event(send(number, size)) for number, size in enumerate(sizes))
    seen = []
    while queue:
        frame = take_frame(queue)
        assert 0 < len(frame) <= FRAME_BYTES
        parsed = gate_pb2.ConnectRequest.FromString(frame)
        seen += [it.send.client_message_id for it in parsed.events]
    assert seen == [str(number) for number in range(len(sizes))]


def test_a_frame_has_at_most_a_thousand_events() -> None:
    queue = deque(encode_event(send(number, 1)) for number in range(2_500))
    counts = []
    while queue:
        counts.append(len(gate_pb2.ConnectRequest.FromString(take_frame(queue)).events))
    assert counts == [1_000, 1_000, 500]


def test_an_event_that_fits_in_no_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="fits in no frame"):
        encode_event(send(0, FRAME_BYTES))


def test_hello_names_as_many_heads_as_fit() -> None:
    many = fitting_heads([(f"{number:064d}", 2**40) for number in range(9_000)])
    hello = gate_pb2.ClientEvent(hello=gate_pb2.Hello(sync=many))
    assert len(encode_event(hello)) <= FRAME_BYTES
    assert many.heads[0].conversation_id == f"{0:064d}"
    few = fitting_heads([(f"{number:036d}", 7) for number in range(6_000)])
    assert len(few.heads) == 5_000
