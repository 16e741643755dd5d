"""What leaves in one frame to chat: bounded, and in an order that chat can rely on."""

from hongyan.chat.v1 import link_pb2, message_pb2

from services.common.serving import MAX_TRANSPORT_BYTES
from services.gate.links import Link


def send(text: str) -> link_pb2.DeviceRequest:
    return link_pb2.DeviceRequest(user_id="ann", send=message_pb2.SendRequest(text=text))


def frames(link: Link) -> list[link_pb2.AttachRequest]:
    found = []
    while frame := link.take():
        found.append(frame)
    return found


def test_requests_are_numbered_and_leave_in_order() -> None:
    link = Link()
    for number in range(1_200):
        link.ask(send(str(number)), None)
    taken = [request for frame in frames(link) for request in frame.requests]
    assert [request.number for request in taken] == list(range(1, 1_201))
    assert [request.send.text for request in taken] == [str(number) for number in range(1_200)]


def test_only_the_last_word_on_a_user_leaves() -> None:
    link = Link()
    for here in (True, False, True):
        link.tell("ann", here=here)
    for here in (True, False):
        link.tell("bob", here=here)
    [frame] = frames(link)
    assert list(frame.arrived_user_ids) == ["ann"]
    assert list(frame.left_user_ids) == ["bob"]


def test_a_user_arrives_before_the_first_request() -> None:
    link = Link()
    for number in range(1_000):
        link.ask(send(str(number)), None)
    link.tell("ann", here=True)
    first, *_ = frames(link)
    assert list(first.arrived_user_ids) == ["ann"]


def test_no_frame_is_larger_than_chat_takes() -> None:
    """After an outage every device syncs at once, and each sync can be 256 KiB."""
    link = Link()
    heads = {f"{number:064}": 2**40 for number in range(3_000)}
    for _ in range(60):
        link.ask(link_pb2.DeviceRequest(sync=link_pb2.SyncRequest(heads=heads)), None)
    for _ in range(1_000):
        link.ask(send("字" * 5_461), None)
    taken = frames(link)
    assert sum(len(frame.requests) for frame in taken) == 1_060
    assert max(frame.ByteSize() for frame in taken) < MAX_TRANSPORT_BYTES / 2


def test_a_gate_with_very_many_users_can_attach() -> None:
    link = Link()
    for number in range(300_000):
        link.tell(f"{number:032}", here=True)
    taken = frames(link)
    assert sum(len(frame.arrived_user_ids) for frame in taken) == 300_000
    assert max(frame.ByteSize() for frame in taken) < MAX_TRANSPORT_BYTES / 2
