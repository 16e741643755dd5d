"""A scripted server of the contract, in the test's own process: the far end of the transport.

It keeps logs and sessions in memory, and does what a test tells it to do wrong.
"""

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from grpclib.server import Server
from hongyan.chat.v1 import conversation_grpc, conversation_pb2, message_grpc, message_pb2
from hongyan.gate.v1 import gate_grpc, gate_pb2
from hongyan.verify.v1 import account_grpc, account_pb2, login_code_grpc, login_code_pb2

ME = "user-me"
YOU = "user-you"
CHAT = "chat-1"


def refuse(status: Status, reason: str, **extra: Any) -> GRPCError:
    """Makes the error of a status with rich details."""
    details: list[Any] = [error_details_pb2.ErrorInfo(reason=reason, domain="hongyan")]
    if fields := extra.get("fields"):
        bad = error_details_pb2.BadRequest()
        for name, text in fields.items():
            bad.field_violations.add(field=name, description=text)
        details.append(bad)
    if (delay := extra.get("retry_seconds")) is not None:
        details.append(error_details_pb2.RetryInfo(retry_delay=duration(delay)))
    return GRPCError(status, f"{reason} 坏", details)


def duration(seconds: float) -> Duration:
    it = Duration()
    it.FromNanoseconds(round(seconds * 1e9))
    return it


def jwt(number: int, lifetime: float = 900) -> str:
    """Makes a token that looks like one; nobody checks the signature here."""
    now = time.time()
    claims = json.dumps({"iat": now, "exp": now + lifetime, "n": number})
    body = base64.urlsafe_b64encode(claims.encode()).rstrip(b"=").decode()
    return f"e30.{body}.sig"


def event(**kinds: Any) -> gate_pb2.ServerEvent:
    return gate_pb2.ServerEvent(**kinds)


class Accounts(account_grpc.AccountServiceBase):
    """Sessions: each refresh token works once."""

    def __init__(self) -> None:
        self.numbers = 0
        self.refresh_token = ""
        self.access_token = ""
        self.masks: list[list[str]] = []
        self.avatar_id = ""
        self.avatars: dict[str, bytes] = {}
        self.fetched: list[tuple[str, int]] = []
        self.refreshes = 0
        self.calls = 0
        self.ended = False
        self.lifetime = 900.0
        self.before_refresh: Callable[[], Any] | None = None

    def _tokens(self) -> account_pb2.Tokens:
        self.numbers += 1
        self.refresh_token = f"refresh-{self.numbers}"
        self.access_token = jwt(self.numbers, self.lifetime)
        return account_pb2.Tokens(
            access_token=self.access_token,
            refresh_token=self.refresh_token,
            session_id="session-1",
            user_id=ME,
        )

    def check(self, stream: Any) -> None:
        if self.ended or stream.metadata.get("authorization") != f"Bearer {self.access_token}":
            raise refuse(Status.UNAUTHENTICATED, "TOKEN_INVALID")

    async def SendCode(self, stream: Any) -> None:
        request = await stream.recv_message()
        if "@" not in request.email:
            fields = {"email": "must be an e-mail address"}
            raise refuse(Status.INVALID_ARGUMENT, "INVALID_ARGUMENT", fields=fields)
        await stream.send_message(account_pb2.SendCodeResponse())

    async def Register(self, stream: Any) -> None:
        request = await stream.recv_message()
        if request.code != "123456":
            raise refuse(Status.INVALID_ARGUMENT, "CODE_INVALID")
        me = account_pb2.Me(user_id=ME, display_name=request.display_name, email=request.email)
        await stream.send_message(account_pb2.RegisterResponse(me=me))

    async def Login(self, stream: Any) -> None:
        request = await stream.recv_message()
        if request.password != "correct horse":
            raise refuse(Status.UNAUTHENTICATED, "CREDENTIALS_INVALID")
        self.ended = False
        me = account_pb2.Me(user_id=ME, display_name="我", email=request.email)
        await stream.send_message(account_pb2.LoginResponse(tokens=self._tokens(), me=me))

    async def Refresh(self, stream: Any) -> None:
        request = await stream.recv_message()
        self.refreshes += 1
        if self.before_refresh is not None:
            await self.before_refresh()
        if self.ended or request.refresh_token != self.refresh_token:
            self.ended = True
            raise refuse(Status.UNAUTHENTICATED, "REFRESH_TOKEN_INVALID")
        await stream.send_message(account_pb2.RefreshResponse(tokens=self._tokens()))

    async def RevokeSession(self, stream: Any) -> None:
        await stream.recv_message()
        self.check(stream)
        self.ended = True
        await stream.send_message(account_pb2.RevokeSessionResponse())

    async def ListSessions(self, stream: Any) -> None:
        await stream.recv_message()
        self.check(stream)
        session = account_pb2.Session(
            session_id="session-1",
            device=account_pb2.Device(id="device-1", name="laptop", platform="linux"),
            current=True,
        )
        await stream.send_message(account_pb2.ListSessionsResponse(sessions=[session]))

    async def ResetPassword(self, stream: Any) -> None:
        await stream.recv_message()
        self.ended = True
        await stream.send_message(account_pb2.ResetPasswordResponse())

    async def GetMe(self, stream: Any) -> None:
        await stream.recv_message()
        self.calls += 1
        self.check(stream)
        me = account_pb2.Me(user_id=ME, display_name="我", email="me@example.org")
        await stream.send_message(account_pb2.GetMeResponse(me=me))

    async def UpdateMe(self, stream: Any) -> None:
        request = await stream.recv_message()
        self.check(stream)
        self.masks.append(list(request.update_mask.paths))
        await stream.send_message(account_pb2.UpdateMeResponse(me=request.me))

    async def GetUser(self, stream: Any) -> None:
        request = await stream.recv_message()
        self.check(stream)
        if request.user_id != YOU:
            raise refuse(Status.NOT_FOUND, "USER_NOT_FOUND")
        user = account_pb2.User(user_id=YOU, display_name="你", avatar_id=self.avatar_id)
        await stream.send_message(account_pb2.GetUserResponse(user=user))

    async def _unimplemented(self, stream: Any) -> None:
        raise refuse(Status.UNIMPLEMENTED, "")

    async def SetAvatar(self, stream: Any) -> None:
        request = await stream.recv_message()
        self.check(stream)
        self.avatar_id = f"picture-{len(self.avatars)}"
        self.avatars[self.avatar_id] = request.image
        me = account_pb2.Me(user_id=ME, display_name="我", avatar_id=self.avatar_id)
        await stream.send_message(account_pb2.SetAvatarResponse(me=me))

    async def DeleteAvatar(self, stream: Any) -> None:
        await stream.recv_message()
        self.check(stream)
        me = account_pb2.Me(user_id=ME, display_name="我")
        await stream.send_message(account_pb2.DeleteAvatarResponse(me=me))

    async def GetAvatar(self, stream: Any) -> None:
        request = await stream.recv_message()
        self.check(stream)
        self.fetched.append((request.avatar_id, request.size))
        if request.avatar_id not in self.avatars:
            raise refuse(Status.NOT_FOUND, "AVATAR_NOT_FOUND")
        body = HttpBody(content_type="image/webp", data=self.avatars[request.avatar_id])
        await stream.send_message(body)

    GetUsers = SearchUser = _unimplemented
    DeleteAccount = _unimplemented


class Chat(conversation_grpc.ConversationServiceBase, message_grpc.MessageServiceBase):
    """One conversation's log, and what the unary calls say of it."""

    def __init__(self, accounts: Accounts) -> None:
        self.accounts = accounts
        self.log: list[message_pb2.Message] = []
        self.reads = {ME: 0, YOU: 0}
        self.settings = conversation_pb2.ConversationSettings()
        self.version = 0
        self.lists: list[message_pb2.ListRequest] = []
        self.list_error: GRPCError | None = None

    def __mapping__(self) -> dict[str, Any]:
        return {
            **conversation_grpc.ConversationServiceBase.__mapping__(self),
            **message_grpc.MessageServiceBase.__mapping__(self),
        }

    def append(self, text: str, sender_id: str = YOU, client_message_id: str = "") -> Any:
        for known in self.log:
            if client_message_id and known.client_message_id == client_message_id:
                return known
        seq = len(self.log) + 1
        message = message_pb2.Message(
            conversation_id=CHAT,
            seq=seq,
            sender_id=sender_id,
            client_message_id=client_message_id or f"c{seq}",
            text=text,
        )
        message.created_at.FromSeconds(1_700_000_000 + seq)
        self.log.append(message)
        return message

    def enter(self, sender_id: str = YOU, client_message_id: str = "", **content: Any) -> Any:
        """Appends an entry of another kind than text."""
        entry = self.append("", sender_id, client_message_id)
        entry.MergeFrom(message_pb2.Message(**content))
        return entry

    def conversation(self, *, with_last: bool = True) -> conversation_pb2.Conversation:
        unread = [it for it in self.log if it.sender_id != ME and it.seq > self.reads[ME]]
        conversation = conversation_pb2.Conversation(
            conversation_id=CHAT,
            kind=conversation_pb2.CONVERSATION_KIND_DIRECT,
            last_seq=len(self.log),
            unread_count=len(unread),
            settings=self.settings,
        )
        for user_id, read_seq in self.reads.items():
            conversation.members.add(user_id=user_id, read_seq=read_seq)
        if with_last and self.log:
            conversation.last_message.CopyFrom(self.log[-1])
        return conversation

    async def GetConversation(self, stream: Any) -> None:
        request = await stream.recv_message()
        answer = conversation_pb2.GetConversationResponse(conversation=self.conversation())
        answer.conversation.conversation_id = request.conversation_id
        await stream.send_message(answer)

    async def UpdateSettings(self, stream: Any) -> None:
        request = await stream.recv_message()
        request.update_mask.MergeMessage(request.settings, self.settings)
        await self._changed(stream, conversation_pb2.UpdateSettingsResponse)

    async def Clear(self, stream: Any) -> None:
        request = await stream.recv_message()
        self.settings.cleared_seq = len(self.log)
        self.settings.removed = request.remove
        await self._changed(stream, conversation_pb2.ClearResponse)

    async def _changed(self, stream: Any, answer: Any) -> None:
        self.version += 1
        await stream.send_message(answer(settings=self.settings, user_version=self.version))

    async def Hide(self, stream: Any) -> None:
        await stream.recv_message()
        self.version += 1
        await stream.send_message(message_pb2.HideResponse(user_version=self.version))

    async def ListReaders(self, stream: Any) -> None:
        request = await stream.recv_message()
        read = [user for user, seq in self.reads.items() if seq >= request.seq]
        await stream.send_message(message_pb2.ListReadersResponse(read_user_ids=read))

    async def OpenDirect(self, stream: Any) -> None:
        request = await stream.recv_message()
        self.accounts.check(stream)
        if request.user_id != YOU:
            raise refuse(Status.NOT_FOUND, "USER_NOT_FOUND")
        answer = conversation_pb2.OpenDirectResponse(conversation=self.conversation())
        await stream.send_message(answer)

    async def ListConversations(self, stream: Any) -> None:
        await stream.recv_message()
        self.accounts.check(stream)
        answer = conversation_pb2.ListConversationsResponse(conversations=[self.conversation()])
        await stream.send_message(answer)

    async def MarkRead(self, stream: Any) -> None:
        request = await stream.recv_message()
        self.reads[ME] = max(self.reads[ME], request.seq)
        await stream.send_message(conversation_pb2.MarkReadResponse(read_seq=self.reads[ME]))

    async def Send(self, stream: Any) -> None:
        request = await stream.recv_message()
        self.accounts.check(stream)
        if request.conversation_id != CHAT:
            raise refuse(Status.NOT_FOUND, "CONVERSATION_NOT_FOUND")
        message = self.append(request.text, ME, request.client_message_id)
        await stream.send_message(message_pb2.SendResponse(message=message))

    async def List(self, stream: Any) -> None:
        request = await stream.recv_message()
        self.lists.append(request)
        if self.list_error is not None:
            raise self.list_error
        self.accounts.check(stream)
        if request.conversation_id != CHAT:
            raise refuse(Status.NOT_FOUND, "CONVERSATION_NOT_FOUND")
        limit = request.limit or 50
        if request.HasField("after_seq"):
            messages = self.log[request.after_seq :][:limit]
        else:
            end = request.before_seq - 1 if request.HasField("before_seq") else len(self.log)
            messages = self.log[max(0, end - limit) : max(0, end)]
        answer = message_pb2.ListResponse(messages=messages, last_seq=len(self.log))
        await stream.send_message(answer)


class Gate(gate_grpc.GateServiceBase):
    """The stream. By default it answers as the server does; hooks make it misbehave."""

    def __init__(self, accounts: Accounts, chat: Chat) -> None:
        self.accounts = accounts
        self.chat = chat
        self.frames: list[gate_pb2.ConnectRequest] = []
        self.stream: Any = None
        self.connects = 0
        self.goodbyes = 0
        self.idle_seconds = 60.0
        self.answer_pings = True
        self.join_at_most = 100
        self.page = 50
        self.on_send: Callable[[message_pb2.SendRequest], Any] | None = None
        self.changed = asyncio.Condition()

    async def note(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def until(self, condition: Callable[[], object], timeout: float = 5.0) -> None:
        """Waits until something that this peer saw makes the condition true."""
        async with asyncio.timeout(timeout), self.changed:
            await self.changed.wait_for(condition)

    async def Connect(self, stream: Any) -> None:
        self.accounts.check(stream)
        self.connects += 1
        self.stream = stream
        async for frame in stream:
            self.frames.append(frame)
            for one in frame.events:
                if await self._take(stream, one) == "bye":
                    await self.note()
                    return
            await self.note()

    async def push(self, *events: gate_pb2.ServerEvent) -> None:
        await self.stream.send_message(gate_pb2.ConnectResponse(events=events))

    async def _take(self, stream: Any, one: gate_pb2.ClientEvent) -> str:
        kind = one.WhichOneof("event")
        if kind == "hello":
            welcome = gate_pb2.Welcome(
                session_id="session-1", idle_timeout=duration(self.idle_seconds)
            )
            await self.push(event(welcome=welcome))
            await self.sync(one.hello.sync)
        elif kind == "sync":
            await self.sync(one.sync)
        elif kind == "send":
            await self._send(one.send)
        elif kind == "read":
            self.chat.reads[ME] = max(self.chat.reads[ME], one.read.seq)
        elif kind == "ping" and self.answer_pings:
            await self.push(event(pong=gate_pb2.Pong(nonce=one.ping.nonce)))
        elif kind == "bye":
            self.goodbyes += 1
        return kind or ""

    async def _send(self, request: message_pb2.SendRequest) -> None:
        if self.on_send is not None and not await self.on_send(request):
            return
        entry = self.chat.append(request.text, ME, request.client_message_id)
        kind = request.WhichOneof("content")
        if kind != "text":
            getattr(entry, kind).CopyFrom(getattr(request, kind))
        await self.ack(entry)

    async def ack(self, message: message_pb2.Message) -> None:
        ack = gate_pb2.SendAck(
            conversation_id=CHAT,
            client_message_id=message.client_message_id,
            seq=message.seq,
            created_at_micros=message.created_at.ToMicroseconds(),
        )
        await self.push(event(send_ack=ack))

    async def sync(self, sync: gate_pb2.Sync) -> None:
        heads = {it.conversation_id: it.seq for it in sync.heads}
        head = heads.get(CHAT)
        log = self.chat.log
        joined = head is not None and len(log) - head <= self.join_at_most
        part = gate_pb2.ConversationDifference(
            conversation=self.chat.conversation(with_last=False),
            messages=log[head:][: self.page] if joined else log[-self.page :],
            joined=joined,
        )
        difference = gate_pb2.Difference(conversations=[part])
        await self.push(event(difference=difference), event(caught_up=gate_pb2.CaughtUp()))


class CuttableServer(Server):
    """A server that remembers its connections, so that a test can cut them."""

    def __init__(self, handlers: list[Any]) -> None:
        super().__init__(handlers)
        self.protocols: list[Any] = []

    def _protocol_factory(self) -> Any:
        protocol = super()._protocol_factory()
        self.protocols.append(protocol)
        return protocol


class LoginCodes(login_code_grpc.LoginCodeServiceBase):
    """One code and its claim; `polls` are raised or answered, one a poll, before the state is."""

    CODE, CLAIM, NUMBER = "c" * 43, "t" * 43, "0421"

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self.state = login_code_pb2.LOGIN_CODE_STATE_UNSPECIFIED
        self.device = account_pb2.Device()
        self.polls: list[GRPCError] = []
        self.polled = 0
        self.before_look: Callable[[], Any] | None = None
        """What the other side does, before one side sees what became of the code."""

    async def CreateLoginCode(self, stream: Any) -> None:
        await stream.recv_message()
        self._accounts.check(stream)
        self.state = login_code_pb2.LOGIN_CODE_STATE_WAITING
        answer = login_code_pb2.CreateLoginCodeResponse(code_id="code-1", code=self.CODE)
        answer.expires_at.FromSeconds(1_795_000_000)
        await stream.send_message(answer)

    async def GetLoginCode(self, stream: Any) -> None:
        request = await stream.recv_message()
        self._accounts.check(stream)
        if self.before_look is not None:
            self.before_look()
        answer = login_code_pb2.GetLoginCodeResponse(login_code=self._code(request.code_id))
        await stream.send_message(answer)

    async def AnswerLoginCode(self, stream: Any) -> None:
        request = await stream.recv_message()
        self._accounts.check(stream)
        self._code(request.code_id)
        if request.approve and self.state == login_code_pb2.LOGIN_CODE_STATE_WAITING:
            raise refuse(Status.FAILED_PRECONDITION, "LOGIN_CODE_NOT_CLAIMED")
        self.state = (
            login_code_pb2.LOGIN_CODE_STATE_APPROVED
            if request.approve
            else login_code_pb2.LOGIN_CODE_STATE_DECLINED
        )
        answer = login_code_pb2.AnswerLoginCodeResponse(login_code=self._code(request.code_id))
        await stream.send_message(answer)

    async def ClaimLoginCode(self, stream: Any) -> None:
        request = await stream.recv_message()
        waiting = self.state == login_code_pb2.LOGIN_CODE_STATE_WAITING
        if request.code != self.CODE or not waiting:
            raise refuse(Status.NOT_FOUND, "LOGIN_CODE_NOT_FOUND")
        self.state, self.device = login_code_pb2.LOGIN_CODE_STATE_CLAIMED, request.device
        answer = login_code_pb2.ClaimLoginCodeResponse(
            claim_token=self.CLAIM, display_name="我", number=self.NUMBER
        )
        await stream.send_message(answer)

    async def LoginWithCode(self, stream: Any) -> None:
        request = await stream.recv_message()
        self.polled += 1
        if self.polls:
            raise self.polls.pop(0)
        if self.before_look is not None:
            self.before_look()
        answer = login_code_pb2.LoginWithCodeResponse()
        if self.state == login_code_pb2.LOGIN_CODE_STATE_CLAIMED:
            answer.waiting.SetInParent()
        elif self.state == login_code_pb2.LOGIN_CODE_STATE_DECLINED:
            answer.declined.SetInParent()
        elif self.state == login_code_pb2.LOGIN_CODE_STATE_APPROVED:
            assert request.claim_token == self.CLAIM
            self.state = login_code_pb2.LOGIN_CODE_STATE_USED
            self._accounts.ended = False
            answer.login.tokens.CopyFrom(self._accounts._tokens())
            answer.login.me.CopyFrom(
                account_pb2.Me(user_id=ME, display_name="我", email="me@example.org")
            )
        else:
            raise refuse(Status.NOT_FOUND, "LOGIN_CODE_NOT_FOUND")
        await stream.send_message(answer)

    def _code(self, code_id: str) -> login_code_pb2.LoginCode:
        if code_id != "code-1" or not self.state:
            raise refuse(Status.NOT_FOUND, "LOGIN_CODE_NOT_FOUND")
        code = login_code_pb2.LoginCode(code_id=code_id, state=self.state)
        if self.device.id:
            code.claim.device_name = self.device.name
            code.claim.platform = self.device.platform
            code.claim.number = self.NUMBER
        return code


class Peer:
    """The whole far end, listening on a port of its own."""

    def __init__(self) -> None:
        self.accounts = Accounts()
        self.login_codes = LoginCodes(self.accounts)
        self.chat = Chat(self.accounts)
        self.gate = Gate(self.accounts, self.chat)
        self.port = 0
        self._server: CuttableServer | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = CuttableServer([self.accounts, self.login_codes, self.chat, self.gate])
        await self._server.start("127.0.0.1", self.port)
        listening = self._server._server
        assert listening is not None
        self.port = listening.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Cuts every connection, as a killed server does."""
        if self._server is not None:
            self._server.close()
            for protocol in self._server.protocols:
                transport = getattr(protocol.connection, "_transport", None)
                if transport is not None:
                    transport.abort()
            await self._server.wait_closed()
            self._server = None


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Peer]:
    peer = Peer()
    await peer.start()
    try:
        yield peer
    finally:
        await peer.stop()
