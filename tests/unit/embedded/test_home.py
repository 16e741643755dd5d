"""The folder of a local run: one user at a time, its keys kept, clear words when it fails."""

import errno
import json
from pathlib import Path

import pytest

from services.common.tokens import Signer
from services.embedded.home import CannotStart, Home


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    home.open()
    yield home
    home.close()


def test_keys_are_made_once_and_for_their_owner_only(home):
    keys = (
        home.internal_key,
        home.signing_key,
        home.web_push_key,
        home.admin_key,
        home.admin_keys,
    )
    before = [key.read_bytes() for key in keys]
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}
    assert len(before[0]) >= 32
    Signer(before[1])
    assert b"PRIVATE KEY" in before[2]
    home.close()
    home.open()
    assert [key.read_bytes() for key in keys] == before


def test_two_runs_do_not_share_a_home(home):
    with pytest.raises(CannotStart, match=r"another run uses .*HONGYAN_HOME"):
        Home(home.folder).open()
    home.close()
    second = Home(home.folder)
    second.open()
    second.close()


def test_each_run_has_its_own_logs_and_the_last_ones_stay(home):
    home.log("chat").write_text("first run\n")
    home.close()
    home.open()
    assert not home.log("chat").exists()
    assert (home.folder / "logs" / "chat.log.1").read_text() == "first run\n"


def test_a_home_that_is_no_folder_is_said_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart, match=r"file: cannot write here .*choose another HONGYAN_HOME"):
        Home(tmp_path / "file").open()


def test_a_full_disk_is_said_so_and_the_lock_is_free_again(tmp_path, monkeypatch):
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    home = Home(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(CannotStart, match="the disk is full"):
            home.open()
    home.open()
    home.close()


def test_addresses_are_for_tools_to_read(home):
    home.write_addresses({"gateway": "http://127.0.0.1:1"})
    assert json.loads((home.run / "addresses.json").read_text())["gateway"]
