"""A verify process whose every line of output is read: nothing secret is in it."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2

from tests.service.conftest import Valkey
from tests.service.status.test_process import Process, fetch, running
from tests.service.verify.world import PASSWORD, RESET, Client, new_key, newest_code, refusal

ADDRESS = "canary.address@example.org"
NEW_PASSWORD = "canary-password 9"
NAME = "canary-name"


@dataclass
class Running:
    process: Process
    client: Client
    mails: Path
    database: Path

    async def code(self, former: str = "") -> str:
        async with asyncio.timeout(15):
            while (code := newest_code(self.mails, ADDRESS)) in ("", former):
                await asyncio.sleep(0.01)
        return code

    async def output(self) -> str:
        """Ends the process and returns all that it wrote."""
        self.process.process.terminate()
        assert await self.process.ended() == 0
        return str(self.process.lines)


@pytest.fixture
async def verify(
    verify_database: str, valkey_server: Valkey, redis, tmp_path: Path
) -> AsyncIterator[Running]:
    mails = tmp_path / "mail"
    async with running(
        "verify",
        database_url=verify_database,
        redis_nodes=valkey_server.settings.redis_nodes,
        mail_folder=mails,
        signing_key=new_key().decode(),
        log_level="debug",
    ) as process:
        await process.becomes(health_pb2.HealthCheckResponse.SERVING)
        client = Client(process.channel, "198.51.100.77")
        yield Running(process, client, mails, tmp_path / "verify.db")


async def test_no_code_password_token_or_address_is_in_a_log(verify: Running) -> None:
    client, secrets = verify.client, [ADDRESS, "canary", PASSWORD, NEW_PASSWORD, "198.51.100.77"]
    await client.send_code(ADDRESS)
    secrets.append(code := await verify.code())
    await refusal(client.register("999999" if code != "999999" else "999998", ADDRESS))
    await client.register(code, ADDRESS, name=NAME)
    await refusal(client.login(ADDRESS, "canary-guess"))
    tokens = await client.login(ADDRESS)
    client.token = tokens.access_token
    fresh = await client.refresh(tokens.refresh_token)
    made = await client.create_login_code()
    claimed = await client.claim_login_code(made.code)
    await client.answer_login_code(made.code_id, True)
    linked = (await client.login_with_code(claimed.claim_token)).login.tokens
    await refusal(client.login_with_code(claimed.claim_token))
    secrets += [made.code, claimed.claim_token, "her tablet-0002", linked.refresh_token]
    await client.send_code(ADDRESS, RESET)
    secrets.append(other := await verify.code(code))
    await client.reset(other, NEW_PASSWORD, ADDRESS)
    await refusal(client.refresh(fresh.refresh_token))
    for one in (tokens, fresh):
        secrets += [one.access_token, one.refresh_token, one.access_token.rpartition(".")[2]]
    output = await verify.output()
    assert "server.ready" in output
    assert [secret for secret in secrets if secret in output] == []


async def test_a_failure_that_nobody_foresaw_writes_no_secret_either(verify: Running) -> None:
    client = verify.client
    await client.send_code(ADDRESS)
    code = await verify.code()
    await client.register(code, ADDRESS, name=NAME)
    with sqlite3.connect(verify.database) as database:
        database.execute("UPDATE account SET created_at = 'broken'")
    database.close()
    refused = await refusal(client.login(ADDRESS))
    assert refused.code is grpc.StatusCode.INTERNAL
    assert refused.text == "internal error"
    again = await refusal(client.register(code, ADDRESS, name=NAME))
    assert again.code is grpc.StatusCode.INTERNAL
    output = await verify.output()
    assert "call.failed" in output
    secrets = [ADDRESS, PASSWORD, NAME, code, "argon2id", "refresh_token: "]
    assert [secret for secret in secrets if secret in output] == []


async def test_the_key_set_is_a_page_and_has_no_private_part(verify: Running) -> None:
    page = await asyncio.to_thread(fetch, verify.process.ops_port, "/.well-known/jwks.json")
    assert '"kty": "OKP"' in page
    assert '"d"' not in page
    metrics = await asyncio.to_thread(fetch, verify.process.ops_port, "/metrics")
    assert "hongyan_verify_logins" in metrics
    assert "hongyan_verify_login_codes" in metrics
    assert ADDRESS not in metrics
