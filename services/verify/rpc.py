"""verify.v1 on the wire: protobuf in, protobuf out, nothing decided here."""

from typing import Any

from hongyan.verify.v1 import account_pb2, trust_pb2, trust_pb2_grpc

from services.common.identity import caller
from services.verify.erasures import Erasures
from services.verify.model import Device, Purpose, Session, Tokens
from services.verify.profile_rpc import ProfileCalls, to_policy, to_timestamp
from services.verify.profiles import Profiles
from services.verify.rules import Verify

CURRENT = "current"


class AccountService(ProfileCalls):
    """Accounts for everybody."""

    def __init__(self, verify: Verify, profiles: Profiles, erasures: Erasures) -> None:
        super().__init__(profiles)
        self._verify = verify
        self._erasures = erasures

    async def SendCode(self, request: account_pb2.SendCodeRequest, context: Any) -> Any:
        expires_at = await self._verify.send_code(
            request.email, Purpose(request.purpose), peer_ip(context)
        )
        return account_pb2.SendCodeResponse(expires_at=to_timestamp(expires_at))

    async def Register(self, request: account_pb2.RegisterRequest, context: Any) -> Any:
        account = await self._verify.register(
            request.email, request.code, request.password, request.display_name
        )
        return account_pb2.RegisterResponse(me=self.to_me(account))

    async def Login(self, request: account_pb2.LoginRequest, context: Any) -> Any:
        device = Device(request.device.id, request.device.name, request.device.platform)
        tokens, account = await self._verify.login(
            request.email, request.password, device, peer_ip(context)
        )
        return account_pb2.LoginResponse(tokens=to_tokens(tokens), me=self.to_me(account))

    async def Refresh(self, request: account_pb2.RefreshRequest, context: Any) -> Any:
        tokens = await self._verify.refresh(request.refresh_token)
        return account_pb2.RefreshResponse(tokens=to_tokens(tokens))

    async def RevokeSession(self, request: account_pb2.RevokeSessionRequest, context: Any) -> Any:
        own = caller()
        session_id = own.session_id if request.session_id == CURRENT else request.session_id
        await self._verify.end_session(own.user_id, session_id)
        return account_pb2.RevokeSessionResponse()

    async def ListSessions(self, request: account_pb2.ListSessionsRequest, context: Any) -> Any:
        own = caller()
        sessions = await self._verify.sessions(own.user_id)
        return account_pb2.ListSessionsResponse(
            sessions=[to_session(session, own.session_id) for session in sessions]
        )

    async def ResetPassword(self, request: account_pb2.ResetPasswordRequest, context: Any) -> Any:
        await self._verify.reset_password(request.email, request.code, request.new_password)
        return account_pb2.ResetPasswordResponse()

    async def DeleteAccount(self, request: account_pb2.DeleteAccountRequest, context: Any) -> Any:
        confirmed = await self._verify.confirm(caller().user_id, request.password, peer_ip(context))
        await self._erasures.delete(confirmed)
        return account_pb2.DeleteAccountResponse()


class TrustService(trust_pb2_grpc.TrustServiceServicer):
    """Keys, ended sessions and which users exist, for the other services."""

    def __init__(self, verify: Verify, profiles: Profiles, key_set_json: str) -> None:
        self._verify = verify
        self._profiles = profiles
        self._key_set_json = key_set_json

    async def GetTrust(self, request: trust_pb2.GetTrustRequest, context: Any) -> Any:
        ended, mark = await self._verify.ended_since(request.after_mark)
        return trust_pb2.GetTrustResponse(
            key_set_json=self._key_set_json, ended_session_ids=ended, mark=mark
        )

    async def FindUsers(self, request: trust_pb2.FindUsersRequest, context: Any) -> Any:
        found = await self._profiles.existing(list(request.user_ids))
        return trust_pb2.FindUsersResponse(user_ids=found)

    async def ListUsers(self, request: trust_pb2.ListUsersRequest, context: Any) -> Any:
        user_ids, total = await self._profiles.persons(
            request.after_user_id, request.limit, request.created_until_micros
        )
        return trust_pb2.ListUsersResponse(user_ids=user_ids, total=total)

    async def FindHiddenPresence(
        self, request: trust_pb2.FindHiddenPresenceRequest, context: Any
    ) -> Any:
        found = await self._profiles.hidden_presence(list(request.user_ids))
        return trust_pb2.FindHiddenPresenceResponse(user_ids=found)

    async def FindPolicies(self, request: trust_pb2.FindPoliciesRequest, context: Any) -> Any:
        found = await self._profiles.policies(list(request.user_ids))
        return trust_pb2.FindPoliciesResponse(policies=[to_policy(account) for account in found])


def peer_ip(context: Any) -> str:
    """Returns the address that a call came from, as the gateway saw it.

    The gateway appends the address it sees to x-forwarded-for; what stands before that was
    written by the client and is not believed.
    """
    forwarded = str(dict(context.invocation_metadata() or ()).get("x-forwarded-for", ""))
    return forwarded.rpartition(",")[2].strip() or str(context.peer()).rpartition(":")[0]


def to_tokens(tokens: Tokens) -> account_pb2.Tokens:
    """Returns a session's tokens."""
    return account_pb2.Tokens(
        access_token=tokens.access,
        access_expires_at=to_timestamp(tokens.access_expires_at),
        refresh_token=tokens.refresh,
        session_id=tokens.session_id,
        user_id=tokens.user_id,
    )


def to_session(session: Session, current_id: str) -> account_pb2.Session:
    """Returns a session as its user sees it."""
    return account_pb2.Session(
        session_id=session.session_id,
        device=account_pb2.Device(
            id=session.device.id, name=session.device.name, platform=session.device.platform
        ),
        created_at=to_timestamp(session.created_at),
        used_at=to_timestamp(session.used_at),
        current=session.session_id == current_id,
    )
