"""Puts chat together and runs it: `python -m services.chat.main [serve|migrate]`."""

import argparse
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc
import uuid_utils
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
from services.chat.contacts import ContactRules, Strangers
from services.chat.cursors import Cursors
from services.chat.erasure import Erasure
from services.chat.erasure_rpc import ErasureService
from services.chat.everybody import Everybody
from services.chat.expiry import Expiry
from services.chat.group_changes import GroupChanges
from services.chat.group_rpc import GroupService
from services.chat.groups import GroupService as Groups
from services.chat.link import Links
from services.chat.moderators import NAMES as MODERATION_NAMES
from services.chat.moderators import Moderators
from services.chat.notification_rpc import NotificationService
from services.chat.notifications import Notifications
from services.chat.personal import Personal
from services.chat.policies import Policies
from services.chat.rpc import ConversationService, MessageService
from services.chat.rules import Chat
from services.chat.search import Search
from services.chat.search_rpc import SearchService
from services.chat.search_store import transactions
from services.chat.settings import Settings
from services.chat.store import Store
from services.chat.user_changes import UserChanges
from services.common import calls, serving
from services.common.database import Database
from services.common.limits import Limit, LocalLimit
from services.common.tokens import Trust

NAMES = (
    "hongyan.chat.v1.MessageService",
    "hongyan.chat.v1.ConversationService",
    "hongyan.chat.v1.ContactService",
    "hongyan.chat.v1.GroupService",
    "hongyan.chat.v1.SearchService",
    "hongyan.chat.v1.NotificationService",
)


def crash_at(point: str) -> Callable[[str], None]:
    """Returns what kills this process at its N-th commit, given "before_commit:N" or after."""
    name, _, number = point.partition(":")
    left = int(number or 0)

    def crash(reached: str) -> None:
        nonlocal left
        if reached == name:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return crash


async def serve() -> None:
    settings = Settings()
    database = Database(settings.database_url.get_secret_value(), settings.database_pool)
    internal_key = settings.shared_key()
    channel = calls.open_channel(settings.verify_target)
    trust = Trust(calls.fetch_trust_from(channel, internal_key), now=time.time)

    @asynccontextmanager
    async def begin() -> AsyncIterator[Store]:
        async with database.begin() as connection:
            yield Store(connection)

    @asynccontextmanager
    async def read() -> AsyncIterator[Store]:
        async with database.read() as connection:
            yield Store(connection)

    def now() -> int:
        return time.time_ns() // 1000

    def new_id() -> str:
        return uuid_utils.uuid7().hex

    policies = Policies(channel, internal_key, now=time.monotonic)
    chat = Chat(
        begin,
        read,
        Strangers(read, policies.find).meet,
        new_id,
        now,
        hiding=policies.hiding,
    )
    links = Links(chat)
    acts = GroupChanges(settings.group_members, settings.large_group_members)
    notifications = Notifications(settings, database, find_bots=policies.bots)
    links.committer = Committer(
        begin,
        now=now,
        on_commit=links.committed,
        on_news=notifications.bots.wake,
        changes=Changes(settings.recall_seconds, settings.edit_seconds, acts.perform),
        size=settings.commit_size,
        capacity=settings.commit_queue,
        hot=settings.hot_queue,
        crash=crash_at(settings.chat_crash_point),
    )
    user_changes = UserChanges(begin, on_changed=links.changed)
    personal = Personal(user_changes, wire)
    links.cursors = Cursors(
        begin, now=now, on_moved=links.moved, unmark=personal.unmark, hiding=policies.hiding
    )
    expiry = Expiry(begin, now=now)
    change_limit = LocalLimit(Limit.parse("change", settings.limit_change), now=time.monotonic)
    code_limit = LocalLimit(Limit.parse("code", settings.limit_code), now=time.monotonic)
    contacts = ContactService(
        ContactRules(
            user_changes,
            read,
            wire,
            find_policies=policies.find,
            on_friends=greet_by(links.committer),
            new_id=new_id,
            now=now,
            request_days=settings.contact_request_days,
        ),
        request=LocalLimit(
            Limit.parse("contact_request", settings.limit_contact_request), now=time.monotonic
        ),
        change=change_limit,
        code=code_limit,
    )
    groups = GroupService(
        chat,
        Groups(
            begin,
            read,
            append=links.committer.append,
            changes=acts,
            user_changes=user_changes,
            format=wire,
            new_id=new_id,
            now=now,
        ),
        LocalLimit(Limit.parse("group", settings.limit_group), now=time.monotonic),
        change_limit,
        code_limit,
    )
    erasure = Erasure(begin, user_changes, wire, links.committer.append)
    search = SearchService(
        Search(*transactions(database), now=now, clock=time.monotonic),
        LocalLimit(Limit.parse("search", settings.limit_search), now=time.monotonic),
    )
    limit = LocalLimit(Limit.parse("send", settings.limit_send), now=time.monotonic)
    trust.on_ended = notifications.registrations.sessions_ended

    moderators = Moderators(
        database,
        chat,
        links.committer,
        find=policies.find,
        list_users=Everybody(channel, internal_key).page,
        limit_report=settings.limit_report,
        admin_keys_file=settings.admin_keys_file,
        now=now,
    )

    def register(server: grpc.aio.Server) -> None:
        message_pb2_grpc.add_MessageServiceServicer_to_server(
            MessageService(chat, links.committer, personal, limit), server
        )
        conversation_pb2_grpc.add_ConversationServiceServicer_to_server(
            ConversationService(chat, links.cursors, personal, change_limit), server
        )
        contact_pb2_grpc.add_ContactServiceServicer_to_server(contacts, server)
        group_pb2_grpc.add_GroupServiceServicer_to_server(groups, server)
        search_pb2_grpc.add_SearchServiceServicer_to_server(search, server)
        notification_pb2_grpc.add_NotificationServiceServicer_to_server(
            NotificationService(
                notifications.registrations,
                notifications.public_key,
                private_addresses=settings.push_private_addresses,
            ),
            server,
        )
        erasure_pb2_grpc.add_ErasureServiceServicer_to_server(ErasureService(erasure), server)
        link_pb2_grpc.add_LinkServiceServicer_to_server(links, server)
        moderators.register(server)

    try:
        await serving.serve(
            "chat",
            settings,
            trust=trust,
            register=register,
            names=(
                *NAMES,
                *MODERATION_NAMES,
                "hongyan.chat.v1.LinkService",
                "hongyan.chat.v1.ErasureService",
            ),
            ready=database.check,
            background=(
                trust.follow,
                links.committer.run,
                links.cursors.run,
                expiry.run,
                *notifications.background,
                *moderators.background,
            ),
            administration=moderators.administration,
            drain=links.drain,
        )
    finally:
        await notifications.close()
        await channel.close()
        await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m services.chat.main",
        description="Hongyan's chat service. Settings are HONGYAN_* environment variables.",
    )
    parser.add_argument("command", nargs="?", choices=("serve", "migrate"), default="serve")
    if parser.parse_args().command == "serve":
        serving.run(serve)
    else:
        serving.run_migration("chat", Settings().database_url.get_secret_value())


if __name__ == "__main__":
    main()
