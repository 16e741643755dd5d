"""Buckets in memory, against a model that counts tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import Exhausted
from services.common.limits import Limit, LocalLimit


class Bucket:
    """The model: so many tokens, and one more every so often, counted in whole milliseconds."""

    def __init__(self, size: int, step: int) -> None:
        self.size, self.step, self.milli_tokens, self.at = size, step, size * step, 0

    def take(self, now: int) -> int:
        """Returns 0, or how long to wait."""
        self.milli_tokens = min(self.size * self.step, self.milli_tokens + now - self.at)
        self.at = now
        if self.milli_tokens < self.step:
            return self.step - self.milli_tokens
        self.milli_tokens -= self.step
        return 0


@given(
    size=st.integers(1, 5),
    step=st.integers(1, 3_000),
    waits=st.lists(st.integers(0, 4_000), max_size=60),
)
def test_a_local_limit_obeys_the_model(size: int, step: int, waits: list[int]) -> None:
    now = 0
    limit = LocalLimit(Limit("test", size, step / 1000), now=lambda: now / 1000)
    bucket = Bucket(size, step)
    for wait in waits:
        now += wait
        expected = bucket.take(now)
        if expected:
            with pytest.raises(Exhausted) as refused:
                limit.take("ann")
            assert refused.value.retry_seconds == pytest.approx(expected / 1000, abs=1e-6)
        else:
            limit.take("ann")


@given(size=st.integers(1, 20), step=st.integers(1, 100))
def test_waiting_for_the_delay_is_enough(size: int, step: int) -> None:
    now = 1_000_000.123
    limit = LocalLimit(Limit("test", size, step / 7), now=lambda: now)
    for _ in range(size):
        limit.take("ann")
    for _ in range(20):
        with pytest.raises(Exhausted) as refused:
            limit.take("ann")
        assert refused.value.retry_seconds
        now += refused.value.retry_seconds
        limit.take("ann")


def test_one_user_does_not_use_up_the_bucket_of_another() -> None:
    limit = LocalLimit(Limit("test", 1, 10), now=lambda: 0.0)
    limit.take("ann")
    limit.take("bob")
    with pytest.raises(Exhausted):
        limit.take("ann")


def test_the_number_of_buckets_is_bounded() -> None:
    limit = LocalLimit(Limit("test", 1, 10), now=lambda: 0.0, keys=5)
    for number in range(20):
        limit.take(str(number))
    assert len(limit._full_at) == 5


def test_a_user_who_goes_on_keeps_the_bucket_when_others_come() -> None:
    limit = LocalLimit(Limit("test", 3, 10), now=lambda: 0.0, keys=5)
    for number in range(3):
        limit.take("ann")
        limit.take(f"other {number}")
        limit.take(f"another {number}")
    with pytest.raises(Exhausted):
        limit.take("ann")


def test_a_limit_is_read_from_its_text() -> None:
    assert Limit.parse("send", "60/1") == Limit("send", 60, 1.0)
    assert Limit.parse("send", "600/0.1") == Limit("send", 600, 0.1)


@pytest.mark.parametrize("text", ["", "60", "60/", "/1", "a/b", "0/1", "-1/1", "1/0", "1/-1"])
def test_a_wrong_limit_names_itself(text: str) -> None:
    with pytest.raises(ValueError, match="limit send"):
        Limit.parse("send", text)


@pytest.mark.parametrize("text", ["1/inf", "1/nan", "1.5/1"])
def test_a_limit_without_measure_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="limit send"):
        Limit.parse("send", text)
