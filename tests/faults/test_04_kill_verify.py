"""4: verify is killed while people register and log in: no half account, and a retry is safe."""

import asyncio
import contextlib
import secrets
from functools import partial

import pytest
import sqlalchemy as sa

from hongyan_client.client import Client
from hongyan_client.errors import DeadlineExceeded, ServerError, Unavailable
from loadtest.accounts import PASSWORD, mailed_code
from services.common.database import sync_url
from tests.faults.invariants import broken
from tests.faults.people import Town, until
from tests.faults.report import trial
from tests.faults.scale import scaled

MAIL_SECONDS = 5

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(scaled(150, 900))]


class Newcomers:
    """People who register and log in, one after the other, and try again when they must."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self.emails: list[str] = []
        self.tries = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Brings in people until told to stop."""
        while not stop.is_set():
            email = f"new-{secrets.token_hex(6)}@example.org"
            client = self._town.device("new").client
            code = await self._code(client, email)
            await self._register(client, email, code)
            await self._again(partial(client.login, email, PASSWORD, platform="test"))
            self.emails.append(email)

    async def _again(self, call):
        """Calls until there is an answer; raises a refusal."""
        while True:
            self.tries += 1
            try:
                return await call()
            except (Unavailable, DeadlineExceeded):
                await asyncio.sleep(0.1)

    async def _code(self, client: Client, email: str) -> str:
        """Asks for a code, again when verify was killed before it wrote the mail."""
        folder = self._town.system.mail_folder
        while True:
            await self._again(partial(client.send_code, email, "register"))
            with contextlib.suppress(AssertionError):
                await until(lambda: mailed_code(folder, email) is not None, "a mail", MAIL_SECONDS)
            if code := mailed_code(folder, email):
                self._town.codes.add(code)
                return code

    async def _register(self, client: Client, email: str, code: str) -> None:
        """Registers; a refusal after a lost answer means that it had been done."""
        while True:
            self.tries += 1
            try:
                await client.register(email, code, PASSWORD, "新人")
                return
            except (Unavailable, DeadlineExceeded):
                await asyncio.sleep(0.1)
            except ServerError as error:
                if error.reason != "CODE_INVALID":
                    raise
                # Either the account is there, or a newer mail has crossed: logging in tells.
                newest = mailed_code(self._town.system.mail_folder, email)
                if newest == code:
                    return
                code = newest or code
                self._town.codes.add(code)


def counts(url: str, emails: list[str]) -> tuple[int, int]:
    """Returns how many accounts these addresses have, and how many have an open session."""
    engine = sa.create_engine(sync_url(url), poolclass=sa.NullPool)
    statements = (
        "SELECT COUNT(*) FROM account WHERE email IN :emails",
        "SELECT COUNT(DISTINCT s.user_id) FROM session s JOIN account a ON a.user_id = s.user_id"
        " WHERE s.ended_at IS NULL AND a.email IN :emails",
    )
    with engine.connect() as connection:
        accounts, with_session = (
            connection.execute(
                sa.text(statement).bindparams(sa.bindparam("emails", expanding=True)),
                {"emails": emails},
            ).scalar_one()
            for statement in statements
        )
    engine.dispose()
    return accounts, with_session


async def test_verify_killed_during_register_and_log_in(world, town):
    with trial("04", "verify killed during register and log-in") as record:
        newcomers, stop = Newcomers(town), asyncio.Event()
        async with asyncio.TaskGroup() as people:
            for _ in range(4):
                people.create_task(newcomers.run(stop))
            for _ in range(scaled(4, 15)):
                goal = newcomers.tries + 7
                await until(lambda goal=goal: newcomers.tries >= goal, "more calls")
                await world.system.kill("verify")
                record.faults += 1
                await world.system.start("verify")
            stop.set()
        number = len(newcomers.emails)
        record.figures["registered"] = number
        record.figures["calls, retries among them"] = newcomers.tries
        assert counts(world.system.database_url, newcomers.emails) == (number, number)
        assert broken(town) == []
