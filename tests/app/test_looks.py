"""What the app looks like, without a backend: contrast, words, and lines of text."""

import re
import string
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kivy import factory_registers
from kivy.utils import get_color_from_hex

import app
from app import clock, fonts
from app.strings import TABLE, Words
from app.text import CLUSTER, layout, pieces
from app.theme import DARK, LIGHT, READ_ON

ROOT = Path(app.__file__).parent
RULE = re.compile(r"^<-?(\w+)(?:@[\w+]+)?>", re.M)
# The names that Kivy's own widgets have.
KIVYS = set(re.findall(r"'(\w+)'", Path(factory_registers.__file__).read_text(encoding="utf-8")))

fonts.register()
FAMILY, FLAG, KEYCAP, TONE = "👨‍👩‍👧", "🇨🇳", "1️⃣", "👍🏽"


def luminance(colour: str) -> float:
    """After WCAG 2.2."""
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in get_color_from_hex(colour)[:3]
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("tokens", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("pair", READ_ON, ids="-on-".join)
def test_what_is_read_has_contrast(tokens: dict[str, str], pair: tuple[str, str]) -> None:
    light, dark = sorted((luminance(tokens[it]) for it in pair), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_both_themes_have_every_token() -> None:
    assert LIGHT.keys() == DARK.keys()


def test_every_text_is_there_in_both_languages_with_the_same_values() -> None:
    def fields(text: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    for key, (chinese, english) in TABLE.items():
        assert bool(chinese) == bool(english), key
        assert fields(chinese) == fields(english) or key.startswith("time."), key


def test_emoji_are_one_piece_each() -> None:
    text = f"家庭{FAMILY}国旗{FLAG}{KEYCAP}{TONE}ok 😀"
    assert [it for it, emoji in pieces(text) if emoji] == [FAMILY, FLAG, KEYCAP, TONE, "😀"]
    assert "".join(it for it, _ in pieces(text)) == text
    assert not CLUSTER.search("123 #hash 中文 — “quotes”")


def test_lines_break_where_they_may() -> None:
    shape = layout("应该在合适的地方断开，标点不要放在行首。" * 3, 15, 200)
    lines: dict[float, str] = {}
    for run in shape.runs:
        lines[run.top] = lines.get(run.top, "") + run.text
    assert len(lines) > 3
    assert not any(line[0] in "，。" for line in lines.values())
    assert shape.width <= 200
    english = layout("words are not cut in the middle of themselves", 15, 120)
    joined = [run.text.strip() for run in english.runs]
    assert " ".join(joined) == "words are not cut in the middle of themselves"


def test_a_word_that_no_line_can_hold_is_cut() -> None:
    link = "https://example.com/" + "a" * 200
    shape = layout(link, 15, 150)
    assert "".join(run.text for run in shape.runs) == link
    assert all(run.left + run.width <= 151 for run in shape.runs)


def test_one_line_ends_with_an_ellipsis_and_is_no_wider_than_told() -> None:
    shape = layout("很长的一句话 " * 20 + "😀", 13, 180, one_line=True)
    assert shape.height == layout("一", 13, 180).height
    assert shape.width <= 180
    assert shape.runs[-1].text.endswith("…")
    assert layout("短", 13, 180, one_line=True).runs[-1].text == "短"


@pytest.mark.parametrize(
    ("before", "short"),
    [
        (timedelta(minutes=5), "11:55"),
        (timedelta(days=1), "昨天"),
        (timedelta(days=3), "周六"),
        (timedelta(days=30), "10月25日"),
        (timedelta(days=400), "2025年10月20日"),
    ],
)
def test_times_are_said_as_people_say_them(before: timedelta, short: str) -> None:
    now = datetime(2026, 11, 24, 12, 0).astimezone()
    assert clock.short(now - before, now, Words()) == short
    assert clock.short(now.astimezone(UTC), now, Words()) == "12:00"


def test_no_two_widgets_have_one_name() -> None:
    """Kivy's rules go by the name of a class alone: of two with one name each gets both."""
    names: dict[str, list[str]] = {}
    for path in sorted(ROOT.rglob("*.kv")):
        for name in RULE.findall(path.read_text(encoding="utf-8")):
            names.setdefault(name, []).append(path.name)
    assert {name: paths for name, paths in names.items() if len(paths) > 1} == {}
    assert [name for name in names if name in KIVYS] == []
