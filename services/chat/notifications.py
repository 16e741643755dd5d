"""Puts notifications together, from chat's settings and its database, for chat's main."""

import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import uuid_utils

from services.chat.notify import HOOK, PUSH, FindBots, Notifier
from services.chat.outbox_store import OutboxStore
from services.chat.push import BotWebhook, Http, Pushes, WebhookPush, WebPush, read_key
from services.chat.registration_store import RegistrationStore
from services.chat.registrations import Registrations
from services.chat.settings import Settings
from services.chat.wire import to_json
from services.common.database import Database


class Notifications:
    """The registrations, and what tells them; `background` is to run beside the server."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        now: Callable[[], int] = lambda: time.time_ns() // 1000,
        *,
        find_bots: FindBots,
    ) -> None:
        # The webhook is the operator's own and may be near; what users name may not.
        self._near = Http(private_addresses=True)
        self._far = Http(private_addresses=settings.push_private_addresses)
        webhook = web_push = None
        if settings.push_webhook_url:
            secret = settings.push_webhook_secret.get_secret_value()
            webhook = WebhookPush(self._near, settings.push_webhook_url, secret, time.time)
        if settings.web_push_key_file:
            key = read_key(settings.web_push_key_file)
            web_push = WebPush(self._far, key, settings.web_push_subject, time.time)
        self.public_key = web_push.public_key if web_push else ""

        @asynccontextmanager
        async def begin_registrations() -> AsyncIterator[RegistrationStore]:
            async with database.begin() as connection:
                yield RegistrationStore(connection)

        @asynccontextmanager
        async def read_registrations() -> AsyncIterator[RegistrationStore]:
            async with database.read() as connection:
                yield RegistrationStore(connection)

        @asynccontextmanager
        async def begin_outbox() -> AsyncIterator[OutboxStore]:
            async with database.begin() as connection:
                yield OutboxStore(connection, to_json)

        @asynccontextmanager
        async def read_outbox() -> AsyncIterator[OutboxStore]:
            async with database.read() as connection:
                yield OutboxStore(connection, to_json)

        self.registrations = Registrations(
            begin_registrations,
            read_registrations,
            now=now,
            new_id=lambda: uuid_utils.uuid7().hex,
            has_web_push=web_push is not None,
            has_webhook=webhook is not None,
        )
        pushes = Pushes(web_push, webhook, BotWebhook(self._far, time.time))

        def notifier(kind: str, delay_seconds: float) -> Notifier:
            return Notifier(
                begin_outbox,
                read_outbox,
                pushes,
                self.registrations.end,
                now=now,
                kind=kind,
                delay_seconds=delay_seconds,
                find_bots=find_bots,
            )

        self.notifier = notifier(PUSH, settings.push_delay_seconds)
        self.bots = notifier(HOOK, 0)
        self.background: tuple[Callable[[], Coroutine[Any, Any, None]], ...] = (
            self.registrations.run,
            self.notifier.run,
            self.bots.run,
            self.notifier.watch,
        )

    async def close(self) -> None:
        """Closes connections to push services."""
        await self._near.close()
        await self._far.close()
