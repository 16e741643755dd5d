"""Puts verify together and runs it: `python -m services.verify.main [serve|migrate]`."""

import argparse
import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import uuid_utils
from hongyan.verify.v1 import (
    account_pb2_grpc,
    admin_pb2_grpc,
    bot_pb2_grpc,
    login_code_pb2_grpc,
    trust_pb2_grpc,
)

from services.common import audit, calls, cluster, serving
from services.common.admins import Admins
from services.common.database import Database
from services.common.identity import Caller
from services.common.limits import Limit, SharedLimits
from services.common.tokens import LIFETIME_SECONDS, Signer, Trust, TrustUpdate
from services.verify.admin_rpc import AdminService
from services.verify.admin_store import AdminStore
from services.verify.admin_store import audit as audit_entries
from services.verify.administration import Administration
from services.verify.avatars import Painter
from services.verify.bot_rpc import BotService
from services.verify.bots import BotPolicy, Bots
from services.verify.erasers import ChatEraser
from services.verify.erasures import Erasures
from services.verify.login_code_rpc import LoginCodeService
from services.verify.login_code_store import LoginCodeStore
from services.verify.login_codes import LoginCodePolicy, LoginCodes
from services.verify.mail import Carrier, Folder, Post, Smtp
from services.verify.passwords import Passwords
from services.verify.profiles import ProfilePolicy, Profiles
from services.verify.rpc import AccountService, TrustService
from services.verify.rules import DAY, MICROS, Policy, Verify
from services.verify.settings import Settings

NAMES = tuple(
    f"hongyan.verify.v1.{it}"
    for it in ("AccountService", "BotService", "LoginCodeService", "TrustService", "AdminService")
)
KEY_SET_PATH = "/.well-known/jwks.json"


def policy(settings: Settings) -> Policy:
    """Returns the durations and limits that the settings name."""
    return Policy(
        code_life=int(settings.code_minutes * 60 * MICROS),
        code_tries=settings.code_tries,
        session_idle=int(settings.session_idle_days * DAY),
        session_life=int(settings.session_days * DAY),
        refresh_grace=int(settings.refresh_grace_seconds * MICROS),
        code_address=Limit.parse("code_address", settings.limit_code_address),
        code_ip=Limit.parse("code_ip", settings.limit_code_ip),
        login_account=Limit.parse("login_account", settings.limit_login_account),
        login_ip=Limit.parse("login_ip", settings.limit_login_ip),
    )


def profile_policy(settings: Settings) -> ProfilePolicy:
    """Returns what the settings say of profiles."""
    return ProfilePolicy(
        handle_life=int(settings.handle_days * DAY),
        search_user=Limit.parse("search_user", settings.limit_search_user),
        avatar=Limit.parse("avatar", settings.limit_avatar),
    )


def bot_policy(settings: Settings) -> BotPolicy:
    """Returns what the settings say of bots."""
    return BotPolicy(settings.bots, Limit.parse("bot", settings.limit_bot))


def login_code_policy(settings: Settings) -> LoginCodePolicy:
    """Returns what the settings say of codes for other devices."""
    return LoginCodePolicy(
        life=int(settings.login_code_seconds * MICROS),
        make=Limit.parse("login_code", settings.limit_login_code),
        look=Limit.parse("login_code_look", settings.limit_login_code_look),
        claim_ip=Limit.parse("claim_ip", settings.limit_claim_ip),
        poll_ip=Limit.parse("claim_poll_ip", settings.limit_claim_poll_ip),
    )


class Tables(AdminStore, LoginCodeStore):
    """All that is kept, in one open transaction."""


async def serve() -> None:
    settings = Settings()
    key = settings.signing_key_pem()
    signer = Signer(key)
    database = Database(settings.database_url.get_secret_value(), settings.database_pool)
    redis = cluster.connect(settings)

    @asynccontextmanager
    async def begin() -> AsyncIterator[Tables]:
        async with database.begin() as connection:
            yield Tables(connection)

    @asynccontextmanager
    async def read() -> AsyncIterator[Tables]:
        async with database.read() as connection:
            yield Tables(connection)

    carrier: Carrier = Folder(settings.mail_folder)
    if smtp_url := settings.smtp_url.get_secret_value():
        carrier = Smtp(smtp_url)
    post = Post(carrier, settings.mail_from, now=time.time)

    def sign(caller: Caller, at: float) -> tuple[str, float]:
        return signer.sign(caller, at), int(at) + LIFETIME_SECONDS

    def now() -> int:
        return time.time_ns() // 1000

    limits = SharedLimits(redis)
    verify = Verify(
        begin,
        read,
        policy=policy(settings),
        passwords=Passwords(settings.password_memory_mib),
        limits=limits,
        post=post,
        sign=sign,
        # Derived, so that there is one secret to keep; changing it only voids open codes.
        secret=hmac.digest(key, b"hongyan codes", hashlib.sha256),
        now=now,
        new_id=lambda: uuid_utils.uuid7().hex,
    )

    profiles = Profiles(
        begin, read, policy=profile_policy(settings), limits=limits, painter=Painter(), now=now
    )
    bots = Bots(
        begin,
        read,
        profiles=profiles,
        policy=bot_policy(settings),
        limits=limits,
        now=now,
        new_id=lambda: uuid_utils.uuid7().hex,
    )
    login_codes = LoginCodes(
        begin,
        read,
        verify=verify,
        policy=login_code_policy(settings),
        now=now,
        new_id=lambda: uuid_utils.uuid7().hex,
    )
    # Whichever pod of chat answers will do.
    channel = calls.open_channel(settings.chat_target.partition(",")[0])
    erasers = (ChatEraser(channel, settings.shared_key()),)
    erasures = Erasures(begin, read, erasers=erasers, now=now)

    entries = audit.Audit(
        database.begin,
        database.read,
        audit_entries,
        now=now,
        new_id=lambda: uuid_utils.uuid7().hex,
    )
    administration = Administration(begin, read, now=now)

    async def own_trust(mark: int) -> TrustUpdate:
        ended, following = await verify.ended_since(mark)
        return TrustUpdate(signer.key_set_json, tuple(ended), following)

    def register(server: grpc.aio.Server) -> None:
        accounts = AccountService(verify, profiles, erasures)
        account_pb2_grpc.add_AccountServiceServicer_to_server(accounts, server)
        login_code_pb2_grpc.add_LoginCodeServiceServicer_to_server(
            LoginCodeService(login_codes, accounts.to_me), server
        )
        bot_pb2_grpc.add_BotServiceServicer_to_server(BotService(bots, erasures), server)
        trust_pb2_grpc.add_TrustServiceServicer_to_server(
            TrustService(verify, profiles, signer.key_set_json), server
        )

        admin_pb2_grpc.add_AdminServiceServicer_to_server(
            AdminService(administration, entries), server
        )

    trust = Trust(own_trust, now=time.time)
    try:
        await cluster.find_nodes(redis)
        await serving.serve(
            "verify",
            settings,
            trust=trust,
            register=register,
            names=NAMES,
            ready=database.check,
            background=(trust.follow, post.run, erasures.run, bots.run, login_codes.run),
            pages={KEY_SET_PATH: lambda: ("application/json", signer.key_set_json.encode())},
            administration=audit.Administration(Admins(settings.admin_keys_file), entries),
        )
    finally:
        await channel.close()
        await redis.aclose()
        await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m services.verify.main",
        description="Hongyan's account service. Settings are HONGYAN_* environment variables.",
    )
    parser.add_argument("command", nargs="?", choices=("serve", "migrate"), default="serve")
    if parser.parse_args().command == "serve":
        serving.run(serve)
    else:
        serving.run_migration("verify", Settings().database_url.get_secret_value())


if __name__ == "__main__":
    main()
