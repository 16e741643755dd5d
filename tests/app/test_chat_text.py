"""Texts of many scripts: what an emoji is, where links are, and in which order letters stand."""

import shutil
from pathlib import Path

import pytest
from kivy import kivy_data_dir

from app import bidi, clusters, emoji, fallback, fonts, rows
from app.clusters import CLUSTER
from app.text import layout

fonts.register()


@pytest.mark.parametrize(
    "text",
    ["👩‍⚕️", "🏳️‍🌈", "❤️‍🔥", "🧑‍🤝‍🧑", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "☝🏽", "©️", "ℹ️", "🟰", "#️⃣", "🇨🇳", "👨‍👩‍👧"],
)
def test_a_cluster_is_one_emoji(text: str) -> None:
    assert CLUSTER.fullmatch(text)
    assert clusters.alone(f" {text} ") == 1


@pytest.mark.parametrize("text", ["✓", "✗", "➜", "☐", "©", "™", "❤\ufe0e", "123", "→"])
def test_letters_that_look_like_pictures_are_letters(text: str) -> None:
    assert not CLUSTER.search(text)


def test_every_emoji_of_the_panel_is_one_cluster_and_has_a_name() -> None:
    found = emoji.load()
    assert len(found) > 1_500
    assert [it.text for it in found if not CLUSTER.fullmatch(it.text)] == []
    assert {it.group for it in found} == set(emoji.GROUPS)


@pytest.mark.parametrize(
    ("query", "one"),
    [
        ("笑", "😂"),
        ("火箭", "🚀"),
        ("rocket", "🚀"),
        ("thumbs up", "👍"),
        ("红包", "🧧"),
        ("生日", "🎂"),
    ],
)
def test_emoji_are_found_by_words_in_both_languages(query: str, one: str) -> None:
    assert one in emoji.search(query)[:12]
    assert len(emoji.tones("👍")) == 5


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("看 https://example.com/a?b=1&c=(2)，好", ["https://example.com/a?b=1&c=(2"]),
        ("HTTP://EXAMPLE.com.", ["HTTP://EXAMPLE.com"]),
        ("https://a.example https://b.example", ["https://a.example", "https://b.example"]),
        ("javascript:alert(1) ftp://x file:///etc/passwd www.example.com", []),
        ("https://", []),
    ],
)
def test_links_are_addresses_of_the_web_alone(text: str, found: list[str]) -> None:
    assert [text[begin:end] for begin, end in rows.links(text)] == found


def test_links_keep_their_letters_when_lines_break() -> None:
    address = "https://example.com/" + "a" * 90 + "?b=1"
    text = f"前面{address}后面"
    shape = layout(text, 15, 200, spans=rows.links(text))
    assert "".join(it.text for it in shape.runs if it.span == 0) == address
    assert "".join(it.text for it in shape.runs) == text
    for run in shape.runs:
        assert text[run.start : run.start + len(run.text)] == run.text


def test_what_is_written_from_right_to_left_stands_so() -> None:
    shape = layout("שלום 123 עולם", 15, 400)
    standing = [it.text.strip() for it in sorted(shape.runs, key=lambda it: it.left)]
    assert [it for it in standing if it] == ["עולם", "123", "שלום"]
    mixed = layout("before שלום עולם after", 15, 400)
    joined = [it.text for it in sorted(mixed.runs, key=lambda it: it.left)]
    assert joined[0].startswith("before")
    assert joined[-1].strip() == "after"
    assert "שלום עולם" in joined
    assert bidi.begins_right("… שלום")
    assert not bidi.begins_right("a שלום")


def test_letters_that_the_own_font_lacks_come_from_another_one() -> None:
    assert fallback.font_of("字") == fallback.font_of("a") == fonts.UI
    runs = fallback.spread("好✗好")
    assert "".join(it for it, _ in runs) == "好✗好"
    if any(it.startswith("DejaVuSans") for it in fallback._files()):
        assert [font == fonts.UI for _, font in runs] == [True, False, True]


def test_a_place_in_a_text_is_found_again() -> None:
    text = "一二三😀四五\n六七"
    shape = layout(text, 15, 400)
    for at in (0, 2, 3, 4, 7):
        left, top, _ = next(iter(shape.boxes(at, at + 1)))
        assert shape.index_at(left + 1, top + 2) == at
    assert shape.index_at(1e6, 1e6) == len(text)
    assert shape.index_at(-5, -5) == 0


def test_no_line_of_a_long_word_is_wider_than_there_is_room() -> None:
    """Its first letters are wider than the others."""
    text = "WWWWWmicroscopicsilicovolcanoconiosis" + "i" * 300 + "W" * 40
    shape = layout(text, 15, 300)
    assert "".join(it.text for it in shape.runs) == text
    assert max(it.left + it.width for it in shape.runs) <= 300


def test_rare_letters_that_a_bundle_lacks_come_from_the_system(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = (fallback._own, fallback._ordinary, fallback.font_of)
    for it in kept:
        it.cache_clear()
    monkeypatch.setattr(fonts, "BUNDLED", tmp_path)
    monkeypatch.setenv("HONGYAN_FONT", "")
    monkeypatch.delenv("HONGYAN_FONT")
    for weight in ("Regular", "Bold"):  # it has no Han letters at all
        source = Path(kivy_data_dir) / "fonts" / f"Roboto-{weight}.ttf"
        shutil.copy(source, tmp_path / f"HongyanHan-{weight}.otf")
    try:
        assert fonts.own() == tmp_path / "HongyanHan-Regular.otf"
        found = fallback.spread("ab喆堃")
        assert [it for it, _ in found] == ["ab", "喆堃"]
        assert found[0][1] == fonts.UI
        assert found[1][1].startswith("FALLBACK ")
    finally:
        monkeypatch.undo()
        for it in kept:
            it.cache_clear()
    assert fallback.font_of("喆") == fonts.UI
