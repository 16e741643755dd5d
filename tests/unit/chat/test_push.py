"""What goes out: encryption after the RFC's own example, signatures, addresses, answers."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from services.chat.notify import Outcome
from services.chat.push import (
    Http,
    WebhookPush,
    WebPush,
    is_public,
    outcome_of,
    seal,
    sign,
    topic_of,
)


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_the_example_of_rfc_8291_comes_out_byte_by_byte() -> None:
    number = int.from_bytes(decode("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"), "big")
    sealed = seal(
        b"When I grow up, I want to be a watermelon",
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "BTBZMqHH6r4Tts7J_aSIgg",
        key=ec.derive_private_key(number, ec.SECP256R1()),
        salt=decode("DGv6ra1nlYgDCS1FRnbzlw"),
    )
    assert sealed == decode(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmY"
        "WAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexS"
        "gSxsj_Qulcy4a-fN"
    )


def test_a_signature_is_the_hmac_of_the_time_and_the_body() -> None:
    # printf '1700000000.{}' | openssl dgst -sha256 -hmac key-of-the-test
    assert sign(b"{}", b"key-of-the-test", 1_700_000_000) == (
        "t=1700000000,v1=4f0123c8cb09adf78b05dad2710234400833fc74483a19128a35c9a3c32c41a0"
    )


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True),
        ("2002:7f00:1::", False),
    ],
)
def test_only_addresses_of_the_open_internet_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (None, Outcome.AGAIN),
        (429, Outcome.AGAIN),
        (500, Outcome.AGAIN),
        (503, Outcome.AGAIN),
        (200, Outcome.SENT),
        (201, Outcome.SENT),
        (301, Outcome.REFUSED),
        (400, Outcome.REFUSED),
        (404, Outcome.REFUSED),
        (410, Outcome.GONE),
    ],
)
def test_what_a_status_means(status: int | None, outcome: Outcome) -> None:
    assert outcome_of(status, frozenset({410})) is outcome


def test_a_topic_fits_and_differs() -> None:
    topics = {topic_of(f"conversation-{number}") for number in range(100)}
    assert {len(topic) for topic in topics} == {32}
    assert len(topics) == 100


async def test_settings_that_cannot_work_are_refused_at_the_start() -> None:
    http = Http(private_addresses=True)
    with pytest.raises(ValueError, match="WEBHOOK_URL"):
        WebhookPush(http, "ftp://example.org", "s" * 16, lambda: 0)
    with pytest.raises(ValueError, match="WEBHOOK_SECRET"):
        WebhookPush(http, "https://example.org", "short", lambda: 0)
    with pytest.raises(ValueError, match="WEB_PUSH_KEY_FILE"):
        WebPush(http, b"nothing", "mailto:a@example.org", lambda: 0)
    await http.close()
