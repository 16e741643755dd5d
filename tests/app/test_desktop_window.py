"""Where the window is put, the command line, a device's profiles, and preferences that move."""

from pathlib import Path

import pytest

from app.desktop import badge, icon, profiles
from app.desktop.command import parser
from app.desktop.profiles import Card
from app.desktop.screens import Box
from app.desktop.window import clamped, wanted
from app.preferences import Preferences

ONE: list[Box] = [(0, 0, 1920, 1040)]
TWO: list[Box] = [(0, 0, 1920, 1080), (1920, 0, 1280, 1024)]


@pytest.mark.parametrize(
    ("kept", "screens", "there"),
    [
        ((100, 100, 1100, 720), ONE, (100, 100, 1100, 720)),
        ((2000, 50, 1000, 700), TWO, (2000, 50, 1000, 700)),
        ((2000, 50, 1000, 700), ONE, (460, 170, 1000, 700)),
        ((-1050, 100, 1100, 720), ONE, (410, 160, 1100, 720)),
        ((100, -300, 1100, 720), ONE, (410, 160, 1100, 720)),
        ((100, 1039, 1100, 720), ONE, (410, 160, 1100, 720)),
        ((0, 0, 4000, 3000), ONE, (0, 0, 1920, 1040)),
        ((-200, 20, 1100, 720), ONE, (-200, 20, 1100, 720)),
        ((9000, 9000, 1100, 720), [], (9000, 9000, 1100, 720)),
    ],
)
def test_a_window_is_where_it_can_be_taken_hold_of(
    kept: Box, screens: list[Box], there: Box
) -> None:
    assert clamped(kept, screens) == there


def test_a_damaged_place_is_as_good_as_none() -> None:
    assert wanted({}) == {"width": 1100, "height": 720}
    assert wanted({"left": "x", "width": 10, "height": 5000.0}) == {"width": 360, "height": 5000}


def test_the_title_counts_what_is_unread() -> None:
    assert badge.title("鸿雁", 0) == "鸿雁"
    assert badge.title("鸿雁", 3) == "(3) 鸿雁"
    assert badge.title("鸿雁", 5_000) == "(999) 鸿雁"


def test_the_icon_has_a_red_spot_while_something_is_unread() -> None:
    quiet, loud = icon.draw(64), icon.draw(64, 7)
    assert quiet.size == loud.size == (64, 64)
    spot = loud.getpixel((30, 19))
    assert isinstance(spot, tuple)
    assert spot[0] > 180
    assert spot[1] < 100
    assert len(icon.argb(22, 1)) == 22 * 22 * 4


def test_the_command_line_takes_what_it_knows(capsys: pytest.CaptureFixture[str]) -> None:
    given = parser().parse_args(["--profile", "work", "hongyan://add/x"])
    assert (given.profile, given.link) == ("work", "hongyan://add/x")
    assert parser().parse_args([]).link == ""
    for wrong in (["https://example.org"], ["--profile", "../x"], ["--profile", ""]):
        with pytest.raises(SystemExit):
            parser().parse_args(wrong)
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["--help"])
    assert ended.value.code == 0
    assert "--profile" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        parser().parse_args(["--version"])
    assert "hongyan-desktop" in capsys.readouterr().out


def test_profiles_are_the_folders_that_have_a_card(tmp_path: Path) -> None:
    here = tmp_path / "desktop"
    assert [it.card for it in profiles.beside(here)] == [None]
    assert profiles.fresh(here) == tmp_path / "account-2"
    profiles.write_card(here, Card("u-1", "灵灵", "ling@example.org"))
    profiles.write_card(tmp_path / "account-2", Card("u-2", "波波"))
    (tmp_path / "other").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / profiles.CARD).write_text("[1")
    assert [(it.home.name, it.card and it.card.name) for it in profiles.beside(here)] == [
        ("desktop", "灵灵"),
        ("account-2", "波波"),
    ]
    assert profiles.fresh(here) == tmp_path / "account-3"
    assert (here / profiles.CARD).stat().st_mode & 0o777 == 0o600


def test_what_a_deleted_account_had_here_is_erased(tmp_path: Path) -> None:
    profiles.write_card(tmp_path, Card("u-1", "灵灵"))
    for name in ("accounts/u-1.sqlite", "accounts/u-1.sqlite-wal", "pictures/a.96"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "accounts" / "u-2.sqlite").write_text("another's")
    profiles.erase(tmp_path, "u-1")
    assert [it.name for it in tmp_path.rglob("*") if it.is_file()] == ["u-2.sqlite"]


def test_another_profile_begins_as_the_device_is_set_and_keeps_its_own(tmp_path: Path) -> None:
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    chosen = Preferences(one)
    chosen.looks, chosen.conversation_id, chosen.notify = "dark", "c-1", False
    chosen.window, chosen.recent_emoji = {"left": 5}, ["😀"]
    chosen.save()
    assert (Preferences(one).window, Preferences(one).recent_emoji) == ({"left": 5}, ["😀"])
    chosen.move(other)
    assert (chosen.looks, chosen.conversation_id, chosen.notify) == ("dark", "", True)
    chosen.looks = "light"
    chosen.move(one)
    assert (chosen.looks, chosen.conversation_id, chosen.notify) == ("dark", "c-1", False)
    chosen.move(other)
    assert chosen.looks == "light"
