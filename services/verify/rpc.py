"""verify.v1 on the wire: protobuf in, protobuf out, nothing decided here."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from hongyan.verify.v1 import account_pb2, account_pb2_grpc, trust_pb2, trust_pb2_grpc

from services.common.errors import Invalid
from services.common.identity import caller
from services.verify.profiles import Profiles
from services.verify.rules import Account, Device, Purpose, Session, Tokens, Verify

CURRENT = "current"


PRIVACY: Mapping[str, Any] = {
    "hide_from_handle_search": lambda it: it.hide_from_handle_search,
    "hide_from_email_search": lambda it: it.hide_from_email_search,
    "add_policy": lambda it: it.add_policy or account_pb2.ADD_POLICY_EVERYBODY,
    "stranger_policy": lambda it: it.stranger_policy or account_pb2.STRANGER_POLICY_BOX,
    "hide_read_receipts": lambda it: it.hide_read_receipts,
}
CHANGEABLE: Mapping[str, Any] = {
    "display_name": lambda me: {"display_name": me.display_name},
    "handle": lambda me: {"handle": me.handle},
    "signature": lambda me: {"signature": me.signature},
    "region": lambda me: {"region": me.region},
    "gender": lambda me: {"gender": me.gender},
    "presence_visibility": lambda me: {
        "presence_hidden": me.presence_visibility == account_pb2.PRESENCE_VISIBILITY_NOBODY
    },
    "privacy": lambda me: {name: read(me.privacy) for name, read in PRIVACY.items()},
    **{
        f"privacy.{name}": lambda me, name=name, read=read: {name: read(me.privacy)}
        for name, read in PRIVACY.items()
    },
}
"""How each field that a user may set is read: what it is called in an account."""


class AccountService(account_pb2_grpc.AccountServiceServicer):
    """Accounts for everybody."""

    def __init__(self, verify: Verify, profiles: Profiles) -> None:
        self._verify = verify
        self._profiles = profiles

    async def SendCode(self, request: account_pb2.SendCodeRequest, context: Any) -> Any:
        expires_at = await self._verify.send_code(
            request.email, Purpose(request.purpose), peer_ip(context)
        )
        return account_pb2.SendCodeResponse(expires_at=to_timestamp(expires_at))

    async def Register(self, request: account_pb2.RegisterRequest, context: Any) -> Any:
        account = await self._verify.register(
            request.email, request.code, request.password, request.display_name
        )
        return account_pb2.RegisterResponse(me=self._me(account))

    async def Login(self, request: account_pb2.LoginRequest, context: Any) -> Any:
        device = Device(request.device.id, request.device.name, request.device.platform)
        tokens, account = await self._verify.login(
            request.email, request.password, device, peer_ip(context)
        )
        return account_pb2.LoginResponse(tokens=to_tokens(tokens), me=self._me(account))

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

    async def GetMe(self, request: account_pb2.GetMeRequest, context: Any) -> Any:
        account = await self._profiles.get(caller().user_id)
        return account_pb2.GetMeResponse(me=self._me(account))

    async def UpdateMe(self, request: account_pb2.UpdateMeRequest, context: Any) -> Any:
        me = request.me
        given = {field.name for field, _ in me.ListFields()}
        paths = set(request.update_mask.paths) or given & CHANGEABLE.keys()
        if not paths <= CHANGEABLE.keys() or not paths:
            problem = f"must name what can be changed: {', '.join(sorted(CHANGEABLE))}"
            raise Invalid("INVALID_FIELD", problem, fields={"update_mask": problem})
        values: dict[str, Any] = {}
        for path in sorted(paths):
            values |= CHANGEABLE[path](me)
        account = await self._profiles.change(caller().user_id, values)
        return account_pb2.UpdateMeResponse(me=self._me(account))

    async def GetUser(self, request: account_pb2.GetUserRequest, context: Any) -> Any:
        account = await self._profiles.get(request.user_id)
        return account_pb2.GetUserResponse(user=to_user(account))

    async def GetUsers(self, request: account_pb2.GetUsersRequest, context: Any) -> Any:
        found = await self._profiles.find(list(request.user_ids))
        return account_pb2.GetUsersResponse(users=[to_user(account) for account in found])

    async def SearchUser(self, request: account_pb2.SearchUserRequest, context: Any) -> Any:
        found = await self._profiles.search(caller().user_id, request.query)
        return account_pb2.SearchUserResponse(user=to_user(found) if found else None)

    def _me(self, account: Account) -> account_pb2.Me:
        return to_me(account, self._profiles.handle_changeable_at(account))


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

    async def FindHiddenPresence(
        self, request: trust_pb2.FindHiddenPresenceRequest, context: Any
    ) -> Any:
        found = await self._profiles.hidden_presence(list(request.user_ids))
        return trust_pb2.FindHiddenPresenceResponse(user_ids=found)

    async def FindPolicies(self, request: trust_pb2.FindPoliciesRequest, context: Any) -> Any:
        found = await self._profiles.find(list(request.user_ids))
        return trust_pb2.FindPoliciesResponse(
            policies=[
                trust_pb2.Policy(
                    user_id=account.user_id,
                    add_policy=account_pb2.AddPolicy.ValueType(account.add_policy),
                    stranger_policy=account_pb2.StrangerPolicy.ValueType(account.stranger_policy),
                    hide_read_receipts=account.hide_read_receipts,
                )
                for account in found
            ]
        )


def peer_ip(context: Any) -> str:
    """Returns the address that a call came from, as the gateway saw it.

    The gateway appends the address it sees to x-forwarded-for; what stands before that was
    written by the client and is not believed.
    """
    forwarded = str(dict(context.invocation_metadata() or ()).get("x-forwarded-for", ""))
    return forwarded.rpartition(",")[2].strip() or str(context.peer()).rpartition(":")[0]


def to_timestamp(micros: int) -> Timestamp:
    """Returns microseconds since 1970 as a Timestamp."""
    stamp = Timestamp()
    stamp.FromMicroseconds(micros)
    return stamp


def to_user(account: Account) -> account_pb2.User:
    """Returns what anybody sees of a user."""
    return account_pb2.User(
        user_id=account.user_id,
        display_name=account.display_name,
        handle=account.handle,
        signature=account.signature,
        region=account.region,
        gender=account_pb2.Gender.ValueType(account.gender),
    )


def to_me(account: Account, handle_changeable_at: int) -> account_pb2.Me:
    """Returns what a user sees of themself."""
    me = account_pb2.Me(
        user_id=account.user_id,
        display_name=account.display_name,
        email=account.email,
        created_at=to_timestamp(account.created_at),
        presence_visibility=(
            account_pb2.PRESENCE_VISIBILITY_NOBODY
            if account.presence_hidden
            else account_pb2.PRESENCE_VISIBILITY_EVERYBODY
        ),
        handle=account.handle,
        signature=account.signature,
        region=account.region,
        gender=account_pb2.Gender.ValueType(account.gender),
        privacy=account_pb2.Privacy(
            hide_from_handle_search=account.hide_from_handle_search,
            hide_from_email_search=account.hide_from_email_search,
            add_policy=account_pb2.AddPolicy.ValueType(account.add_policy),
            stranger_policy=account_pb2.StrangerPolicy.ValueType(account.stranger_policy),
            hide_read_receipts=account.hide_read_receipts,
        ),
    )
    if handle_changeable_at:
        me.handle_changeable_at.CopyFrom(to_timestamp(handle_changeable_at))
    return me


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
