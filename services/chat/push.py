"""How notifications go out: Web Push to browsers, signed posts to bots and the operator."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import ipaddress
import json
import os
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import http_ece
import httpcore
import jwt
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hongyan.chat.v1 import notification_pb2

from services.chat.notify import Notification, Outcome, Push
from services.chat.registrations import WEB_PUSH, WEBHOOK, Registration

SECONDS = 10.0
ANSWER_BYTES = 16 * 1024
CONNECTIONS = 50
# How long a push service keeps what a browser has not fetched.
TTL_SECONDS = 24 * 3600
# A push service refuses more than 24 hours.
VAPID_SECONDS = 12 * 3600
AUTH_BYTES = 16
NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

log = structlog.get_logger()


class PrivateAddress(Exception):
    """A name that a user gave leads into a private network."""


def is_public(text: str) -> bool:
    """Says whether an address is one of the open internet, also when it is wrapped in IPv6."""
    address: Address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address.teredo:
            inner = address.teredo[1]
        if address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        address = inner or address
    return address.is_global and not address.is_multicast


class PublicOnly(httpcore.AsyncNetworkBackend):
    """Connects to public addresses only; what is checked is what is connected to."""

    def __init__(self) -> None:
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolves and connects; raises PrivateAddress if one address is not public."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
        if not addresses or not all(is_public(address) for address in addresses):
            raise PrivateAddress(host)
        for address in addresses[:-1]:
            try:
                return await self._inner.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._inner.connect_tcp(
            addresses[-1], port, timeout, local_address, socket_options
        )


class Http:
    """Posts, follows nothing, and reads little of the answer."""

    def __init__(
        self,
        *,
        private_addresses: bool,
        tls: ssl.SSLContext | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self._seconds = seconds
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or ssl.create_default_context(),
            max_connections=CONNECTIONS,
            keepalive_expiry=30,
            network_backend=None if private_addresses else PublicOnly(),
        )

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> int | None:
        """Returns the answer's status; None when there was none in time."""
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._pool.stream(
                    "POST", url, headers=list(headers.items()), content=body
                ) as answer,
            ):
                size = 0
                async for part in answer.aiter_stream():
                    size += len(part)
                    if size > ANSWER_BYTES:
                        break
                return int(answer.status)
        except (
            TimeoutError,
            OSError,
            httpcore.NetworkError,
            httpcore.ProtocolError,
            httpcore.TimeoutException,
        ) as error:
            log.info("push.no_answer", host=urlsplit(url).hostname, why=type(error).__name__)
            return None

    async def close(self) -> None:
        """Closes all connections."""
        await self._pool.aclose()


def outcome_of(status: int | None, gone: frozenset[int]) -> Outcome:
    """Returns what an HTTP status says of a notification."""
    if status is None or status == 429 or status >= 500:
        return Outcome.AGAIN
    if 200 <= status < 300:
        return Outcome.SENT
    return Outcome.GONE if status in gone else Outcome.REFUSED


class WebhookPush:
    """Posts notifications as JSON to the operator's server, signed with a shared secret."""

    # 404 may be a wrong URL: that must not end everybody's registrations.
    GONE = frozenset({410})

    def __init__(self, http: Http, url: str, secret: str, now: Callable[[], float]) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise ValueError("HONGYAN_PUSH_WEBHOOK_URL must be http://… or https://…")
        if len(secret) < 16:
            raise ValueError("HONGYAN_PUSH_WEBHOOK_SECRET must have 16 characters or more")
        self._http = http
        self._url = url
        self._secret = secret.encode()
        self._now = now

    async def send(self, registration: Registration, notification: Notification) -> Outcome:
        """Posts one notification."""
        target = notification_pb2.PushToken.FromString(registration.target)
        content = {
            **notification.content(),
            "user_id": registration.user_id,
            "registration_id": registration.id,
            "provider": target.provider,
            "token": target.token,
        }
        body = json.dumps(content, ensure_ascii=False).encode()
        headers = {
            "content-type": "application/json",
            "hongyan-signature": sign(body, self._secret, int(self._now())),
        }
        return outcome_of(await self._http.post(self._url, headers, body), self.GONE)


def sign(body: bytes, secret: bytes, time: int) -> str:
    """Returns the Hongyan-Signature of a body at a time."""
    digest = hmac.new(secret, f"{time}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={time},v1={digest}"


class WebPush:
    """Posts encrypted notifications to browsers' push services (RFC 8030, 8291, 8292)."""

    GONE = frozenset({404, 410})

    def __init__(self, http: Http, key_pem: bytes, subject: str, now: Callable[[], float]) -> None:
        self._http = http
        self._key = _load_key(key_pem)
        self._subject = subject
        self._now = now
        self.public_key = _encode(_point(self._key))
        """The applicationServerKey, base64url."""

    async def send(self, registration: Registration, notification: Notification) -> Outcome:
        """Posts one notification."""
        target = notification_pb2.WebPush.FromString(registration.target)
        body = json.dumps(notification.content(), ensure_ascii=False).encode()
        headers = {
            "authorization": f"vapid t={self._token(target.endpoint)}, k={self.public_key}",
            "content-encoding": "aes128gcm",
            "content-type": "application/octet-stream",
            "ttl": str(TTL_SECONDS),
            "urgency": "high",
            "topic": topic_of(notification.conversation_id),
        }
        try:
            sealed = seal(body, target.p256dh, target.auth)
            status = await self._http.post(target.endpoint, headers, sealed)
        except (PrivateAddress, ValueError, httpcore.UnsupportedProtocol) as error:
            log.warning("push.refused", registration=registration.id, why=type(error).__name__)
            return Outcome.REFUSED
        return outcome_of(status, self.GONE)

    def _token(self, endpoint: str) -> str:
        parts = urlsplit(endpoint)
        claims = {
            "aud": f"{parts.scheme}://{parts.netloc}",
            "exp": int(self._now()) + VAPID_SECONDS,
            "sub": self._subject,
        }
        return jwt.encode(claims, self._key, algorithm="ES256")


def topic_of(conversation_id: str) -> str:
    """Returns the topic of a conversation: of what waits for a browser only the newest stays.

    It is a hash, 32 characters, so that the push service learns no conversation's id.
    """
    return _encode(hashlib.sha256(conversation_id.encode()).digest()[:24])


def seal(
    content: bytes,
    p256dh: str,
    auth: str,
    *,
    key: ec.EllipticCurvePrivateKey | None = None,
    salt: bytes | None = None,
) -> bytes:
    """Encrypts for a browser after RFC 8291; raises ValueError when its keys are none.

    `key` and `salt` are for one message only; a test may give those of the RFC's example.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    return bytes(
        http_ece.encrypt(
            content,
            salt=salt or os.urandom(16),
            private_key=key,
            dh=_decode(p256dh),
            auth_secret=_decode(auth),
            version="aes128gcm",
        )
    )


def wrong_keys(target: notification_pb2.WebPush) -> dict[str, str]:
    """Returns which of a subscription's keys are wrong, and how."""
    wrong = {}
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _decode(target.p256dh))
    except ValueError:
        wrong["web_push.p256dh"] = "must be a point of P-256, base64url"
    try:
        if len(_decode(target.auth)) != AUTH_BYTES:
            wrong["web_push.auth"] = "must be 16 bytes, base64url"
    except ValueError:
        wrong["web_push.auth"] = "must be base64url"
    return wrong


class BotWebhook:
    """Posts messages to the servers that bots name, signed with the secret that each gave."""

    GONE = frozenset({410})

    def __init__(self, http: Http, now: Callable[[], float]) -> None:
        self._http = http
        self._now = now

    async def send(self, registration: Registration, notification: Notification) -> Outcome:
        """Posts one message."""
        target = notification_pb2.Webhook.FromString(registration.target)
        content = {**notification.content(), "bot_id": registration.user_id}
        body = json.dumps(content, ensure_ascii=False).encode()
        headers = {
            "content-type": "application/json",
            "hongyan-signature": sign(body, target.secret.encode(), int(self._now())),
        }
        try:
            status = await self._http.post(target.url, headers, body)
        except (PrivateAddress, ValueError, httpcore.UnsupportedProtocol) as error:
            log.warning("push.refused", registration=registration.id, why=type(error).__name__)
            return Outcome.REFUSED
        return outcome_of(status, self.GONE)


class Pushes:
    """Sends each registration's notifications the way that it asks for."""

    def __init__(self, web_push: Push | None, webhook: Push | None, bots: Push) -> None:
        self._ways = {WEB_PUSH: web_push, WEBHOOK: bots}
        self._webhook = webhook

    async def send(self, registration: Registration, notification: Notification) -> Outcome:
        """Sends one notification; refused when its way is not set up any longer."""
        push = self._ways.get(registration.provider, self._webhook)
        return await push.send(registration, notification) if push else Outcome.REFUSED


def read_key(path: Path) -> bytes:
    """Reads the key that signs Web Push; raises ValueError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"HONGYAN_WEB_PUSH_KEY_FILE: {error.strerror}: {path}") from error


def _load_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        key = None
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise ValueError("HONGYAN_WEB_PUSH_KEY_FILE must be a P-256 private key in PEM")


def _point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
    except binascii.Error as error:
        raise ValueError("not base64url") from error
