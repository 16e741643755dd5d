"""Who the client is: accounts and sessions, and every call made with a token that works."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from hongyan.verify.v1 import account_grpc, account_pb2

from hongyan_client import model
from hongyan_client.channel import CALL_SECONDS, Channel
from hongyan_client.errors import (
    DeadlineExceeded,
    NotLoggedIn,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
)
from hongyan_client.tokens import Tokens, TokenStore, from_proto

Reply = TypeVar("Reply")

# A token is renewed when it has less than this left, so that no call carries a dying one.
EARLY_SECONDS = 60.0
# A password is hashed slowly on purpose, and such calls may wait in line.
CREDENTIAL_SECONDS = 30.0

PURPOSES = {
    "register": account_pb2.CODE_PURPOSE_REGISTER,
    "reset_password": account_pb2.CODE_PURPOSE_RESET_PASSWORD,
}
GENDERS = {"": 0, "female": 1, "male": 2, "other": 3}
ADD_POLICIES = {"everybody": 1, "known": 2, "code": 3, "nobody": 4}
STRANGER_POLICIES = {"box": 1, "refuse": 2}


class AccountCalls:
    """Calls as one session, or as nobody before the log-in."""

    def __init__(
        self,
        channel: Channel,
        store: TokenStore,
        *,
        address: str,
        now: Callable[[], float] = time.time,
        signed_out: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self._channel = channel
        self._stub = account_grpc.AccountServiceStub(channel.grpc)
        self._store = store
        self._address = address
        self._now = now
        self._signed_out = signed_out
        self._refreshing: asyncio.Task[Tokens] | None = None
        self.tokens = store.load()

    async def call(
        self, method: Callable[..., Awaitable[Reply]], request: Message, *, timeout: float = 0
    ) -> Reply:
        """Calls as the session; when the token is refused, renews it and calls once more."""
        seconds = timeout or CALL_SECONDS
        token = await self.access_token()
        grpc_method: Any = method
        try:
            return await self._channel.call(grpc_method, request, token=token, timeout=seconds)
        except Unauthenticated:
            token = await self.access_token(stale=token)
            return await self._channel.call(grpc_method, request, token=token, timeout=seconds)

    async def access_token(self, *, stale: str = "") -> str:
        """Returns a token that works; one that equals `stale` is renewed at once.

        Raises NotLoggedIn when there is no session, or the server ended it.
        """
        tokens = self.tokens
        if tokens is None:
            raise NotLoggedIn("log in first")
        fresh = tokens.access_expires_at - self._now() > EARLY_SECONDS
        if fresh and tokens.access_token != stale:
            return tokens.access_token
        if self._refreshing is None:
            # A task of its own: were the caller cancelled between the server's answer and
            # the file, the only token that still works would be lost.
            task = asyncio.create_task(self._refresh(tokens), name="refresh tokens")
            task.add_done_callback(self._refreshed)
            self._refreshing = task
        try:
            return (await asyncio.shield(self._refreshing)).access_token
        except (Unavailable, DeadlineExceeded):
            # A token that still has some seconds is better than none.
            if stale or tokens.access_expires_at <= self._now():
                raise
            return tokens.access_token

    async def _refresh(self, used: Tokens) -> Tokens:
        """Renews the tokens, unless another process of this profile has just done it."""
        async with contextlib.AsyncExitStack() as stack:
            lock = self._store.exclusive()
            await asyncio.to_thread(lock.__enter__)
            stack.callback(lock.__exit__, None, None, None)
            stored = await asyncio.to_thread(self._store.load)
            if stored is None:
                self._forget("LOGGED_OUT")
                raise NotLoggedIn("this profile was logged out")
            if stored.access_token != used.access_token:
                self.tokens = stored
                return stored
            try:
                answer = await self._channel.call(
                    self._stub.Refresh,
                    account_pb2.RefreshRequest(refresh_token=stored.refresh_token),
                )
            except (Unauthenticated, PermissionDenied) as error:  # ended, or suspended
                self._store.clear()
                self._forget(error.reason or "SESSION_ENDED")
                raise NotLoggedIn("the session has ended; log in again") from error
            tokens = from_proto(answer.tokens, self._now(), self._address)
            await asyncio.to_thread(self._store.save, tokens)
            self.tokens = tokens
            return tokens

    def _refreshed(self, task: "asyncio.Task[Tokens]") -> None:
        self._refreshing = None
        # Whoever waits gets the error; if nobody does any more, it is not news.
        if not task.cancelled():
            task.exception()

    def forget(self) -> None:
        """Drops the tokens from disk and memory, without a word to the server."""
        self._store.clear()
        self.tokens = None

    def _forget(self, reason: str) -> None:
        self.tokens = None
        self._signed_out(reason)

    async def close(self) -> None:
        """Lets a renewal that is under way end: its answer must reach the disk."""
        if self._refreshing is not None:
            await asyncio.gather(self._refreshing, return_exceptions=True)

    async def send_code(self, email: str, purpose: str) -> None:
        """Has a code mailed; `purpose` is "register" or "reset_password"."""
        request = account_pb2.SendCodeRequest(email=email, purpose=PURPOSES[purpose])
        await self._channel.call(self._stub.SendCode, request, timeout=CREDENTIAL_SECONDS)

    async def register(
        self, email: str, code: str, password: str, display_name: str
    ) -> model.Account:
        """Makes an account; does not log in."""
        request = account_pb2.RegisterRequest(
            email=email, code=code, password=password, display_name=display_name
        )
        answer = await self._channel.call(self._stub.Register, request, timeout=CREDENTIAL_SECONDS)
        return _account(answer.me)

    async def login(self, email: str, password: str, device: account_pb2.Device) -> model.Account:
        """Opens a session and keeps its tokens."""
        request = account_pb2.LoginRequest(email=email, password=password, device=device)
        answer = await self._channel.call(self._stub.Login, request, timeout=CREDENTIAL_SECONDS)
        return await self.become(answer)

    async def become(self, answer: account_pb2.LoginResponse) -> model.Account:
        """Keeps the tokens of a session that was just opened, and calls as it from now on."""
        tokens = from_proto(answer.tokens, self._now(), self._address)
        await asyncio.to_thread(self._store.save, tokens)
        self.tokens = tokens
        return _account(answer.me)

    async def login_as_bot(self, token: str) -> None:
        """Becomes the session of a bot's token, and keeps it."""
        request = account_pb2.RefreshRequest(refresh_token=token)
        answer = await self._channel.call(self._stub.Refresh, request)
        tokens = from_proto(answer.tokens, self._now(), self._address)
        await asyncio.to_thread(self._store.save, tokens)
        self.tokens = tokens

    async def logout(self) -> None:
        """Ends the session on the server, then forgets the tokens."""
        with contextlib.suppress(Unauthenticated, NotLoggedIn):
            await self.end_session("current")
        self.forget()

    async def reset_password(self, email: str, code: str, new_password: str) -> None:
        """Sets a new password with a mailed code; ends every session of the account."""
        request = account_pb2.ResetPasswordRequest(
            email=email, code=code, new_password=new_password
        )
        await self._channel.call(self._stub.ResetPassword, request, timeout=CREDENTIAL_SECONDS)

    async def delete(self, password: str) -> None:
        """Deletes the account for good, and forgets the tokens."""
        request = account_pb2.DeleteAccountRequest(password=password)
        await self.call(self._stub.DeleteAccount, request, timeout=CREDENTIAL_SECONDS)
        self.forget()

    async def me(self) -> model.Account:
        """Returns the own profile."""
        answer = await self.call(self._stub.GetMe, account_pb2.GetMeRequest())
        return _account(answer.me)

    async def update_me(self, values: dict[str, Any]) -> model.Account:
        """Changes fields of the own profile, as `Client.update_me` names them."""
        me = account_pb2.Me()
        paths = [_set_field(me, name, value) for name, value in values.items()]
        request = account_pb2.UpdateMeRequest(me=me, update_mask=FieldMask(paths=paths))
        return _account((await self.call(self._stub.UpdateMe, request)).me)

    async def set_avatar(self, image: bytes, square: tuple[int, int, int] | None) -> model.Account:
        """Sets the picture; `square` is the left, top and side of the part to take."""
        request = account_pb2.SetAvatarRequest(image=image)
        if square is not None:
            left, top, side = square
            request.square.CopyFrom(account_pb2.Square(left=left, top=top, side=side))
        answer = await self.call(self._stub.SetAvatar, request, timeout=CREDENTIAL_SECONDS)
        return _account(answer.me)

    async def delete_avatar(self) -> model.Account:
        """Takes the picture away."""
        answer = await self.call(self._stub.DeleteAvatar, account_pb2.DeleteAvatarRequest())
        return _account(answer.me)

    async def avatar(self, avatar_id: str, size: int) -> bytes:
        """Returns a picture, a WebP."""
        request = account_pb2.GetAvatarRequest(avatar_id=avatar_id, size=size)
        return bytes((await self.call(self._stub.GetAvatar, request)).data)

    async def user(self, user_id: str) -> model.User:
        """Returns another's profile."""
        answer = await self.call(self._stub.GetUser, account_pb2.GetUserRequest(user_id=user_id))
        return _user(answer.user)

    async def find_user(self, query: str) -> model.User | None:
        """Finds a user by the whole handle or address."""
        request = account_pb2.SearchUserRequest(query=query)
        answer = await self.call(self._stub.SearchUser, request)
        return _user(answer.user) if answer.HasField("user") else None

    async def sessions(self) -> list[model.Session]:
        """Returns the account's sessions, the latest used first."""
        answer = await self.call(self._stub.ListSessions, account_pb2.ListSessionsRequest())
        return [_session(it) for it in answer.sessions]

    async def end_session(self, session_id: str) -> None:
        """Ends one of the account's sessions."""
        request = account_pb2.RevokeSessionRequest(session_id=session_id)
        await self.call(self._stub.RevokeSession, request)


def _set_field(me: account_pb2.Me, name: str, value: Any) -> str:
    """Sets one field as `Client.update_me` names it; returns its path in the contract."""
    match name:
        case "presence_hidden":
            me.presence_visibility = (
                account_pb2.PRESENCE_VISIBILITY_NOBODY
                if value
                else account_pb2.PRESENCE_VISIBILITY_EVERYBODY
            )
            return "presence_visibility"
        case "gender":
            me.gender = account_pb2.Gender.ValueType(GENDERS[value])
        case "found_by_handle":
            me.privacy.hide_from_handle_search = not value
            return "privacy.hide_from_handle_search"
        case "found_by_email":
            me.privacy.hide_from_email_search = not value
            return "privacy.hide_from_email_search"
        case "read_receipts":
            me.privacy.hide_read_receipts = not value
            return "privacy.hide_read_receipts"
        case "who_may_add":
            me.privacy.add_policy = account_pb2.AddPolicy.ValueType(ADD_POLICIES[value])
            return "privacy.add_policy"
        case "strangers":
            policy = account_pb2.StrangerPolicy.ValueType(STRANGER_POLICIES[value])
            me.privacy.stranger_policy = policy
            return "privacy.stranger_policy"
        case _:
            setattr(me, name, value)
    return name


def _privacy(privacy: account_pb2.Privacy) -> model.Privacy:
    return model.Privacy(
        found_by_handle=not privacy.hide_from_handle_search,
        found_by_email=not privacy.hide_from_email_search,
        who_may_add=_name_in(ADD_POLICIES, privacy.add_policy, "everybody"),
        strangers=_name_in(STRANGER_POLICIES, privacy.stranger_policy, "box"),
        read_receipts=not privacy.hide_read_receipts,
    )


def _name_in(table: dict[str, int], number: int, default: str) -> str:
    """Returns the name of a number, or what one means that this version does not know."""
    return next((name for name, it in table.items() if it == number), default)


def _account(me: account_pb2.Me) -> model.Account:
    micros = me.created_at.ToMicroseconds()
    hidden = me.presence_visibility == account_pb2.PRESENCE_VISIBILITY_NOBODY
    created_at = model.from_micros(micros)
    return model.Account(
        me.user_id,
        me.display_name,
        me.email,
        created_at,
        hidden,
        me.handle,
        me.signature,
        me.region,
        _name_in(GENDERS, me.gender, ""),
        me.avatar_id,
        _privacy(me.privacy),
    )


def _user(user: account_pb2.User) -> model.User:
    return model.User(
        user.user_id,
        user.display_name,
        user.handle,
        user.signature,
        user.region,
        user.kind == account_pb2.USER_KIND_BOT,
        user.avatar_id,
    )


def _session(session: account_pb2.Session) -> model.Session:
    return model.Session(
        session_id=session.session_id,
        device_id=session.device.id,
        device_name=session.device.name,
        platform=session.device.platform,
        created_at=model.from_micros(session.created_at.ToMicroseconds()),
        used_at=model.from_micros(session.used_at.ToMicroseconds()),
        current=session.current,
    )
