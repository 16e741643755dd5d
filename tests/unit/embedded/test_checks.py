"""What the local run checks before it starts anything, and how it puts a failure."""

import base64
import json
import socket

import pytest

from services.embedded import checks
from services.embedded.home import CannotStart
from services.embedded.ports import free_pair, free_ports, is_free


def test_a_password_is_not_shown():
    shown = checks.without_password("mysql://ling:s3cret@db:3306/hongyan")
    assert shown == "mysql://ling:***@db:3306/hongyan"
    assert checks.without_password("mysql://db/hongyan") == "mysql://db/hongyan"


async def test_a_database_that_is_away_is_named_without_its_password():
    (port,) = free_ports(1)
    with pytest.raises(CannotStart) as caught:
        await checks.check_database(f"mysql://ling:s3cret@127.0.0.1:{port}/hongyan")
    assert "s3cret" not in str(caught.value)
    assert f"ling:***@127.0.0.1:{port}" in str(caught.value)
    assert "Connection refused" in str(caught.value)


@pytest.mark.parametrize("url", ["postgres://db/x", "nonsense", "mysql://[::1/x", "mysql://db:x/y"])
async def test_a_database_of_another_kind_is_refused(url):
    with pytest.raises(CannotStart, match="HONGYAN_DATABASE_URL"):
        await checks.check_database(url)


async def test_sqlite_needs_nobody_to_answer():
    await checks.check_database("sqlite:////tmp/nowhere.db")


async def test_a_redis_that_is_away_is_named():
    one, two = free_ports(2)
    with pytest.raises(CannotStart, match=f"127.0.0.1:{two}.*[Cc]onnect"):
        await checks.check_redis(f"127.0.0.1:{one},127.0.0.1:{two}", "")


@pytest.mark.parametrize("nodes", ["nonsense", "host:", ":1", "a:1,b"])
async def test_redis_nodes_are_hosts_with_ports(nodes):
    with pytest.raises(CannotStart, match="host:port,host:port"):
        await checks.check_redis(nodes, "")


def test_the_token_that_asks_for_the_keys_has_three_parts_and_our_issuer():
    header, claims, _ = checks.UNSIGNED_TOKEN.split(".")
    decode = [json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, claims)]
    assert decode[0]["alg"] == "EdDSA"
    assert (decode[1]["iss"], decode[1]["aud"]) == ("hongyan", "hongyan")


def test_free_ports_differ_and_are_not_those_of_outgoing_connections():
    ports = free_ports(50)
    assert len(set(ports)) == 50
    assert max(ports) < 32_768
    assert all(is_free(port) for port in ports)


def test_a_port_that_somebody_listens_on_is_not_free():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert not is_free(taken.getsockname()[1])
    port = free_pair()
    assert is_free(port)
    assert is_free(port + 1)
