"""Real gates and chat pods in this process, as their mains put them together."""

import asyncio
import contextlib
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hongyan.chat.v1 import (
    contact_pb2_grpc,
    conversation_pb2_grpc,
    erasure_pb2_grpc,
    group_pb2_grpc,
    link_pb2_grpc,
    message_pb2_grpc,
    notification_pb2_grpc,
    search_pb2_grpc,
)

from services.chat import wire
from services.chat.changes import Changes
from services.chat.committer import Committer, greet_by
from services.chat.contact_rpc import ContactService
from services.chat.contacts import Approach, ContactRules, Strangers
from services.chat.cursors import Cursors
from services.chat.erasure import Erasure
from services.chat.erasure_rpc import ErasureService
from services.chat.group_changes import GroupChanges
from services.chat.group_rpc import GroupService
from services.chat.groups import GroupService as Groups
from services.chat.groups import Plan
from services.chat.link import Links as ChatLinks
from services.chat.moderators import Moderators
from services.chat.notification_rpc import NotificationService
from services.chat.notifications import Notifications
from services.chat.personal import Personal
from services.chat.policies import Policy
from services.chat.rpc import ConversationService, MessageService
from services.chat.rules import Chat
from services.chat.search import Search
from services.chat.search_rpc import SearchService
from services.chat.search_store import transactions
from services.chat.settings import Settings as ChatSettings
from services.chat.store import Store
from services.chat.user_changes import UserChanges
from services.common.audit import Administration
from services.common.database import Database
from services.common.identity import Caller
from services.common.interceptors import Interceptor
from services.common.limits import Limit, LocalLimit
from services.common.serving import SERVER_OPTIONS
from services.common.tokens import Signer, Trust, TrustUpdate
from services.gate.links import Links
from services.gate.rpc import GateService
from services.gate.rules import Gate, Limits
from services.gate.session import Bounds
from services.gate.watching import Watching

INTERNAL_KEY = "internal-key-of-the-tests"


class Verify:
    """What verify would tell other services."""

    def __init__(self) -> None:
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self._signer = Signer(pem)
        self.hidden: set[str] = set()
        self.ended: list[str] = []
        self.policies: dict[str, Policy] = {}
        self.users: list[str] = []

    def token(self, user_id: str, session_id: str = "", scopes: Collection[int] = ()) -> str:
        """Returns an access token; with scopes it is that of a bot."""
        held = frozenset(scopes) if scopes else None
        return self._signer.sign(Caller(user_id, session_id or f"{user_id}-1", held), time.time())

    async def trust(self, mark: int) -> TrustUpdate:
        ended = tuple(self.ended[mark:])
        return TrustUpdate(self._signer.key_set_json, ended, len(self.ended))

    async def find_hidden_presence(self, user_ids: Collection[str]) -> set[str]:
        return self.hidden & set(user_ids)

    async def find_bots(self, user_ids: Collection[str]) -> set[str]:
        """Returns who of these has the policy of a bot."""
        return {it for it in user_ids if it in self.policies and self.policies[it].is_bot}

    async def find_policies(self, user_ids: Collection[str]) -> dict[str, Policy]:
        """Everybody exists but those whose name begins with "nobody"."""
        return {
            user_id: self.policies.get(user_id, Policy(frozenset((1, 2, 3, 4)), False, False))
            for user_id in user_ids
            if not user_id.startswith("nobody")
        }

    async def list_users(self, after: str, limit: int, _: int) -> tuple[list[str], int]:
        """Everybody, for announcements."""
        users = sorted(self.users)
        return [it for it in users if it > after][:limit], 0 if after else len(users)


class Service:
    """A server and its background work; `stop` fails if any of that has failed."""

    def __init__(self, verify: Verify, port: int) -> None:
        self.target = f"127.0.0.1:{port}"
        self.trust = Trust(verify.trust, now=time.time)
        self._server: grpc.aio.Server | None = None
        self._running: list[asyncio.Task[None]] = []
        self.administration: Administration | None = None

    async def serve(
        self,
        register: Callable[[grpc.aio.Server], None],
        *background: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        await self.trust.refresh()
        interceptor = Interceptor(self.trust, INTERNAL_KEY, administration=self.administration)
        self._server = grpc.aio.server(interceptors=(interceptor,), options=SERVER_OPTIONS)
        register(self._server)
        self._server.add_insecure_port(self.target)
        await self._server.start()
        self._running = [asyncio.create_task(work()) for work in background]

    async def stop(self) -> None:
        """Stops at once, as a kill looks from outside."""
        if self._server is None:
            return
        server, self._server = self._server, None
        for task in self._running:
            if task.done():
                task.result()
            task.cancel()
        await server.stop(0)
        for task in self._running:
            with contextlib.suppress(asyncio.CancelledError):
                await task


class ChatPod(Service):
    """One chat pod."""

    numbers = itertools.count(1)

    def __init__(
        self,
        verify: Verify,
        port: int,
        database_url: str,
        *,
        commit_queue: int = 20_000,
        admin_keys_file: Path | None = None,
    ) -> None:
        super().__init__(verify, port)
        self._admin_keys_file = admin_keys_file
        self._verify = verify
        self._url = database_url
        self._commit_queue = commit_queue

    async def start(self) -> "ChatPod":
        self.database = Database(self._url, pool=8)

        @asynccontextmanager
        async def begin() -> AsyncIterator[Store]:
            async with self.database.begin() as connection:
                yield Store(connection)

        @asynccontextmanager
        async def read() -> AsyncIterator[Store]:
            async with self.database.read() as connection:
                yield Store(connection)

        self.begin = begin
        new_id = lambda: f"c{next(self.numbers)}"  # noqa: E731
        now = lambda: time.time_ns() // 1000  # noqa: E731
        self.chat = chat = Chat(
            begin, read, Strangers(read, self._verify.find_policies).meet, new_id, now
        )
        self.links = links = ChatLinks(chat)
        self.acts = GroupChanges(500, 5_000)
        links.committer = Committer(
            begin,
            now=now,
            on_commit=links.committed,
            changes=Changes(120, 86_400, self.acts.perform),
            size=256,
            capacity=self._commit_queue,
            hot=self._commit_queue,
        )
        user_changes = UserChanges(begin, links.changed)
        personal = Personal(user_changes, wire)
        links.cursors = Cursors(begin, now, on_moved=links.moved, unmark=personal.unmark)
        limit = LocalLimit(Limit("send", 60, 1), now=time.monotonic)
        self.notifications = Notifications(
            ChatSettings(), self.database, find_bots=self._verify.find_bots
        )
        push = NotificationService(self.notifications.registrations, "", private_addresses=False)
        search = Search(
            *transactions(self.database), lambda: time.time_ns() // 1000, time.monotonic
        )
        search_limit = LocalLimit(Limit("search", 30, 2), now=time.monotonic)

        self.groups = Groups(
            begin,
            read,
            append=links.committer.append,
            changes=self.acts,
            user_changes=user_changes,
            format=wire,
            new_id=new_id,
            now=now,
        )
        groups = GroupService(chat, self.groups, limit, limit, limit)
        self.contacts = ContactRules(
            user_changes,
            read,
            wire,
            find_policies=self._verify.find_policies,
            on_friends=greet_by(links.committer),
            new_id=new_id,
            now=now,
            request_days=7,
        )
        contacts = ContactService(self.contacts, request=limit, change=limit, code=limit)

        self.moderators = Moderators(
            self.database,
            chat,
            links.committer,
            find=self._verify.find_policies,
            list_users=self._verify.list_users,
            limit_report="20/60",
            admin_keys_file=self._admin_keys_file,
        )
        self.administration = self.moderators.administration

        erasure = ErasureService(Erasure(begin, user_changes, wire, links.committer.append))

        def register(server: grpc.aio.Server) -> None:
            contact_pb2_grpc.add_ContactServiceServicer_to_server(contacts, server)
            group_pb2_grpc.add_GroupServiceServicer_to_server(groups, server)
            message_pb2_grpc.add_MessageServiceServicer_to_server(
                MessageService(chat, links.committer, personal, limit), server
            )
            conversation_pb2_grpc.add_ConversationServiceServicer_to_server(
                ConversationService(chat, links.cursors, personal, limit), server
            )
            notification_pb2_grpc.add_NotificationServiceServicer_to_server(push, server)
            search_pb2_grpc.add_SearchServiceServicer_to_server(
                SearchService(search, search_limit), server
            )
            erasure_pb2_grpc.add_ErasureServiceServicer_to_server(erasure, server)
            link_pb2_grpc.add_LinkServiceServicer_to_server(links, server)
            self.moderators.register(server)

        await self.serve(
            register, links.committer.run, links.cursors.run, *self.moderators.background
        )
        return self

    async def stop(self) -> None:
        await super().stop()
        await self.notifications.close()
        await self.database.close()

    async def befriend(self, user: str, *others: str) -> None:
        """Makes a user a friend of others."""
        for other in others:
            await self.contacts.request(user, Approach(other, "", "", 1, "", 0))
            await self.contacts.accept(other, user)

    async def group(self, owner: str, *others: str) -> str:
        """Makes a group of a user and friends."""
        await self.befriend(owner, *others)
        return await self.groups.create(Plan(owner, secrets.token_hex(4), "群", others))

    async def talk(self, *users: str) -> str:
        """Opens a conversation of two users."""
        conversation = await self.chat.open_direct(*users)
        return conversation.head.conversation_id


@dataclass
class GateOptions:
    """What tests change about a gate."""

    bounds: Bounds = field(default_factory=lambda: Bounds(2_000, 2 * 1024 * 1024))
    now: Callable[[], float] = time.monotonic
    idle_seconds: float = 90
    slow_seconds: float = 10
    user_limit: str = "100000/0.001"
    device_limit: str = "100000/0.001"
    # Nobody answers there: who watches is told nothing, as while status is away.
    status_target: str = "127.0.0.1:9"


class GatePod(Service):
    """One gate."""

    def __init__(
        self, verify: Verify, port: int, chat_targets: str, options: GateOptions | None = None
    ) -> None:
        super().__init__(verify, port)
        options = options or GateOptions()
        self.links = Links(chat_targets, f"gate-{port}", INTERNAL_KEY)
        channel = grpc.aio.insecure_channel(options.status_target)
        self.watching = Watching(channel, INTERNAL_KEY, options.now)
        self.gate = self.links.gate = Gate(
            self.links,
            bounds=options.bounds,
            now=options.now,
            watching=self.watching,
            limits=Limits(
                LocalLimit(Limit.parse("send", options.user_limit), options.now),
                LocalLimit(Limit.parse("send_device", options.device_limit), options.now),
                LocalLimit(Limit.parse("cursors", "1000/0.001"), options.now),
                LocalLimit(Limit.parse("typing", "1/2"), options.now),
            ),
            idle_seconds=options.idle_seconds,
            slow_seconds=options.slow_seconds,
        )
        self.trust.on_ended = self.gate.end_sessions
        self.idle_seconds = options.idle_seconds
        self.admit: Callable[[Caller], Coroutine[Any, Any, None]] = self._admit

    async def _admit(self, caller: Caller) -> None:
        """No limit, unless a test sets one."""

    async def start(self) -> "GatePod":
        async def admit(caller: Caller) -> None:
            await self.admit(caller)

        service = GateService(self.gate, self.trust, admit, self.idle_seconds)
        await self.serve(
            lambda server: server.add_generic_rpc_handlers((service.handlers(),)),
            self.links.run,
            self.gate.resync,
            self.gate.sweep,
            self.gate.tell_heads,
            self.watching.run,
        )
        return self
