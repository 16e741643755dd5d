"""Accounts for load: registered and logged in by the same calls that people use."""

import asyncio
import email
import os
import secrets
import time
from dataclasses import dataclass
from email.policy import default as modern
from functools import cache
from pathlib import Path

from hongyan.verify.v1 import account_grpc, account_pb2

from hongyan_client.channel import Channel
from services.common.identity import Caller
from services.common.tokens import Signer

PASSWORD = "load-test-only-鸿雁"
AT_ONCE = 8
MAIL_SECONDS = 10.0

# What a load needs: the limits are for people, and so is what a guess of a password costs.
OPEN_LIMITS = {
    "all": {"HONGYAN_PASSWORD_MEMORY_MIB": "8"}
    | {
        name: "1000000/0.0001"
        for name in (
            "HONGYAN_LIMIT_CODE_ADDRESS",
            "HONGYAN_LIMIT_CODE_IP",
            "HONGYAN_LIMIT_LOGIN_ACCOUNT",
            "HONGYAN_LIMIT_LOGIN_IP",
            "HONGYAN_LIMIT_CONNECT",
            "HONGYAN_LIMIT_SEND",
            "HONGYAN_LIMIT_SEND_DEVICE",
            "HONGYAN_LIMIT_CURSORS",
            "HONGYAN_LIMIT_CHANGE",
            "HONGYAN_LIMIT_SEARCH",
        )
    }
}


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A user with an open session."""

    user_id: str
    token: str


def mailed_code(folder: Path, address: str) -> str | None:
    """Returns the code in the newest mail to an address; None before it is there."""
    # By name, which is by time; a mail is parsed once, however often it is looked at.
    for name in sorted((it for it in os.listdir(folder) if it.endswith(".eml")), reverse=True):
        to, code = _read_mail(folder / name)
        if to == address:
            return code
    return None


@cache
def _read_mail(path: Path) -> tuple[str, str]:
    """Returns the address and the code of a mail; it is whole from when it is there."""
    mail = email.message_from_bytes(path.read_bytes(), policy=modern)
    body = mail.get_body()
    text = body.get_content() if body else ""
    code = next((word for word in text.replace("：", " ").split() if word.isdecimal()), "")
    return mail["to"], code


async def make_accounts(address: str, mail_folder: Path, count: int) -> list[LoggedIn]:
    """Registers and logs in new users; their codes are read from the mail folder."""
    channel = Channel(address)
    service = account_grpc.AccountServiceStub(channel.grpc)
    turn = asyncio.Semaphore(AT_ONCE)
    run = secrets.token_hex(4)

    async def one(number: int) -> LoggedIn:
        mailbox = f"load-{run}-{number}@example.org"
        async with turn:
            purpose = account_pb2.CODE_PURPOSE_REGISTER
            await channel.call(
                service.SendCode, account_pb2.SendCodeRequest(email=mailbox, purpose=purpose)
            )
            async with asyncio.timeout(MAIL_SECONDS):
                while (code := mailed_code(mail_folder, mailbox)) is None:
                    await asyncio.sleep(0.01)
            register = account_pb2.RegisterRequest(
                email=mailbox, code=code, password=PASSWORD, display_name=f"Load {number}"
            )
            await channel.call(service.Register, register, timeout=30)
            device = account_pb2.Device(id=f"load-{run}-{number}", name="load", platform="load")
            login = account_pb2.LoginRequest(email=mailbox, password=PASSWORD, device=device)
            answer = await channel.call(service.Login, login, timeout=30)
            return LoggedIn(answer.tokens.user_id, answer.tokens.access_token)

    try:
        return list(await asyncio.gather(*(one(number) for number in range(count))))
    finally:
        channel.close()


def sign_idle_sessions(signing_key: Path, users: list[str], count: int) -> list[LoggedIn]:
    """Signs access tokens for sessions that only sit there.

    Two thousand log-ins would be two thousand argon2 hashes; what an idle session costs has
    nothing to do with them. So the bench uses the installation's own key, which it has.
    """
    signer = Signer(signing_key.read_bytes())
    now = time.time()
    return [
        LoggedIn(user, signer.sign(Caller(user, f"idle-{number}"), now))
        for number, user in zip(
            range(count), (users[place % len(users)] for place in range(count)), strict=True
        )
    ]
