"""Notifications from the rpc to the device: real servers, real HTTP, real encryption."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import grpc
import http_ece
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hongyan.chat.v1 import notification_pb2, notification_pb2_grpc

from loadtest.servers import mariadb
from services.chat.notification_rpc import NotificationService
from services.chat.notifications import Notifications
from services.chat.notify import BACKOFF_SECONDS, LEASE_SECONDS
from services.chat.push import Http, sign
from services.chat.settings import Settings
from services.chat.tables import outbox
from services.common import migrations
from services.common.database import Database
from tests.service.chat.receiver import Receiver, make_certificate
from tests.service.conftest import free_port
from tests.service.gate.world import Service, Verify
from tests.unit.chat.outbox import MICROS, Clock, Tables

ROOT = Path(__file__).resolve().parents[3]
SECRET = "a-secret-of-the-tests"


async def find_bots(user_ids: Collection[str]) -> set[str]:
    return {user_id for user_id in user_ids if user_id.startswith("bot")}


class PushPod(Service):
    """What of a chat pod has to do with notifications, put together as chat's main does."""

    def __init__(self, verify: Verify, database_url: str, now: Clock, **settings: Any) -> None:
        super().__init__(verify, free_port())
        self.now = now
        self.database = Database(database_url, pool=8)
        self.settings = Settings(**settings)
        self.notifications = Notifications(self.settings, self.database, now, find_bots=find_bots)
        self.trust.on_ended = self.notifications.registrations.sessions_ended

    async def start(self) -> "PushPod":
        service = NotificationService(
            self.notifications.registrations,
            self.notifications.public_key,
            private_addresses=self.settings.push_private_addresses,
        )
        await self.serve(
            lambda server: notification_pb2_grpc.add_NotificationServiceServicer_to_server(
                service, server
            ),
            self.notifications.registrations.run,
        )
        return self

    async def stop(self) -> None:
        await super().stop()
        await self.notifications.close()
        await self.database.close()

    async def work(self, seconds: float = 2) -> int:
        """Lets time pass, claims what is due then, and tells it; returns how many rows."""
        self.now.forward(seconds)
        rows = await self.notifications.notifier.claim()
        await asyncio.gather(*(self.notifications.notifier.handle(row) for row in rows))
        return len(rows)


class Phone:
    """A session of a user that calls NotificationService."""

    def __init__(self, channel: grpc.aio.Channel, verify: Verify, user: str, session: str) -> None:
        self._stub: Any = notification_pb2_grpc.NotificationServiceStub(channel)
        token = verify.token(user, session)
        self._metadata = (("authorization", f"Bearer {token}"),)

    async def register(
        self, *, show_content: bool = False, **target: Any
    ) -> notification_pb2.Registration:
        request = notification_pb2.RegisterPushRequest(show_content=show_content, **target)
        return (await self._stub.RegisterPush(request, metadata=self._metadata)).registration

    async def register_token(self, token: str = "token", **options: Any) -> Any:
        target = notification_pb2.PushToken(provider="apns", token=token)
        return await self.register(token=target, **options)

    async def registrations(self) -> list[notification_pb2.Registration]:
        request = notification_pb2.ListPushRegistrationsRequest()
        answer = await self._stub.ListPushRegistrations(request, metadata=self._metadata)
        return list(answer.registrations)

    async def unregister(self, registration_id: str) -> None:
        request = notification_pb2.UnregisterPushRequest(registration_id=registration_id)
        await self._stub.UnregisterPush(request, metadata=self._metadata)

    async def key(self) -> str:
        request = notification_pb2.GetWebPushKeyRequest()
        return str((await self._stub.GetWebPushKey(request, metadata=self._metadata)).public_key)


class Browser:
    """A browser's subscription, which can read what is pushed to it."""

    def __init__(self, endpoint: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._auth = os.urandom(16)
        point = self._key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        self.target = notification_pb2.WebPush(
            endpoint=endpoint, p256dh=encode(point), auth=encode(self._auth)
        )

    def read(self, body: bytes) -> Any:
        content = http_ece.decrypt(
            body, private_key=self._key, auth_secret=self._auth, version="aes128gcm"
        )
        return json.loads(content)


def encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@pytest.fixture
def now() -> Clock:
    return Clock()


@pytest.fixture
def verify() -> Verify:
    return Verify()


@pytest.fixture
def webhook() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def push_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A browser's push service, whose certificate is trusted."""
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    receiver = Receiver(certificate)
    yield receiver
    receiver.close()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "web-push.pem"
    path.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


Start = Callable[..., Any]


@pytest.fixture
async def start(
    verify: Verify, chat_database: str, now: Clock, webhook: Receiver
) -> AsyncIterator[Start]:
    """Starts pods on one database; the webhook is set up unless a test says otherwise."""
    pods: list[PushPod] = []

    async def start_pod(**settings: Any) -> PushPod:
        usual = {"push_webhook_url": webhook.url, "push_webhook_secret": SECRET}
        pod = PushPod(verify, chat_database, now, **(usual | settings))
        pods.append(pod)
        return await pod.start()

    yield start_pod
    for pod in pods:
        await pod.stop()


@pytest.fixture
async def pod(start: Start) -> PushPod:
    return await start()


@pytest.fixture
async def tables(pod: PushPod) -> Tables:
    """A conversation "c" of ann and bob."""
    tables = Tables(pod.database, pod.now)
    await tables.add("c", "ann", "bob")
    return tables


@pytest.fixture
async def phone(pod: PushPod, verify: Verify) -> AsyncIterator[Phone]:
    """Bob's."""
    async with grpc.aio.insecure_channel(pod.target) as channel:
        yield Phone(channel, verify, "bob", "bob-1")


@pytest.mark.usefixtures("tables")
async def test_registrations_over_the_wire(phone: Phone) -> None:
    registration = await phone.register_token(show_content=True)
    assert (registration.session_id, registration.provider) == ("bob-1", "apns")
    assert registration.show_content
    assert await phone.registrations() == [registration]
    assert await phone.key() == ""
    await phone.unregister(registration.registration_id)
    assert await phone.registrations() == []
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await phone.unregister(registration.registration_id)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_the_webhook_gets_a_signed_notification(
    phone: Phone, pod: PushPod, tables: Tables, webhook: Receiver
) -> None:
    registration = await phone.register_token("t1", show_content=True)
    await tables.write("c", "你好")
    assert await pod.work() == 1
    [received] = webhook.received
    assert json.loads(received.body) == {
        "id": f"c:1:{registration.registration_id}",
        "conversation_id": "c",
        "seq": 1,
        "unread": 1,
        "sender_id": "ann",
        "text": "你好",
        "user_id": "bob",
        "registration_id": registration.registration_id,
        "provider": "apns",
        "token": "t1",
    }
    stamp, _, signature = received.headers["hongyan-signature"].partition(",v1=")
    signed = f"{stamp.removeprefix('t=')}.".encode() + received.body
    assert signature == hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert abs(int(stamp.removeprefix("t=")) - time.time()) < 300
    assert await tables.outbox() == []


async def test_after_an_error_it_is_told_again_with_the_same_id(
    phone: Phone, pod: PushPod, tables: Tables, webhook: Receiver
) -> None:
    await phone.register_token()
    webhook.answers.extend([500, 429, 503])
    await tables.write("c", "hello")
    assert await pod.work() == 1
    for seconds in BACKOFF_SECONDS[:3]:
        assert await pod.work(seconds - 1) == 0
        assert await pod.work(1) == 1
    ids = [json.loads(received.body)["id"] for received in webhook.received]
    assert len(ids) == 4
    assert len(set(ids)) == 1
    assert await tables.outbox() == []


async def test_a_webhook_that_refuses_is_not_asked_again(
    phone: Phone, pod: PushPod, tables: Tables, webhook: Receiver
) -> None:
    await phone.register_token()
    for status in (400, 404, 302):
        webhook.answers.append(status)
        webhook.answer_headers = {"location": webhook.url}
        await tables.write("c", "hello")
        await pod.work()
    assert len(webhook.received) == 3
    assert await tables.outbox() == []
    assert len(await phone.registrations()) == 1


async def test_a_token_that_is_gone_ends_its_registration(
    phone: Phone, pod: PushPod, tables: Tables, webhook: Receiver
) -> None:
    await phone.register_token()
    assert await tables.notify("bob") == {"c": 1}
    webhook.answers.append(410)
    await tables.write("c", "hello")
    await pod.work()
    assert await phone.registrations() == []
    assert await tables.notify("bob") == {"c": 0}


async def test_a_registration_ends_with_its_session(
    phone: Phone, pod: PushPod, tables: Tables, webhook: Receiver, verify: Verify
) -> None:
    await phone.register_token()
    await tables.write("c", "hello")
    verify.ended.append("bob-1")
    await pod.trust.refresh()
    async with asyncio.timeout(10):
        while await tables.notify("bob") != {"c": 0}:
            await asyncio.sleep(0.002)
    assert await pod.work() == 1
    assert webhook.received == []
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await phone.register_token()
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_browser_can_read_what_only_it_can_read(
    start: Start, verify: Verify, push_service: Receiver, key_file: Path
) -> None:
    pod = await start(web_push_key_file=key_file, push_private_addresses=True)
    tables = Tables(pod.database, pod.now)
    await tables.add("c", "ann", "bob")
    browser = Browser(push_service.url)
    async with grpc.aio.insecure_channel(pod.target) as channel:
        phone = Phone(channel, verify, "bob", "bob-1")
        public_key = await phone.key()
        registration = await phone.register(web_push=browser.target, show_content=True)
    assert registration.provider == "web_push"
    await tables.write("c", "hello", "雁" * 4_000)
    await pod.work()
    told = [browser.read(received.body) for received in push_service.received]
    assert [(one["seq"], one["text"]) for one in told] == [(1, "hello"), (2, "雁" * 200)]
    assert told[0]["id"] == f"c:1:{registration.registration_id}"
    headers = push_service.received[0].headers
    assert headers["content-encoding"] == "aes128gcm"
    assert len(headers["topic"]) == 32
    assert headers["topic"] == push_service.received[1].headers["topic"]
    assert b"hello" not in push_service.received[0].body
    token, _, key = headers["authorization"].removeprefix("vapid t=").partition(", k=")
    assert key == public_key
    point = base64.urlsafe_b64decode(public_key + "=" * (-len(public_key) % 4))
    signer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    audience = push_service.url.removesuffix("/push")
    claims = jwt.decode(token, signer, algorithms=["ES256"], audience=audience)
    assert claims["sub"].startswith("mailto:")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]"])
async def test_web_push_does_not_go_into_the_private_network(
    start: Start, verify: Verify, push_service: Receiver, key_file: Path, host: str
) -> None:
    pod = await start(web_push_key_file=key_file)
    tables = Tables(pod.database, pod.now)
    await tables.add("c", "ann", "bob")
    browser = Browser(push_service.url.replace("localhost", host))
    async with grpc.aio.insecure_channel(pod.target) as channel:
        await Phone(channel, verify, "bob", "bob-1").register(web_push=browser.target)
    await tables.write("c", "hello")
    assert await pod.work() == 1
    assert push_service.received == []
    assert await tables.outbox() == []


@pytest.mark.parametrize("status", [404, 410])
async def test_a_subscription_that_is_gone_ends(
    start: Start, verify: Verify, push_service: Receiver, key_file: Path, status: int
) -> None:
    pod = await start(web_push_key_file=key_file, push_private_addresses=True)
    tables = Tables(pod.database, pod.now)
    await tables.add("c", "ann", "bob")
    async with grpc.aio.insecure_channel(pod.target) as channel:
        phone = Phone(channel, verify, "bob", "bob-1")
        await phone.register(web_push=Browser(push_service.url).target)
        push_service.answers.append(status)
        await tables.write("c", "hello")
        await pod.work()
        assert await phone.registrations() == []


def web_push(endpoint: str) -> dict[str, Any]:
    return {"web_push": {"endpoint": endpoint, "p256dh": "A" * 87, "auth": "A" * 22}}


@pytest.mark.parametrize(
    ("target", "field"),
    [
        (web_push("http://push.example.org/"), "web_push.endpoint"),
        (web_push("https://push.example.org/"), "web_push.p256dh"),
        ({"token": {"provider": "web_push", "token": "x"}}, "token.provider"),
    ],
)
async def test_a_target_that_can_never_work_is_refused(
    phone: Phone, target: dict[str, Any], field: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await phone.register(**target)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in str(refused.value.trailing_metadata())


async def test_web_push_without_a_key_is_refused(phone: Phone) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await phone.register(web_push=Browser("https://push.example.org/x").target)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_server_that_does_not_answer_is_waited_for_only_so_long(
    webhook: Receiver,
) -> None:
    webhook.silent = True
    http = Http(private_addresses=True, seconds=0.2)
    assert await http.post(webhook.url, {}, b"x") is None
    await http.close()


async def test_an_endless_answer_is_not_read(webhook: Receiver) -> None:
    webhook.answer_bytes = 2**40
    http = Http(private_addresses=True)
    assert await http.post(webhook.url, {}, b"x") == 201
    await http.close()


async def test_a_worker_killed_while_it_tells_leaves_it_to_the_next(
    phone: Phone, tables: Tables, webhook: Receiver, chat_database: str, now: Clock
) -> None:
    now.time = time.time_ns() // 1000 - 10 * MICROS
    await phone.register_token()
    await tables.write("c", "hello")
    webhook.silent = True

    def start_worker(ahead: float) -> subprocess.Popen[bytes]:
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "HONGYAN_DATABASE_URL": chat_database,
            "HONGYAN_PUSH_WEBHOOK_URL": webhook.url,
            "HONGYAN_PUSH_WEBHOOK_SECRET": SECRET,
        }
        command = [sys.executable, "-m", "tests.service.chat.push_worker", str(ahead)]
        return subprocess.Popen(command, cwd=ROOT, env=environment)

    async def received(count: int) -> None:
        async with asyncio.timeout(30):
            while len(webhook.received) < count:
                await asyncio.sleep(0.01)

    worker = start_worker(0)
    try:
        await received(1)
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    assert len(await tables.outbox()) == 1
    webhook.silent = False
    worker = start_worker(LEASE_SECONDS + 5)
    try:
        async with asyncio.timeout(30):
            while await tables.outbox():
                await asyncio.sleep(0.01)
    finally:
        worker.kill()
        worker.wait()
    first, second = (json.loads(one.body) for one in webhook.received)
    assert first == second


async def test_the_receiver_of_the_docs_takes_what_is_signed_and_nothing_else(
    start: Start, verify: Verify
) -> None:
    page = (ROOT / "docs" / "notifications.md").read_text(encoding="utf-8")
    program = page.partition("```python\n")[2].partition("```")[0]
    port = free_port()
    environment = os.environ | {"SECRET": SECRET, "PORT": str(port)}
    receiver = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert receiver.stdout
    url = f"http://127.0.0.1:{port}/"
    http = Http(private_addresses=True)
    try:
        async with asyncio.timeout(20):
            while await http.post(url, {}, b"{}") is None:
                await asyncio.sleep(0.02)
        time_now = int(time.time())
        for signature in (
            sign(b"{}", b"not the secret", time_now),
            sign(b"other", SECRET.encode(), time_now),
            sign(b"{}", SECRET.encode(), time_now - 3_600),
        ):
            assert await http.post(url, {"hongyan-signature": signature}, b"{}") == 401
        pod = await start(push_webhook_url=url)
        tables = Tables(pod.database, pod.now)
        await tables.add("c", "ann", "bob")
        async with grpc.aio.insecure_channel(pod.target) as channel:
            await Phone(channel, verify, "bob", "bob-1").register_token("t1")
        await tables.write("c", "one")
        [row] = await tables.outbox()
        await pod.work()
        # As after an answer that was lost: the same row once more, under the same id.
        await tables.insert(outbox, **row._mapping)
        await pod.work()
        await tables.write("c", "two")
        await pod.work()
        assert await tables.outbox() == []
        async with asyncio.timeout(20):
            lines = [(await receiver.stdout.readline()).decode() for _ in range(2)]
        assert lines == ["apns t1 unread: 1\n", "apns t1 unread: 2\n"]
    finally:
        await http.close()
        receiver.kill()
        await receiver.communicate()


async def test_on_mariadb_too_two_pods_tell_once(
    verify: Verify, now: Clock, webhook: Receiver
) -> None:
    async with mariadb() as server:
        migrations.upgrade("chat", server.url)
        settings = {"push_webhook_url": webhook.url, "push_webhook_secret": SECRET}
        pods = [await PushPod(verify, server.url, now, **settings).start() for _ in range(2)]
        tables = Tables(pods[0].database, now)
        for number in range(30):
            await tables.add(f"c{number}", "ann", "bob")
        async with grpc.aio.insecure_channel(pods[0].target) as channel:
            phones = [Phone(channel, verify, "bob", f"bob-{n}") for n in range(6)]
            await asyncio.gather(*(phone.register_token(f"t{n}") for n, phone in enumerate(phones)))
            held = await phones[0].registrations()
            assert {one.session_id for one in held} == {f"bob-{n}" for n in range(6)}
            assert set((await tables.notify("bob")).values()) == {1}
            for number in range(30):
                await tables.write(f"c{number}", "one", "two")
            now.forward(2)
            counts = await asyncio.gather(*(pod.work(0) for pod in pods))
            assert sum(counts) == 30
            ids = [json.loads(received.body)["id"] for received in webhook.received]
            assert len(ids) == len(set(ids)) == 30 * 2 * 6
            assert await tables.outbox() == []
            webhook.answers.extend([500] * 6)
            await tables.write("c0", "three")
            assert await pods[0].work() == 1
            assert await pods[1].work(BACKOFF_SECONDS[0]) == 1
            assert len(webhook.received) == 30 * 2 * 6 + 12
            for one in held:
                await phones[0].unregister(one.registration_id)
            assert set((await tables.notify("bob")).values()) == {0}
        for pod in pods:
            await pod.stop()
