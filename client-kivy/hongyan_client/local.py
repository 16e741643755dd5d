"""What exists on a device while an account is known: its cache, and all that feeds it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hongyan_client.account import AccountCalls
from hongyan_client.cache import Cache
from hongyan_client.channel import Channel
from hongyan_client.chat_calls import ChatCalls
from hongyan_client.composing import Composing
from hongyan_client.connection import Connection
from hongyan_client.history import History
from hongyan_client.model import Event, MessageStateChanged
from hongyan_client.outbox import Outbox
from hongyan_client.people_calls import ContactCalls, GroupCalls
from hongyan_client.sending import Sending
from hongyan_client.sync import Spawn, Sync


@dataclass(slots=True)
class Local:
    """One account on one device."""

    cache: Cache
    chat: ChatCalls
    sync: Sync
    outbox: Outbox
    connection: Connection
    sending: Sending
    history: History
    composing: Composing
    contacts: ContactCalls
    groups: GroupCalls


def open_local(
    path: Path,
    user_id: str,
    channel: Channel,
    account: AccountCalls,
    *,
    publish: Callable[[Event], None],
    spawn: Spawn,
    now: Callable[[], float],
    in_flight: int,
    gap_seconds: float,
    jitter: Callable[[], float],
) -> Local:
    """Opens the cache, and puts together what works on it."""
    cache = Cache(path, user_id)
    chat = ChatCalls(channel, account)
    contacts = ContactCalls(channel, account)
    connection = Connection(channel, account, cache, publish, spawn, jitter=jitter)
    sync = connection.sync = Sync(
        cache,
        chat.list_after,
        publish,
        spawn,
        now_micros=lambda: round(now() * 1_000_000),
        settled=connection.settle,
        need_sync=connection.request_sync,
        get_conversation=chat.conversation,
        list_people=contacts.everybody,
        received=connection.schedule_cursors,
        gap_seconds=gap_seconds,
        jitter=jitter,
    )
    outbox = connection.outbox = Outbox(
        cache,
        connection.transmit,
        lambda message: publish(MessageStateChanged(message)),
        lambda delay, call: asyncio.get_running_loop().call_later(delay, call),
        in_flight=in_flight,
        jitter=jitter,
    )
    sending = Sending(cache, outbox, sync, chat, publish=publish, now=now)
    connection.refused = sending.note_refusal
    history = History(cache, sync, chat)
    composing = Composing(cache, sending, history)
    return Local(
        cache,
        chat,
        sync,
        outbox,
        connection,
        sending,
        history,
        composing,
        contacts,
        GroupCalls(channel, account),
    )
