"""The real hash, once; and how many are made at the same time."""

import asyncio
import functools

import argon2
import pytest

from services.verify import passwords
from services.verify.passwords import HASHES_AT_ONCE, Passwords


@pytest.fixture(autouse=True)
def cheap_hashes():
    """Not here."""


async def test_a_password_is_hashed_with_64_mebibytes_and_a_salt_of_its_own():
    keeper = Passwords()
    first, second = await asyncio.gather(keeper.hash("a good one 42"), keeper.hash("a good one 42"))
    assert first != second
    parameters = argon2.extract_parameters(first)
    assert parameters.type is argon2.Type.ID
    assert parameters.memory_cost >= 64 * 1024
    assert parameters.time_cost >= 3
    assert await keeper.check("a good one 42", first)
    assert not await keeper.check("a good one 43", first)
    assert not await keeper.check("nobody has this password", None)
    # An unknown address costs what a known one does.
    assert argon2.extract_parameters(keeper._nobody) == parameters


async def test_only_so_many_hashes_are_made_at_once(monkeypatch):
    running, most = 0, 0

    class Counted(argon2.PasswordHasher):
        def __init__(self, **_: object) -> None:
            super().__init__(time_cost=1, memory_cost=512, parallelism=1)

        def hash(self, password, *, salt=None):
            nonlocal running, most
            running += 1
            most = max(most, running)
            try:
                return super().hash(password, salt=salt)
            finally:
                running -= 1

    monkeypatch.setattr(passwords, "PasswordHasher", Counted)
    keeper = Passwords()
    await asyncio.gather(*(keeper.hash(f"password {number}") for number in range(20)))
    assert 1 <= most <= HASHES_AT_ONCE


async def test_a_hash_that_is_broken_fits_no_password(monkeypatch):
    cheap = functools.partial(argon2.PasswordHasher, time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "PasswordHasher", cheap)
    assert not await Passwords().check("anything", "not a hash")
