"""Bad input and faults: a clear error, the session lives, nothing is lost."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from hongyan.chat.v1 import message_pb2
from hongyan.gate.v1 import gate_pb2
from hongyan.verify.v1 import account_grpc, account_pb2

from hongyan_client.channel import Channel
from hongyan_client.errors import InvalidArgument, NotFound
from hongyan_client.stream import Stream
from loadtest.accounts import PASSWORD
from tests.faults.people import Device, Town, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

LARGEST = 16 * 1024
LARGEST_FRAME = 256 * 1024
GOOD_DEVICE = {"id": "a-good-device", "name": "", "platform": ""}
LOGIN = {"email": "a@example.org", "password": "x" * 8, "device": GOOD_DEVICE}
REGISTER = {
    "email": "a@example.org",
    "code": "123456",
    "password": "a long one 1",
    "display_name": "A",
}
RESET = {"email": "a@example.org", "code": "123456", "new_password": "a long one 1"}


@pytest_asyncio.fixture(loop_scope="session")
async def rest(town: Town):
    async with httpx.AsyncClient(base_url=town.system.address, trust_env=False) as client:
        yield client


WRONG_FIELDS = [
    ("POST", "/v1/verification-codes", {"email": "no", "purpose": 1}, "email"),
    ("POST", "/v1/verification-codes", {"email": "a@b.c\r\nbcc: x@y.z", "purpose": 1}, "email"),
    ("POST", "/v1/verification-codes", {"email": "a@example.org"}, "purpose"),
    ("POST", "/v1/verification-codes", {"email": "a@example.org", "purpose": 9}, "purpose"),
    ("POST", "/v1/accounts", REGISTER | {"email": "x" * 300}, "email"),
    ("POST", "/v1/accounts", REGISTER | {"code": "12345"}, "code"),
    ("POST", "/v1/accounts", REGISTER | {"code": "１２３４５６"}, "code"),
    ("POST", "/v1/accounts", REGISTER | {"password": "short"}, "password"),
    ("POST", "/v1/accounts", REGISTER | {"password": "x" * 129}, "password"),
    ("POST", "/v1/accounts", REGISTER | {"password": "password123"}, "password"),
    ("POST", "/v1/accounts", REGISTER | {"display_name": ""}, "display_name"),
    ("POST", "/v1/accounts", REGISTER | {"display_name": "  "}, "display_name"),
    ("POST", "/v1/accounts", REGISTER | {"display_name": "a\nb"}, "display_name"),
    ("POST", "/v1/accounts", REGISTER | {"display_name": "名" * 65}, "display_name"),
    ("POST", "/v1/sessions", LOGIN | {"device": None}, "device"),
    ("POST", "/v1/sessions", LOGIN | {"device": GOOD_DEVICE | {"id": "no"}}, "device.id"),
    ("POST", "/v1/sessions", LOGIN | {"password": ""}, "password"),
    ("POST", "/v1/sessions:refresh", {"refresh_token": ""}, "refresh_token"),
    ("POST", "/v1/passwords:reset", RESET | {"code": "x"}, "code"),
    ("POST", "/v1/passwords:reset", RESET | {"new_password": "qwertyuiop"}, "new_password"),
]
WRONG_FIELDS_OF_USERS = [
    ("PATCH", "/v1/me?update_mask=email", {"email": "b@example.org"}, "update_mask"),
    ("PATCH", "/v1/me", {"display_name": "x" * 65}, "me.display_name"),
    ("GET", "/v1/users/a%20b", None, "user_id"),
    ("POST", "/v1/conversations:direct", {"user_id": ""}, "user_id"),
    ("GET", "/v1/conversations?page_size=101", None, "page_size"),
    ("GET", "/v1/conversations?page_token=nonsense", None, "page_token"),
    ("GET", "/v1/presence", None, "user_ids"),
    ("GET", "/v1/presence?user_ids=a&user_ids=a%20b", None, "user_ids[1]"),
]
WRONG_FIELDS_OF_MEMBERS = [
    ("POST", "/messages", {"client_message_id": "", "text": "x"}, "client_message_id"),
    ("POST", "/messages", {"client_message_id": "a b", "text": "x"}, "client_message_id"),
    ("POST", "/messages", {"client_message_id": "1"}, "content"),
    ("POST", "/messages", {"client_message_id": "1", "text": ""}, "text"),
    ("POST", "/messages", {"client_message_id": "1", "text": "字" * 5462}, "text"),
    ("GET", "/messages?limit=201", None, "limit"),
    ("GET", "/messages?limit=-1", None, "limit"),
    ("GET", "/messages?after_seq=-1", None, "after_seq"),
    ("GET", "/messages?after_seq=1&before_seq=3", None, "before_seq"),
    ("POST", ":read", {"seq": -1}, "seq"),
]


def names_the_field(answer: httpx.Response, field: str) -> None:
    assert answer.status_code == 400, answer.text
    error = answer.json()
    assert error["code"] == 3
    violations = [
        one["field"] for detail in error["details"] for one in detail.get("field_violations", ())
    ]
    assert field in violations, error


@pytest.mark.parametrize(("verb", "path", "body", "field"), WRONG_FIELDS)
async def test_a_wrong_field_is_named(rest, verb, path, body, field):
    names_the_field(await rest.request(verb, path, json=body), field)


async def test_a_wrong_field_of_a_user_is_named(town: Town, rest: httpx.AsyncClient):
    ling, _, conversation_id = await town.pair("ling", "bo")
    headers = {"authorization": f"Bearer {await ling.client.account.access_token()}"}
    own = f"/v1/conversations/{conversation_id}"
    cases = [
        *WRONG_FIELDS_OF_USERS,
        *((verb, own + path, body, field) for verb, path, body, field in WRONG_FIELDS_OF_MEMBERS),
    ]
    for verb, path, body, field in cases:
        names_the_field(await rest.request(verb, path, json=body, headers=headers), field)


async def test_unknown_ids_are_not_found(town: Town, rest: httpx.AsyncClient):
    ling = await town.newcomer("ling", start=False)
    headers = {"authorization": f"Bearer {await ling.client.account.access_token()}"}
    unknown = uuid.uuid4().hex
    for verb, path, body in (
        ("GET", f"/v1/users/{unknown}", None),
        ("POST", "/v1/conversations:direct", {"user_id": unknown}),
        ("DELETE", f"/v1/sessions/{unknown}", None),
    ):
        answer = await rest.request(verb, path, json=body, headers=headers)
        assert answer.status_code == 404, answer.text


@contextlib.asynccontextmanager
async def open_stream(device: Device) -> AsyncIterator[Stream]:
    """Opens a bare stream of another session of the same person."""
    email = (await device.client.me()).email
    twin = device.client
    service = account_grpc.AccountServiceStub(twin.channel.grpc)
    device_id = account_pb2.Device(id=uuid.uuid4().hex, name="bare", platform="test")
    request = account_pb2.LoginRequest(email=email, password=PASSWORD, device=device_id)
    tokens = (await twin.channel.call(service.Login, request)).tokens
    channel = Channel(twin.address)
    try:
        async with Stream(channel, tokens.access_token) as stream:
            await stream.open(gate_pb2.Sync())
            yield stream
    finally:
        channel.close()


async def say_raw(stream: Stream, frame: gate_pb2.ConnectRequest | bytes) -> None:
    """Writes a frame as it is, past the client's own care."""
    data = frame if isinstance(frame, bytes) else frame.SerializeToString()
    await stream._call.send_message(data)


async def next_event(stream: Stream, kind: str) -> gate_pb2.ServerEvent:
    """Returns the next event of a kind."""
    try:
        async with asyncio.timeout(20):
            async for event in stream:
                if event.WhichOneof("event") == kind:
                    return event
    except TimeoutError:
        pass
    raise AssertionError(f"the stream ended, or was silent, before {kind}")


async def acks(stream: Stream, count: int) -> list[int]:
    """Returns the numbers of the next so many messages that are stored."""
    found: list[int] = []
    async with asyncio.timeout(20):
        async for event in stream:
            if event.HasField("send_ack"):
                found.append(event.send_ack.seq)
            if len(found) == count:
                break
    return found


def sending(conversation_id: str, client_message_id: str, text: str) -> gate_pb2.ClientEvent:
    request = message_pb2.SendRequest(
        conversation_id=conversation_id, client_message_id=client_message_id, text=text
    )
    return gate_pb2.ClientEvent(send=request)


async def test_a_text_of_16_kib_is_sent_and_one_byte_more_is_refused(town: Town):
    ling, _, conversation_id = await town.pair("ling", "bo")
    async with open_stream(ling) as stream:
        stream.send(sending(conversation_id, "fits", "x" * LARGEST))
        assert (await next_event(stream, "send_ack")).send_ack.client_message_id == "fits"
        stream.send(sending(conversation_id, "too-long", "x" * (LARGEST + 1)))
        refused = (await next_event(stream, "send_refused")).send_refused
        assert (refused.client_message_id, refused.refusal.code) == ("too-long", 3)
        stream.send(sending(conversation_id, "after", "还在"))
        assert (await next_event(stream, "send_ack")).send_ack.client_message_id == "after"


async def test_a_frame_over_256_kib_is_refused_and_the_session_lives(town: Town):
    ling, _, conversation_id = await town.pair("ling", "bo")
    async with open_stream(ling) as stream:
        huge = gate_pb2.ConnectRequest(
            events=[sending(conversation_id, str(place), "x" * 10_000) for place in range(30)]
        )
        await say_raw(stream, huge)
        refused = (await next_event(stream, "frame_refused")).frame_refused
        assert refused.refusal.reason == "FRAME_TOO_LARGE"
        stream.send(sending(conversation_id, "after", "还在"))
        assert (await next_event(stream, "send_ack")).send_ack.seq == 1


async def test_a_frame_of_exactly_256_kib_is_taken(town: Town):
    ling, _, conversation_id = await town.pair("ling", "bo")
    async with open_stream(ling) as stream:
        frame = gate_pb2.ConnectRequest(
            events=[sending(conversation_id, f"id-{place:02}", "x" * 16_000) for place in range(17)]
        )
        frame.events[-1].send.text = "x" * 1_000
        frame.events[-1].send.text += "x" * (LARGEST_FRAME - frame.ByteSize())
        assert frame.ByteSize() == LARGEST_FRAME
        await say_raw(stream, frame)
        assert await acks(stream, 17) == list(range(1, 18))
        frame.traceparent = "x"
        await say_raw(stream, frame)
        refused = (await next_event(stream, "frame_refused")).frame_refused
        assert refused.refusal.reason == "FRAME_TOO_LARGE"


# A frame that is wrong as a whole, or an event of it: the reason, and a field in the message.
WRONG_FRAMES = {
    "no protobuf": (b"\xff\xff\xff", "FRAME_UNREADABLE", ""),
    "a text that is no UTF-8": (
        sending("c", "id", "text").SerializeToString().replace(b"text", b"\xff\xfe\xfd\xfc"),
        "FRAME_UNREADABLE",
        "",
    ),
    "nothing": (gate_pb2.ConnectRequest(), "INVALID_FIELD", "events"),
    "too many events": (
        gate_pb2.ConnectRequest(events=[{"ping": {"nonce": 1}}] * 1_001),
        "INVALID_FIELD",
        "events",
    ),
    "an event that is none": (gate_pb2.ConnectRequest(events=[{}]), "INVALID_FIELD", "event"),
    "a second hello": (gate_pb2.ConnectRequest(events=[{"hello": {}}]), "HELLO_EXPECTED", "hello"),
    "a head before the start": (
        gate_pb2.ConnectRequest(
            events=[{"sync": {"heads": [{"conversation_id": "c", "seq": -1}]}}]
        ),
        "INVALID_FIELD",
        "heads[0].seq",
    ),
    "a head of no id": (
        gate_pb2.ConnectRequest(events=[{"sync": {"heads": [{"conversation_id": "a b"}]}}]),
        "INVALID_FIELD",
        "heads[0].conversation_id",
    ),
    "a cursor before the start": (
        gate_pb2.ConnectRequest(events=[{"read": {"conversation_id": "c", "seq": -1}}]),
        "INVALID_FIELD",
        "seq",
    ),
    "an id that no ack could name": (
        gate_pb2.ConnectRequest(
            events=[{"send": {"conversation_id": "c", "client_message_id": "x" * 65, "text": "x"}}]
        ),
        "INVALID_FIELD",
        "client_message_id",
    ),
}


async def test_a_wrong_frame_is_refused_by_name_and_the_session_lives(town: Town):
    ling, _, conversation_id = await town.pair("ling", "bo")
    async with open_stream(ling) as stream:
        for name, (frame, reason, field) in WRONG_FRAMES.items():
            await say_raw(stream, frame)
            refusal = (await next_event(stream, "frame_refused")).frame_refused.refusal
            assert (refusal.code, refusal.reason) == (3, reason), name
            assert field in refusal.message, name
        stream.send(sending(conversation_id, "after", "还在"))
        assert (await next_event(stream, "send_ack")).send_ack.seq == 1


WRONG_SENDS = [
    ({"client_message_id": ""}, "client_message_id"),
    ({"client_message_id": "a b"}, "client_message_id"),
    ({"conversation_id": ""}, "conversation_id"),
    ({"conversation_id": "x" * 65}, "conversation_id"),
    ({"conversation_id": "../c"}, "conversation_id"),
    ({"text": ""}, "text"),
]


async def test_a_wrong_send_is_refused_by_name_and_its_neighbours_are_stored(town: Town):
    ling, _, conversation_id = await town.pair("ling", "bo")
    good = {"conversation_id": conversation_id, "client_message_id": "wrong", "text": "x"}
    async with open_stream(ling) as stream:
        for number, (wrong, field) in enumerate(WRONG_SENDS, start=1):
            before = sending(conversation_id, f"before-{number}", "一")
            after = sending(conversation_id, f"after-{number}", "二")
            frame = gate_pb2.ConnectRequest(events=[before, {"send": good | wrong}, after])
            await say_raw(stream, frame)
            refused = None
            acked: list[str] = []
            async with asyncio.timeout(20):
                async for event in stream:
                    if event.HasField("send_refused"):
                        refused = event.send_refused.refusal
                    elif event.HasField("send_ack"):
                        acked.append(event.send_ack.client_message_id)
                    if refused and len(acked) == 2:
                        break
            assert acked == [f"before-{number}", f"after-{number}"]
            assert refused
            assert (refused.code, refused.reason) == (3, "INVALID_FIELD"), wrong
            assert field in refused.message, wrong
            assert not refused.HasField("retry_delay"), wrong


async def test_an_unknown_conversation_and_one_of_others_are_the_same_to_a_stream(town: Town):
    _, _, others = await town.pair("ling", "bo")
    eve, _, own = await town.pair("eve", "dai")
    async with open_stream(eve) as stream:
        refusals = set()
        for place in (others, uuid.uuid4().hex):
            stream.send(sending(place, "let-me-in", "hi"))
            refused = (await next_event(stream, "send_refused")).send_refused
            assert refused.conversation_id == place
            refusals.add(refused.refusal.SerializeToString(deterministic=True))
        (refusal,) = refusals
        assert gate_pb2.Refusal.FromString(refusal).code == 7
        assert gate_pb2.Refusal.FromString(refusal).reason == "NOT_A_MEMBER"
        # What others' heads say tells nothing either.
        head = gate_pb2.Head(conversation_id=others, seq=0)
        stream.send(gate_pb2.ClientEvent(sync=gate_pb2.Sync(heads=[head])))
        difference = (await next_event(stream, "difference")).difference
        found = [one.conversation.conversation_id for one in difference.conversations]
        assert found == [own]


STRANGE = [
    "\x00 nul and \x1b[31m escape",
    "😀" * 4_096,  # 16 KiB in four bytes each
    "\u202eright to left\u202c שלום",
    "e\u0301 is not é",
    "a\r\nb\tc  ",
    "👩🏽‍🚀🏴󠁧󠁢󠁳󠁣󠁴󠁿",
    "'; DROP TABLE message; -- %s {} \\ \"",
    "\ufeff\uffff\U0010ffff",
]


async def test_strange_texts_come_as_they_were_sent(town: Town):
    ling, bo, conversation_id = await town.pair("ling", "bo")
    for text in STRANGE:
        message = await ling.send(conversation_id, text)
        await ling.client.settled(message.client_message_id, 30)
    for device in (ling, bo):
        await until(lambda device=device: device.texts(conversation_id) == STRANGE, device.name)
    tablet = await town.second_device(bo, start=False)
    assert [one.text for one in await tablet.client.history(conversation_id)] == STRANGE


async def test_over_grpc_a_wrong_field_is_named_and_unknown_ids_are_not_found(town: Town):
    ling = await town.newcomer("ling", start=False)
    with pytest.raises(InvalidArgument) as wrong:
        await ling.client.account.user("a b")
    assert (wrong.value.reason, set(wrong.value.fields)) == ("INVALID_FIELD", {"user_id"})
    with pytest.raises(InvalidArgument) as itself:
        await ling.client.open_direct(ling.client.user_id)
    assert (itself.value.reason, set(itself.value.fields)) == ("SELF_CONVERSATION", {"user_id"})
    for call in (
        ling.client.account.user(uuid.uuid4().hex),
        ling.client.open_direct(uuid.uuid4().hex),
        ling.client.end_session(uuid.uuid4().hex),
    ):
        with pytest.raises(NotFound):
            await call


async def test_one_id_for_two_texts_is_refused(town: Town):
    ling, _, conversation_id = await town.pair("ling", "bo")
    async with open_stream(ling) as stream:
        stream.send(sending(conversation_id, "same", "一"))
        first = (await next_event(stream, "send_ack")).send_ack
        stream.send(sending(conversation_id, "same", "一"))
        assert (await next_event(stream, "send_ack")).send_ack.seq == first.seq
        stream.send(sending(conversation_id, "same", "二"))
        refused = (await next_event(stream, "send_refused")).send_refused.refusal
        assert (refused.code, refused.reason) == (6, "CLIENT_MESSAGE_ID_REUSED")
