"""Logs say what failed and where, and nothing of what people wrote."""

import json

import pytest
import structlog

from services.common import telemetry
from services.common.cluster import redis_errors
from services.common.errors import Unavailable


@pytest.fixture
def logs():
    before = structlog.get_config()
    telemetry.configure_logs("unit", "info")
    yield
    structlog.contextvars.clear_contextvars()
    structlog.configure(**before)


def fail(password):
    raise KeyError("missing")


def test_an_exception_is_logged_without_the_values_of_variables(logs, capsys):
    # Made here, since loggers keep the stream that was there when they were made.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory())
    try:
        fail("canary-4711")
    except KeyError as error:
        structlog.get_logger().error("call.failed", exc_info=error)
    (line,) = capsys.readouterr().out.splitlines()
    assert "canary-4711" not in line
    assert json.loads(line)["exception"][0]["exc_type"] == "KeyError"


def test_a_connection_that_closed_under_the_client_is_redis_being_away():
    with pytest.raises(Unavailable), redis_errors():
        raise RuntimeError("the handler is closed")
