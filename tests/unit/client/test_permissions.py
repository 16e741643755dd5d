"""The client offers what the server allows, and nothing else: its table against chat's."""

from itertools import product

import pytest

from hongyan_client.model import Group, GroupSettings
from hongyan_client.permissions import ROLES, Act, may
from services.chat import permissions
from services.chat.model import GroupRules


def test_the_client_knows_every_act_of_chat():
    assert [it.name for it in Act] == [it.name for it in permissions.Act]


@pytest.mark.parametrize("act", Act)
def test_the_client_decides_as_chat_does(act: Act):
    settings = ("member", "admin", "owner")
    for role, other, least, muted in product(ROLES, ROLES, settings, (False, True)):
        group = Group(GroupSettings("", least, least, least, muted=muted), role=role)
        number = ROLES.index(least)
        rules = GroupRules(may_invite=number, may_edit=number, may_announce=number, muted=muted)
        wanted = permissions.may(
            permissions.Act[act.name], ROLES.index(role), rules, ROLES.index(other)
        )
        assert may(act, group, other) is wanted, (role, other, least, muted)


def test_in_a_direct_chat_there_are_no_roles():
    assert may(Act.TIMER, None)
