"""Administrators' keys: the file, what changes in it, and what is no key."""

import os
from pathlib import Path

import pytest

from services.admin.keys import add_key
from services.common.admins import PREFIX, Admins, line_for, new_key
from services.common.errors import AppError


def refusal(admins: Admins, key: str) -> str:
    with pytest.raises(AppError) as refused:
        admins.check(key)
    return refused.value.reason


def test_a_key_has_the_name_of_its_line(tmp_path: Path) -> None:
    file = tmp_path / "admins"
    ling, bo = add_key(file, "ling"), add_key(file, "bo@office")
    admins = Admins(file)
    assert (admins.check(ling), admins.check(bo)) == ("ling", "bo@office")
    assert len(ling) == len(PREFIX) + 43
    assert ling not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("change", [str.upper, lambda key: key[:-1], lambda key: key + "x"])
def test_what_is_nearly_a_key_is_none(tmp_path: Path, change) -> None:
    key = add_key(tmp_path / "admins", "ling")
    assert refusal(Admins(tmp_path / "admins"), change(key)) == "ADMIN_KEY_INVALID"
    assert refusal(Admins(tmp_path / "admins"), "") == "ADMIN_KEY_INVALID"


def test_a_removed_line_takes_the_key_away_at_once(tmp_path: Path) -> None:
    file = tmp_path / "admins"
    ling, bo = add_key(file, "ling"), add_key(file, "bo")
    admins = Admins(file)
    assert admins.check(ling) == "ling"
    _, line = file.read_text().splitlines()
    file.write_text(f"{line}\n")
    os.utime(file, ns=(1, 1))
    assert refusal(admins, ling) == "ADMIN_KEY_INVALID"
    assert admins.check(bo) == "bo"
    file.unlink()
    assert refusal(admins, bo) == "ADMIN_KEY_INVALID"


def test_without_a_setting_nobody_administers() -> None:
    assert refusal(Admins(None), new_key()) == "ADMIN_NOT_SET_UP"


def test_a_line_that_is_none_takes_no_other_away(tmp_path: Path) -> None:
    key, other = new_key(), new_key()
    text = f"# keys\n\nnonsense\nling {key}\n{line_for('ling', key)}\n{line_for('ling', other)}\n"
    (tmp_path / "admins").write_text(text)
    admins = Admins(tmp_path / "admins")
    assert admins.check(key) == "ling"
    # The same name twice: the first line counts.
    assert refusal(admins, other) == "ADMIN_KEY_INVALID"


def test_a_name_is_taken_once_and_has_no_spaces(tmp_path: Path) -> None:
    add_key(tmp_path / "admins", "ling")
    for name in ("ling", "a b", "", "灵", "x" * 65):
        with pytest.raises(ValueError, match=r"name|key"):
            add_key(tmp_path / "admins", name)
    assert len((tmp_path / "admins").read_text().splitlines()) == 1
