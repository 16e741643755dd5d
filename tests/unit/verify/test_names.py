"""Names and passwords as people and attackers type them."""

import pytest

from services.common.errors import Invalid
from services.verify.model import Purpose
from services.verify.names import normal_email, normal_name
from services.verify.passwords import refuse_common
from tests.unit.verify.conftest import PASSWORD
from tests.unit.verify.test_accounts import EMAIL, PHONE, reason_of, registered, stored


@pytest.mark.parametrize(
    "name",
    ["", "   ", "\u3000", "\u200b\u200b", "\u2060", "\u00ad", "\ufeff", " \u200d ", "\u3164"],
    ids=ascii,
)
def test_a_name_that_nobody_can_see_is_blank(name):
    with pytest.raises(Invalid) as refused:
        normal_name(name)
    assert refused.value.fields == {"display_name": "is blank"}


@pytest.mark.parametrize(
    "name",
    [f"a{sign}b" for sign in "\n\r\x00\x7f\x85\x9b\u2028\u2029\u202e\u2066"],
    ids=ascii,
)
def test_a_name_has_no_control_characters_in_it(name):
    with pytest.raises(Invalid) as refused:
        normal_name(name)
    assert list(refused.value.fields) == ["display_name"]


@pytest.mark.parametrize("name", ["灵", "Zoë O'Neill", "👩‍👩‍👧", "می‌خواهم", "a" * 64], ids=ascii)
def test_a_name_in_any_script_is_kept(name):
    assert normal_name(name) == name


def test_a_name_that_grows_when_it_is_normalised_must_still_fit():
    with pytest.raises(Invalid) as refused:
        normal_name("\u0958" * 33)
    assert "64" in refused.value.fields["display_name"]


def test_a_name_is_kept_composed():
    assert normal_name("Zoe\u0308") == "Zo\u00eb"


@pytest.mark.parametrize("email", ["Ling@Example.ORG", "LING@EXAMPLE.ORG", "ling@example.org"])
def test_an_address_has_one_form(email):
    assert normal_email(email) == EMAIL


@pytest.mark.parametrize("email", ["Ling@Example.ORG", "LING@EXAMPLE.ORG"])
async def test_an_address_logs_in_and_resets_however_it_is_written(world, email):
    await registered(world)
    await world.verify.login(email, PASSWORD, PHONE, "ip")
    await world.verify.send_code(email, Purpose.RESET_PASSWORD, "ip")
    await world.verify.reset_password(EMAIL, world.desk.code(EMAIL), "quite another 9")
    await world.verify.login(email, "quite another 9", PHONE, "ip")


@pytest.mark.parametrize("password", ["PASSWORD", "iloveyou", "11111111", "88888888", "qwerty123"])
def test_a_common_password_is_refused_in_capitals_too(password):
    with pytest.raises(Invalid) as refused:
        refuse_common(password, "password")
    assert list(refused.value.fields) == ["password"]


def test_a_password_needs_no_signs_and_no_digits():
    refuse_common("correct horse battery staple", "password")


async def test_a_common_password_costs_no_try_and_is_refused_at_a_reset_too(world):
    await registered(world)
    await world.verify.send_code(EMAIL, Purpose.RESET_PASSWORD, "ip")
    code = world.desk.code(EMAIL)
    for _ in range(6):
        resetting = world.verify.reset_password(EMAIL, code, "password1")
        assert await reason_of(resetting) == "PASSWORD_TOO_COMMON"
    await world.verify.reset_password(EMAIL, code, "quite another 9")


async def test_a_failed_rename_changes_nothing(world):
    me = await registered(world)
    for name in ("\u200b", "a\u202eb"):
        assert (
            await reason_of(world.profiles.change(me.user_id, {"display_name": name}))
            == "INVALID_FIELD"
        )
    (row,) = await stored(world, "account")
    assert row.display_name == "灵"
