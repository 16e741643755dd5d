"""Puts reports and moderation together, for chat's main."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import uuid_utils
from hongyan.chat.v1 import moderation_pb2_grpc, report_pb2_grpc

from services.chat.announcements import Announcements, ListUsers
from services.chat.committer import Committer
from services.chat.moderation import Moderation
from services.chat.moderation_rpc import ModerationService
from services.chat.moderation_store import ModerationStore, audit
from services.chat.report_rpc import ReportService, category_name
from services.chat.reports import Reports
from services.chat.rules import Chat
from services.common.admins import Admins
from services.common.audit import Administration, Audit
from services.common.database import Database
from services.common.limits import Limit, LocalLimit

NAMES = ("hongyan.chat.v1.ReportService", "hongyan.chat.v1.ModerationService")


class Moderators:
    """Reports, moderation and announcements; `background` is to run beside the server."""

    def __init__(
        self,
        database: Database,
        chat: Chat,
        committer: Committer,
        *,
        find: Callable[[Collection[str]], Awaitable[Mapping[str, Any]]],
        list_users: ListUsers,
        limit_report: str,
        admin_keys_file: Path | None,
        now: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        @asynccontextmanager
        async def begin() -> AsyncIterator[ModerationStore]:
            async with database.begin() as connection:
                yield ModerationStore(connection)

        @asynccontextmanager
        async def read() -> AsyncIterator[ModerationStore]:
            async with database.read() as connection:
                yield ModerationStore(connection)

        def new_id() -> str:
            return uuid_utils.uuid7().hex

        self._limit = LocalLimit(Limit.parse("report", limit_report), now=time.monotonic)
        self._reports = Reports(
            begin, read, find=find, category_name=category_name, new_id=new_id, now=now
        )
        self._moderation = Moderation(read, committer.append)
        self._announcements = Announcements(
            begin,
            read,
            find=find,
            list_users=list_users,
            open_direct=chat.direct_id,
            append=committer.append,
            new_id=new_id,
            now=now,
        )
        self._audit = Audit(database.begin, database.read, audit, now=now, new_id=new_id)
        self.administration = Administration(Admins(admin_keys_file), self._audit)
        self.background = (self._announcements.run,)

    def register(self, server: grpc.aio.Server) -> None:
        """Adds the services to a server."""
        report_pb2_grpc.add_ReportServiceServicer_to_server(
            ReportService(self._reports, self._limit), server
        )
        moderation_pb2_grpc.add_ModerationServiceServicer_to_server(
            ModerationService(self._reports, self._moderation, self._announcements, self._audit),
            server,
        )
