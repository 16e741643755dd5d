"""A checker that cannot find a fault proves nothing: each kind of fault is found."""

from dataclasses import replace

import pytest

from tests.faults.history import History, Log, Row, Sent, check

ROWS = tuple(Row("c", seq, "ling", f"k{seq}", f"text {seq}") for seq in (1, 2, 3))


def whole() -> History:
    history = History(
        sent=[Sent("c", "ling", f"k{seq}", f"text {seq}") for seq in (1, 2, 3)],
        acked=[("k1", 1), ("k2", 2), ("k3", 3)],
        members={"c": {"phone", "laptop"}},
    )
    history.shown["phone"] = list(ROWS)
    history.shown["laptop"] = list(ROWS)
    return history


def verdict(history: History, rows=ROWS, last_seq=3):
    return check("unit", 0, history, Log(tuple(rows), {"c": last_seq}))


def test_a_whole_history_is_clean():
    found = verdict(whole())
    assert found.clean
    assert (found.messages, found.acked) == (3, 3)


def test_an_ack_without_its_row_is_a_loss():
    history = whole()
    history.acked.append(("k4", 4))
    history.sent.append(Sent("c", "ling", "k4", "text 4"))
    assert verdict(history).lost == 1


def test_a_text_that_changed_is_a_loss():
    changed = (*ROWS[:2], replace(ROWS[2], text="other"))
    assert verdict(whole(), changed).lost == 1


def test_a_row_that_a_device_never_showed_is_a_loss():
    history = whole()
    history.shown["laptop"].pop()
    assert verdict(history).lost == 1


def test_two_rows_of_one_message_are_a_duplicate():
    twice = (*ROWS, replace(ROWS[2], seq=4))
    assert verdict(whole(), twice, last_seq=4).duplicates == 1


def test_two_numbers_for_one_message_are_a_duplicate():
    history = whole()
    history.acked.append(("k1", 2))
    assert verdict(history).duplicates == 1


def test_a_message_that_is_shown_twice_is_a_duplicate():
    history = whole()
    history.shown["phone"].append(ROWS[2])
    assert verdict(history).duplicates == 1


@pytest.mark.parametrize(("rows", "last_seq"), [((ROWS[0], ROWS[2]), 3), (ROWS, 4)])
def test_a_number_that_is_skipped_is_a_hole(rows, last_seq):
    assert verdict(whole(), rows, last_seq).holes == 1


def test_showing_out_of_order_is_a_disorder():
    history = whole()
    history.shown["phone"] = [ROWS[1], ROWS[0], ROWS[2]]
    assert verdict(history).disorders == 1


def test_storing_in_another_order_than_the_sender_wrote_is_a_disorder():
    history = whole()
    history.sent = [history.sent[1], history.sent[0], history.sent[2]]
    assert verdict(history).disorders == 1


def test_a_refusal_for_good_is_counted():
    history = whole()
    history.failed.append(("k3", "INTERNAL"))
    assert not verdict(history).clean
