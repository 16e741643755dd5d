"""Grams: what a text is found by, and what a query asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chat.grams import AT_MOST, LENGTH, grams, query


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("开会", {"开会", "会"}),
        ("会", {"会"}),
        ("明天开会，好", {"明天", "天开", "开会", "会", "好"}),
        ("Report DONE", {"report", "done"}),
        ("看report吧", {"看", "report", "吧"}),
        ("ＡＢＣ １２３", {"abc", "123"}),
        ("3.14", {"3", "14"}),
        ("Straße", {"strasse"}),
        ("cafe\u0301", {"café"}),
        ("ｶﾞｰﾄﾞ", {"ガー", "ード", "ド"}),
        ("안녕", {"안녕", "녕"}),
        ("привет мир", {"привет", "мир"}),
        ("好👍🏽👍", {"好", "👍"}),
        ("1️⃣", {"1"}),
        ("snake_case", {"snake", "case"}),
        ("𠮷野家", {"𠮷野", "野家", "家"}),
        ("", set()),
        (" \t\n!?。，“”+-*/()", set()),
        ("x" * (LENGTH + 9), {"x" * LENGTH}),
    ],
)
def test_a_text_is_found_by(text: str, expected: set[str]) -> None:
    assert grams(text) == expected


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ("开会", "明天下午三点开会"),
        ("会", "开会"),
        ("会", "会议"),
        ("三点开会", "下午三点开会吧"),
        ("report 开会", "开会 bring the Report"),
        ("ＲＥＰＯＲＴ", "report"),
        ("rep", "the report"),
        ("the rep", "report the bug"),
        ("👍", "好👍🏽"),
        ("a+b", "b a"),
        ('"开会"', "开会"),
    ],
)
def test_a_query_finds(wanted: str, text: str) -> None:
    assert query(wanted).matches(text)


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ("会议", "开会"),
        ("三点开会", "三点，开会"),
        ("开天", "开会，明天"),
        ("天开会明天", "明天开会明，天"),
        ("port", "report"),
        ("rep the", "report the"),
        ("report lunch", "report"),
        ("-report", "lunch"),
        ("rep*rt", "report"),
        ("👍", "好"),
        ("会", "report"),
    ],
)
def test_a_query_does_not_find(wanted: str, text: str) -> None:
    assert not query(wanted).matches(text)


@pytest.mark.parametrize("text", ["", " ", '+-*"()', "。，！", "\u200d\ufe0f", "_"])
def test_a_query_of_punctuation_asks_for_nothing(text: str) -> None:
    asked = query(text)
    assert asked.terms == ()
    assert asked.exact == asked.beginnings == ()


def test_a_long_query_is_looked_up_by_a_few_grams() -> None:
    text = "".join(chr(0x4E00 + number) for number in range(100))
    asked = query(text)
    assert len(asked.exact) == AT_MOST
    assert asked.matches(f"前{text}后")
    assert not asked.matches(text[:-1])


@given(st.text(max_size=200))
def test_grams_fit_their_column_and_have_no_space(text: str) -> None:
    for gram in grams(text):
        assert 1 <= len(gram) <= LENGTH
        assert gram.split() == [gram]


@given(st.text(max_size=60), st.text(max_size=20), st.text(max_size=60))
def test_what_matches_has_the_grams_that_are_looked_up(
    before: str, wanted: str, behind: str
) -> None:
    asked = query(wanted)
    text = f"{before} {wanted} {behind}"
    assert asked.matches(text)
    found = grams(text)
    assert found.issuperset(asked.exact)
    for beginning in asked.beginnings:
        assert any(gram.startswith(beginning) for gram in found)
