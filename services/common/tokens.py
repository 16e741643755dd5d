"""Access tokens: how they are signed, and how every service checks one.

A token is a JWT after RFC 7519, signed with EdDSA (RFC 8037), typed "at+jwt" (RFC 9068).
"""

import asyncio
import base64
import hashlib
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import jwt
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hongyan.options.v1 import access_pb2

from services.common.errors import AppError, Unauthenticated, Unavailable
from services.common.identity import Caller

ISSUER = "hongyan"
AUDIENCE = "hongyan"
TYPE = "at+jwt"
LIFETIME_SECONDS = 15 * 60
# Ended sessions are remembered until their last access token has surely expired.
REMEMBER_SECONDS = LIFETIME_SECONDS + 5 * 60
POLL_SECONDS = 2.0
CACHED_TOKENS = 20_000

log = structlog.get_logger()


class Signer:
    """Signs access tokens with one Ed25519 key."""

    def __init__(self, private_key_pem: bytes) -> None:
        key = serialization.load_pem_private_key(private_key_pem, password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise TypeError("the signing key must be an Ed25519 private key in PEM")
        self._key = key
        raw = key.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )
        x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        # The kid is the key's RFC 7638 thumbprint: the same key has it everywhere.
        thumbprint = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": x}, separators=(",", ":"))
        digest = hashlib.sha256(thumbprint.encode()).digest()
        self._kid = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        self.key_set_json = json.dumps(
            {
                "keys": [
                    {
                        "kty": "OKP",
                        "crv": "Ed25519",
                        "alg": "EdDSA",
                        "use": "sig",
                        "kid": self._kid,
                        "x": x,
                    }
                ]
            }
        )
        """The RFC 7517 key set with the public key."""

    def sign(self, caller: Caller, now: float) -> str:
        """Signs a token for a session, valid from `now` (Unix seconds) for LIFETIME_SECONDS."""
        claims: dict[str, str | int] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": caller.user_id,
            "sid": caller.session_id,
            "iat": int(now),
            "exp": int(now) + LIFETIME_SECONDS,
        }
        if caller.scopes is not None:
            claims["scope"] = _scope_claim(caller.scopes)
        return jwt.encode(
            claims, self._key, algorithm="EdDSA", headers={"kid": self._kid, "typ": TYPE}
        )


@dataclass(frozen=True, slots=True)
class TrustUpdate:
    """What verify says of keys and ended sessions; `mark` asks for what comes after."""

    key_set_json: str
    ended_session_ids: tuple[str, ...]
    mark: int


FetchTrust = Callable[[int], Awaitable[TrustUpdate]]


class Trust:
    """What a service believes of tokens: the keys, and which sessions have ended.

    It follows verify by asking once a second. While verify is away it goes on with what it
    knows; before the first answer it refuses everybody with UNAVAILABLE.
    """

    def __init__(self, fetch: FetchTrust, now: Callable[[], float]) -> None:
        self._fetch = fetch
        self._now = now
        self._key_set_json = ""
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._ended: OrderedDict[str, float] = OrderedDict()
        self._mark = 0
        # Checking a signature costs 60 µs, a look-up one: a token that was good stays so
        # until it expires or its session ends.
        self._good: OrderedDict[str, tuple[Caller, int]] = OrderedDict()
        self.on_ended: Callable[[frozenset[str]], None] = lambda _: None
        """Called with the ids of sessions that have just ended."""

    @property
    def known(self) -> bool:
        """Whether verify has answered at least once."""
        return bool(self._keys)

    async def follow(self) -> None:
        """Asks verify for news for ever."""
        while True:
            try:
                await self.refresh()
            except AppError as error:
                log.warning("trust.stale", reason=error.reason)
            except Exception as error:  # an answer that makes no sense ends no service
                log.error("trust.stale", exc_info=error)
            await asyncio.sleep(POLL_SECONDS if self.known else POLL_SECONDS / 20)

    async def refresh(self) -> None:
        """Asks verify once."""
        update = await self._fetch(self._mark)
        if update.key_set_json != self._key_set_json:
            key_set = jwt.PyJWKSet.from_json(update.key_set_json)
            self._keys = {key.key_id: key.key for key in key_set.keys if key.key_id}
            self._key_set_json = update.key_set_json
            self._good.clear()
        self._mark = update.mark
        news = frozenset(update.ended_session_ids).difference(self._ended)
        if news:
            self._ended.update(dict.fromkeys(news, self._now()))
            self.on_ended(news)
        while self._ended and next(iter(self._ended.values())) < self._now() - REMEMBER_SECONDS:
            self._ended.popitem(last=False)

    def check(self, token: str) -> Caller:
        """Returns whom a token speaks for.

        Raises Unauthenticated when it is not valid now, Unavailable while no key is known.
        """
        if not self._keys:
            raise Unavailable("KEYS_UNKNOWN", "verify has not answered yet", retry_seconds=1)
        if (good := self._good.get(token)) is None:
            good = self._decode(token)
            self._good[token] = good
            if len(self._good) > CACHED_TOKENS:
                self._good.popitem(last=False)
        caller, expires_at = good
        if expires_at <= self._now():
            self._good.pop(token, None)
            raise Unauthenticated("TOKEN_EXPIRED", "the access token has expired: refresh it")
        self.check_session(caller)
        return caller

    def check_session(self, caller: Caller) -> None:
        """Raises Unauthenticated when the caller's session has ended meanwhile."""
        if caller.session_id in self._ended:
            raise Unauthenticated("SESSION_ENDED", "the session was ended: log in again")

    def _decode(self, token: str) -> tuple[Caller, int]:
        try:
            header = jwt.get_unverified_header(token)
            key = self._keys.get(header.get("kid", ""))
            if key is None or header.get("typ") != TYPE:
                raise Unauthenticated("TOKEN_INVALID", "the access token is not one of ours")
            claims = jwt.decode(
                token,
                key,
                algorithms=["EdDSA"],
                audience=AUDIENCE,
                issuer=ISSUER,
                # The clock is injected: expiry is checked by the caller.
                options={
                    "require": ["exp", "sub", "sid"],
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
            scopes = _read_scopes(claims["scope"]) if "scope" in claims else None
            return Caller(str(claims["sub"]), str(claims["sid"]), scopes), int(claims["exp"])
        except (jwt.InvalidTokenError, ValueError):
            raise Unauthenticated("TOKEN_INVALID", "the access token is not valid") from None


# A scope in a token is its name in the contract, lower case: SCOPE_READ is "read".
_SCOPES = {
    name.removeprefix("SCOPE_").lower(): number
    for name, number in access_pb2.Scope.items()
    if number
}


def _scope_claim(scopes: Iterable[int]) -> str:
    """Returns scopes as the claim "scope" has them (RFC 8693): names with spaces between."""
    return " ".join(name for name, number in _SCOPES.items() if number in scopes)


def _read_scopes(claim: object) -> frozenset[int]:
    """Reads the claim; a name that this service does not know yet gives nothing."""
    return frozenset(_SCOPES[name] for name in str(claim).split() if name in _SCOPES)
