"""A real verify pod in this process, put together as its main does, and a client of it."""

import email
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.policy import default as modern
from pathlib import Path
from typing import Any

import grpc
import uuid_utils
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from hongyan.verify.v1 import (
    account_pb2,
    account_pb2_grpc,
    admin_pb2_grpc,
    bot_pb2,
    bot_pb2_grpc,
    login_code_pb2,
    login_code_pb2_grpc,
    trust_pb2_grpc,
)
from redis.asyncio.cluster import RedisCluster

from services.common.admins import Admins
from services.common.audit import Administration, Audit
from services.common.database import Database
from services.common.limits import SharedLimits
from services.common.tokens import LIFETIME_SECONDS, Signer, TrustUpdate
from services.verify import administration
from services.verify.admin_rpc import AdminService
from services.verify.admin_store import audit
from services.verify.avatars import Painter
from services.verify.bot_rpc import BotService
from services.verify.bots import Bots
from services.verify.erasures import Erasures
from services.verify.login_code_rpc import LoginCodeService
from services.verify.login_codes import LoginCodes
from services.verify.mail import Folder, Post
from services.verify.main import Tables, bot_policy, login_code_policy, policy, profile_policy
from services.verify.passwords import Passwords
from services.verify.profiles import Profiles
from services.verify.rpc import AccountService, TrustService
from services.verify.rules import MICROS, Verify
from services.verify.settings import Settings
from tests.service.gate.world import Service

PASSWORD = "a good 密码 42"
EMAIL = "ling@example.org"
LIMITS = (
    *("code_address", "code_ip", "login_account", "login_ip", "search_user", "avatar", "bot"),
    *("login_code", "login_code_look", "claim_ip", "claim_poll_ip"),
)
WIDE = {f"limit_{name}": "1000000/0.001" for name in LIMITS}
Purpose = account_pb2.CodePurpose
REGISTER = Purpose.CODE_PURPOSE_REGISTER
RESET = Purpose.CODE_PURPOSE_RESET_PASSWORD


def new_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


class _Trusted:
    """What a pod tells itself of tokens."""

    def __init__(self, pod: "VerifyPod") -> None:
        self._pod = pod

    async def trust(self, mark: int) -> TrustUpdate:
        ended, following = await self._pod.verify.ended_since(mark)
        return TrustUpdate(self._pod.signer.key_set_json, tuple(ended), following)


class VerifyPod(Service):
    """One verify pod. `now` is Unix seconds and moves when a test says so."""

    def __init__(
        self,
        port: int,
        url: str,
        redis: RedisCluster,
        mails: Path,
        *,
        admin_keys_file: Path | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(_Trusted(self), port)
        self.now = float(int(time.time()))
        self.signer = Signer(new_key())
        self.mails = mails
        self.database = Database(url, pool=4)
        self.post = Post(Folder(mails), "Hongyan <hongyan@example.org>", now=lambda: self.now)
        self.verify = Verify(
            self._begin,
            self._read,
            policy=policy(Settings(**settings)),
            passwords=Passwords(memory_mib=8),
            limits=SharedLimits(redis),
            post=self.post,
            sign=lambda caller, now: (self.signer.sign(caller, now), int(now) + LIFETIME_SECONDS),
            secret=b"0123456789abcdef0123456789abcdef",
            now=lambda: int(self.now * MICROS),
            new_id=lambda: uuid_utils.uuid7().hex,
        )
        self.profiles = Profiles(
            self._begin,
            self._read,
            policy=profile_policy(Settings(**settings)),
            limits=SharedLimits(redis),
            painter=Painter(),
            now=lambda: int(self.now * MICROS),
        )
        self.bots = Bots(
            self._begin,
            self._read,
            profiles=self.profiles,
            policy=bot_policy(Settings(**settings)),
            limits=SharedLimits(redis),
            now=lambda: int(self.now * MICROS),
            new_id=lambda: uuid_utils.uuid7().hex,
        )
        self.login_codes = LoginCodes(
            self._begin,
            self._read,
            verify=self.verify,
            policy=login_code_policy(Settings(**settings)),
            now=lambda: int(self.now * MICROS),
            new_id=lambda: uuid_utils.uuid7().hex,
        )
        self.erasures = Erasures(
            self._begin, self._read, erasers=(), now=lambda: int(self.now * MICROS)
        )
        self.trust._now = lambda: self.now
        self._admin = administration.Administration(
            self._begin, self._read, now=lambda: int(self.now * MICROS)
        )
        self._audit = Audit(
            self.database.begin,
            self.database.read,
            audit,
            now=lambda: int(self.now * MICROS),
            new_id=lambda: uuid_utils.uuid7().hex,
        )
        self.administration = Administration(Admins(admin_keys_file), self._audit)

    @asynccontextmanager
    async def _begin(self) -> AsyncIterator[Tables]:
        async with self.database.begin() as connection:
            yield Tables(connection)

    @asynccontextmanager
    async def _read(self) -> AsyncIterator[Tables]:
        async with self.database.read() as connection:
            yield Tables(connection)

    async def start(self) -> "VerifyPod":
        def register(server: grpc.aio.Server) -> None:
            accounts = AccountService(self.verify, self.profiles, self.erasures)
            account_pb2_grpc.add_AccountServiceServicer_to_server(accounts, server)
            login_code_pb2_grpc.add_LoginCodeServiceServicer_to_server(
                LoginCodeService(self.login_codes, accounts.to_me), server
            )
            bot_pb2_grpc.add_BotServiceServicer_to_server(
                BotService(self.bots, self.erasures), server
            )
            trust_pb2_grpc.add_TrustServiceServicer_to_server(
                TrustService(self.verify, self.profiles, self.signer.key_set_json), server
            )
            admin_pb2_grpc.add_AdminServiceServicer_to_server(
                AdminService(self._admin, self._audit), server
            )

        await self.serve(register, self.post.run)
        return self

    async def stop(self) -> None:
        await super().stop()
        await self.database.close()

    async def code(self, address: str = EMAIL) -> str:
        """Returns the newest code that was mailed to an address."""
        await self.post._queue.join()
        return newest_code(self.mails, address)


def newest_code(folder: Path, address: str) -> str:
    """Returns the newest code in the mails to an address, "" when there is none."""
    codes = [""]
    for file in sorted(folder.glob("*.eml"), key=lambda one: one.stat().st_mtime_ns):
        parsed = email.message_from_bytes(file.read_bytes(), policy=modern)
        if parsed["to"] == address:
            codes.append(parsed.get_content().partition("code is ")[2][:6])
    return codes[-1]


class Client:
    """Calls verify as somebody, from an IP address."""

    def __init__(self, channel: grpc.aio.Channel, ip: str = "") -> None:
        self.channel = channel
        self.stub: Any = account_pb2_grpc.AccountServiceStub(channel)
        self.stubs: tuple[Any, ...] = (
            self.stub,
            bot_pb2_grpc.BotServiceStub(channel),
            login_code_pb2_grpc.LoginCodeServiceStub(channel),
        )
        self.ip = ip
        self.token = ""

    async def call(self, name: str, request: Any, **headers: str) -> Any:
        metadata = [(key.replace("_", "-"), value) for key, value in headers.items()]
        if self.ip:
            metadata.append(("x-forwarded-for", self.ip))
        if self.token:
            metadata.append(("authorization", f"Bearer {self.token}"))
        (method,) = (getattr(stub, name) for stub in self.stubs if hasattr(stub, name))
        return await method(request, metadata=metadata, timeout=15)

    async def send_code(self, address: str = EMAIL, purpose: int = REGISTER, **headers: str) -> Any:
        request = account_pb2.SendCodeRequest(email=address, purpose=purpose)
        return await self.call("SendCode", request, **headers)

    async def register(
        self, code: str, address: str = EMAIL, password: str = PASSWORD, name: str = "灵"
    ) -> Any:
        request = account_pb2.RegisterRequest(
            email=address, code=code, password=password, display_name=name
        )
        return (await self.call("Register", request)).me

    async def login(
        self, address: str = EMAIL, password: str = PASSWORD, device: str = "phone-0001"
    ) -> Any:
        request = account_pb2.LoginRequest(
            email=address,
            password=password,
            device=account_pb2.Device(id=device, name=f"her {device}", platform="linux"),
        )
        return (await self.call("Login", request)).tokens

    async def refresh(self, token: str) -> Any:
        return (await self.call("Refresh", account_pb2.RefreshRequest(refresh_token=token))).tokens

    async def revoke(self, session_id: str) -> None:
        await self.call("RevokeSession", account_pb2.RevokeSessionRequest(session_id=session_id))

    async def sessions(self) -> list[Any]:
        answer = await self.call("ListSessions", account_pb2.ListSessionsRequest())
        return list(answer.sessions)

    async def reset(self, code: str, password: str, address: str = EMAIL) -> None:
        request = account_pb2.ResetPasswordRequest(email=address, code=code, new_password=password)
        await self.call("ResetPassword", request)

    async def create_bot(self, name: str = "回声", **fields: Any) -> Any:
        bot = bot_pb2.Bot(display_name=name, **fields)
        return (await self.call("CreateBot", bot_pb2.CreateBotRequest(bot=bot))).bot

    async def create_bot_token(self, bot: Any, *scopes: int, **fields: Any) -> Any:
        request = bot_pb2.CreateBotTokenRequest(user_id=bot.user_id, scopes=scopes, **fields)
        return await self.call("CreateBotToken", request)

    async def create_login_code(self) -> Any:
        request = login_code_pb2.CreateLoginCodeRequest()
        return await self.call("CreateLoginCode", request)

    async def login_code(self, code_id: str) -> Any:
        request = login_code_pb2.GetLoginCodeRequest(code_id=code_id)
        return (await self.call("GetLoginCode", request)).login_code

    async def answer_login_code(self, code_id: str, approve: bool) -> Any:
        request = login_code_pb2.AnswerLoginCodeRequest(code_id=code_id, approve=approve)
        return (await self.call("AnswerLoginCode", request)).login_code

    async def claim_login_code(self, code: str, device: str = "tablet-0002") -> Any:
        request = login_code_pb2.ClaimLoginCodeRequest(
            code=code,
            device=account_pb2.Device(id=device, name=f"her {device}", platform="android"),
        )
        return await self.call("ClaimLoginCode", request)

    async def login_with_code(self, claim_token: str) -> Any:
        request = login_code_pb2.LoginWithCodeRequest(claim_token=claim_token)
        return await self.call("LoginWithCode", request)

    async def me(self) -> Any:
        return (await self.call("GetMe", account_pb2.GetMeRequest())).me


class Refusal:
    """What a call was refused with: everything that the caller can see."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        self.code = error.code()
        self.text = str(error.details())
        self.reason, self.retry_seconds = "", 0.0
        self.fields: dict[str, str] = {}
        status = rpc_status.from_call(error)
        self.details = [bytes(detail.value) for detail in status.details] if status else []
        for detail in status.details if status else ():
            for kind in (
                error_details_pb2.ErrorInfo(),
                error_details_pb2.RetryInfo(),
                error_details_pb2.BadRequest(),
            ):
                if not detail.Is(kind.DESCRIPTOR):
                    continue
                detail.Unpack(kind)
                if isinstance(kind, error_details_pb2.ErrorInfo):
                    self.reason = kind.reason
                elif isinstance(kind, error_details_pb2.RetryInfo):
                    self.retry_seconds = kind.retry_delay.ToTimedelta().total_seconds()
                else:
                    self.fields = {one.field: one.description for one in kind.field_violations}

    @property
    def seen(self) -> tuple[object, ...]:
        return self.code, self.text, self.details


async def refusal(call: Any) -> Refusal:
    """Returns what a call was refused with; fails when it was not."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return Refusal(error)
    raise AssertionError("the call was not refused")
