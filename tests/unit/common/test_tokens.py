"""Who is believed: signatures, claims, expiry by the clock, ended sessions, verify away."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.common import tokens
from services.common.errors import Unauthenticated, Unavailable
from services.common.identity import Caller
from services.common.tokens import LIFETIME_SECONDS, REMEMBER_SECONDS, Signer, Trust, TrustUpdate

ANN = Caller("ann", "session-1")
NOW = 1_700_000_000.0


def new_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def pem(key: Any) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


class Verify:
    """What verify would answer, and the clock."""

    def __init__(self) -> None:
        self.key = new_key()
        self.signer = Signer(pem(self.key))
        self.key_set_json = self.signer.key_set_json
        self.ended: list[str] = []
        self.error: Exception | None = None
        self.marks: list[int] = []
        self.now = NOW

    async def fetch(self, mark: int) -> TrustUpdate:
        self.marks.append(mark)
        if self.error:
            raise self.error
        return TrustUpdate(self.key_set_json, tuple(self.ended[mark:]), len(self.ended))


@pytest.fixture
def verify() -> Verify:
    return Verify()


@pytest.fixture
async def trust(verify: Verify) -> Trust:
    trust = Trust(verify.fetch, now=lambda: verify.now)
    await trust.refresh()
    return trust


def reason(trust: Trust, token: str) -> str:
    with pytest.raises(Unauthenticated) as refused:
        trust.check(token)
    return refused.value.reason


async def test_a_token_speaks_for_its_user_and_session(verify: Verify, trust: Trust) -> None:
    assert trust.check(verify.signer.sign(ANN, NOW)) == ANN


async def test_a_token_ends_by_the_clock_even_when_it_was_good_before(
    verify: Verify, trust: Trust
) -> None:
    token = verify.signer.sign(ANN, NOW)
    verify.now = NOW + LIFETIME_SECONDS - 1
    assert trust.check(token) == ANN
    verify.now = NOW + LIFETIME_SECONDS
    assert reason(trust, token) == "TOKEN_EXPIRED"
    assert reason(trust, token) == "TOKEN_EXPIRED"


def forge(verify: Verify, claims: dict[str, Any], headers: dict[str, Any], key: Any = None) -> str:
    good = jwt.get_unverified_header(verify.signer.sign(ANN, NOW))
    body = {
        "iss": "hongyan",
        "aud": "hongyan",
        "sub": "ann",
        "sid": "session-1",
        "iat": int(NOW),
        "exp": int(NOW) + 60,
    } | claims
    body = {name: value for name, value in body.items() if value is not None}
    headers = {"kid": good["kid"], "typ": "at+jwt"} | headers
    return jwt.encode(body, key or verify.key, algorithm="EdDSA", headers=headers)


async def test_what_is_forged_below_would_be_good_without_the_forgery(
    verify: Verify, trust: Trust
) -> None:
    assert trust.check(forge(verify, {}, {})) == ANN


@pytest.mark.parametrize(
    ("claims", "headers"),
    [
        ({"aud": "others"}, {}),
        ({"aud": None}, {}),
        ({"iss": "others"}, {}),
        ({"iss": None}, {}),
        ({"sub": None}, {}),
        ({"sid": None}, {}),
        ({"exp": None}, {}),
        ({"exp": "soon"}, {}),
        ({"nbf": int(NOW) + 10**9}, {}),
        ({}, {"typ": "JWT"}),
        ({}, {"typ": "rt+jwt"}),
        ({}, {"kid": "another"}),
    ],
)
async def test_a_wrong_claim_or_header_is_refused(
    verify: Verify, trust: Trust, claims: dict[str, Any], headers: dict[str, Any]
) -> None:
    assert reason(trust, forge(verify, claims, headers)) == "TOKEN_INVALID"


async def test_another_key_under_our_kid_is_refused(verify: Verify, trust: Trust) -> None:
    assert reason(trust, forge(verify, {}, {}, new_key())) == "TOKEN_INVALID"


async def test_a_key_in_the_header_is_not_believed(verify: Verify, trust: Trust) -> None:
    stranger = Signer(pem(new_key()))
    kid = json.loads(stranger.key_set_json)["keys"][0]
    for header in ({"jwk": kid}, {"jku": "https://evil.example/keys"}, {"x5c": ["MII"]}):
        token = jwt.encode(
            {"sub": "ann"},
            new_key(),
            "EdDSA",
            headers={"typ": "at+jwt", "kid": kid["kid"]} | header,
        )
        assert reason(trust, token) == "TOKEN_INVALID"


def raw_token(header: dict[str, Any], claims: dict[str, Any], signature: bytes) -> str:
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "HS256", "ES256", "EdDSA", ""])
async def test_no_other_algorithm_is_taken(verify: Verify, trust: Trust, algorithm: str) -> None:
    token = verify.signer.sign(ANN, NOW)
    header = jwt.get_unverified_header(token) | {"alg": algorithm}
    claims = jwt.decode(token, options={"verify_signature": False})
    public = json.loads(verify.key_set_json)["keys"][0]["x"].encode()
    for signature in (b"", hmac.digest(public, token.rpartition(".")[0].encode(), hashlib.sha256)):
        assert reason(trust, raw_token(header, claims, signature)) == "TOKEN_INVALID"


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "x" * 10_000, "é.é.é", "e30.e30.e30"])
async def test_what_is_no_token_is_refused(trust: Trust, token: str) -> None:
    assert reason(trust, token) == "TOKEN_INVALID"


async def test_a_kid_that_is_no_text_is_refused(verify: Verify, trust: Trust) -> None:
    for kid in (["a"], {"a": 1}, None, 7):
        token = raw_token({"alg": "EdDSA", "typ": "at+jwt", "kid": kid}, {"sub": "ann"}, b"x")
        assert reason(trust, token) == "TOKEN_INVALID"


async def test_an_ended_session_is_refused_and_told_once(verify: Verify, trust: Trust) -> None:
    told: list[frozenset[str]] = []
    trust.on_ended = told.append
    token = verify.signer.sign(ANN, NOW)
    assert trust.check(token) == ANN
    verify.ended = ["session-1", "session-9"]
    await trust.refresh()
    assert reason(trust, token) == "SESSION_ENDED"
    verify.ended += ["session-1"]
    await trust.refresh()
    assert told == [frozenset({"session-1", "session-9"})]
    assert verify.marks == [0, 0, 2]
    assert trust.check(verify.signer.sign(Caller("ann", "session-2"), NOW)).user_id == "ann"


async def test_an_ended_session_is_remembered_while_a_token_of_it_may_live(
    verify: Verify, trust: Trust
) -> None:
    verify.ended = ["session-1"]
    await trust.refresh()
    verify.now = NOW + LIFETIME_SECONDS + 60
    await trust.refresh()
    assert reason(trust, verify.signer.sign(ANN, verify.now)) == "SESSION_ENDED"
    verify.now = NOW + REMEMBER_SECONDS + 1
    await trust.refresh()
    assert trust.check(verify.signer.sign(ANN, verify.now)) == ANN


async def test_before_verify_has_answered_everybody_is_unavailable(verify: Verify) -> None:
    trust = Trust(verify.fetch, now=lambda: verify.now)
    assert not trust.known
    with pytest.raises(Unavailable) as refused:
        trust.check(verify.signer.sign(ANN, NOW))
    assert refused.value.retry_seconds


async def test_while_verify_is_away_what_is_known_still_holds(verify: Verify, trust: Trust) -> None:
    verify.error = Unavailable("VERIFY_AWAY", "away")
    with pytest.raises(Unavailable):
        await trust.refresh()
    assert trust.known
    assert trust.check(verify.signer.sign(ANN, NOW)) == ANN


async def test_a_new_key_set_replaces_the_old_one(verify: Verify, trust: Trust) -> None:
    old = verify.signer.sign(ANN, NOW)
    assert trust.check(old) == ANN
    fresh = Verify()
    verify.key_set_json = fresh.key_set_json
    await trust.refresh()
    assert reason(trust, old) == "TOKEN_INVALID"
    assert trust.check(fresh.signer.sign(ANN, NOW)) == ANN


@pytest.mark.parametrize(
    "answer", ["", "no json", "[]", '{"keys": []}', '{"keys": [{"kty": "x"}]}']
)
async def test_following_survives_answers_without_sense(
    verify: Verify, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr(tokens, "POLL_SECONDS", 0.001)
    trust = Trust(verify.fetch, now=lambda: verify.now)
    good, verify.key_set_json = verify.key_set_json, answer
    following = asyncio.create_task(trust.follow())
    try:
        async with asyncio.timeout(5):
            while len(verify.marks) < 3:
                await asyncio.sleep(0.001)
            assert not trust.known
            verify.key_set_json = good
            while not trust.known:
                await asyncio.sleep(0.001)
    finally:
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following


async def test_the_cache_of_good_tokens_is_bounded(
    verify: Verify, trust: Trust, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "CACHED_TOKENS", 10)
    for number in range(30):
        trust.check(verify.signer.sign(Caller("ann", str(number)), NOW))
    assert len(trust._good) == 10


def test_one_key_has_one_kid_everywhere() -> None:
    """RFC 8037, appendix A.3: the thumbprint of its example key."""
    d = base64.urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    signer = Signer(pem(Ed25519PrivateKey.from_private_bytes(d)))
    [key] = json.loads(signer.key_set_json)["keys"]
    assert key["x"] == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    assert key["kid"] == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert "d" not in key


def test_a_key_of_another_kind_signs_nothing() -> None:
    with pytest.raises(TypeError):
        Signer(pem(generate_private_key(SECP256R1())))
