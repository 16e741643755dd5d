"""What goes wrong with Redis is an outage; what goes wrong here is not hidden behind it."""

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from services.common.cluster import redis_errors
from services.common.errors import Unavailable


def write_to_no_socket() -> None:
    writer: None = None
    writer.writelines([])  # type: ignore[attr-defined]


def mistake() -> None:
    "text".no_such_method()  # type: ignore[attr-defined]


def closed_under_the_client() -> None:
    raise RuntimeError("unable to perform operation on a closed transport")


def refused() -> None:
    raise RedisConnectionError("refused")


@pytest.mark.parametrize("fail", [write_to_no_socket, closed_under_the_client, refused])
def test_a_lost_connection_is_an_outage(fail) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Unavailable) as away, redis_errors():
        fail()
    assert away.value.reason == "REDIS_AWAY"


def test_a_mistake_of_ours_stays_one() -> None:
    with pytest.raises(AttributeError), redis_errors():
        mistake()
