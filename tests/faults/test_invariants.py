"""The search of the logs finds what must not be there, and nothing else."""

from types import SimpleNamespace

import pytest

from loadtest.accounts import PASSWORD
from tests.faults.invariants import secrets_in_logs
from tests.faults.people import CANARY


@pytest.fixture
def town(tmp_path):
    system = SimpleNamespace(log=lambda name: tmp_path / f"{name}.log")
    return SimpleNamespace(system=system, codes={"123456"})


@pytest.mark.parametrize(
    "line",
    [f"stored {CANARY} 在吗", f"tried {PASSWORD}", "to ling@example.org", '{"code":"123456"}'],
)
def test_a_secret_in_a_log_is_found(town, tmp_path, line):
    (tmp_path / "chat-2.log").write_text(f"started\n{line}\n")
    assert len(secrets_in_logs(town)) == 1


def test_a_log_without_secrets_is_clean(town, tmp_path):
    (tmp_path / "verify.log").write_text("at 12:00:00.123456, pid 1234567, id a123456b\n")
    assert secrets_in_logs(town) == []
