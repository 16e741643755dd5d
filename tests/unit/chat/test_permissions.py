"""The table of docs/permissions.md and the one in code say the same, cell by cell."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from services.chat.model import ADMIN, MEMBER, OWNER, GroupRules
from services.chat.permissions import TABLE, Act, may

PAGE = Path(__file__).parents[3] / "docs" / "permissions.md"
ROLES = {"member": MEMBER, "admin": ADMIN, "owner": OWNER}
SETTINGS = {
    Act.INVITE: "may_invite",
    Act.EDIT: "may_edit",
    Act.PIN: "may_edit",
    Act.ANNOUNCE: "may_announce",
}


def cells() -> list[tuple[str, str, str]]:
    """Returns (act, role, cell) of the page's table."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.read_text().splitlines()
        if line.startswith("| ")
    ]
    head, *body = rows
    assert head[:4] == ["act", *ROLES]
    return [(row[0], role, row[place]) for row in body for place, role in enumerate(ROLES, 1)]


CELLS = cells()


def test_every_act_is_on_the_page_and_in_the_table() -> None:
    assert {act for act, _, _ in CELLS} == {act.value for act in Act} == {it.value for it in TABLE}
    assert len(CELLS) == len(Act) * len(ROLES)


@pytest.mark.parametrize(("act", "role", "cell"), CELLS)
def test_a_cell(act: str, role: str, cell: str) -> None:
    which, has = Act(act), ROLES[role]
    settings = itertools.product((MEMBER, ADMIN, OWNER), repeat=3)
    for invite, edit, announce in settings:
        rules = GroupRules("", invite, edit, announce)
        for other in (MEMBER, ADMIN, OWNER):
            answer = may(which, has, rules, other)
            match cell:
                case "yes":
                    assert answer
                case "no":
                    assert not answer
                case "lesser":
                    assert answer == (other < has)
                case "setting":
                    assert answer == (has >= getattr(rules, SETTINGS[which]))
                case _:
                    raise AssertionError(f"{cell} is no word of the table")


@pytest.mark.parametrize("act", Act)
def test_who_is_no_member_may_nothing(act: Act) -> None:
    assert not may(act, 0, GroupRules(may_invite=0, may_edit=0, may_announce=0), 0)


def test_defaults_are_those_of_the_page_and_muting_is_for_members() -> None:
    rules = GroupRules()
    assert (rules.may_invite, rules.may_edit, rules.may_announce) == (MEMBER, MEMBER, ADMIN)
    muted = replace(rules, muted=True)
    assert [may(Act.WRITE, role, muted) for role in ROLES.values()] == [False, True, True]
    assert may(Act.RECALL, MEMBER, muted)
