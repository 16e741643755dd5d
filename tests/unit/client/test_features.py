"""What version 1.1 added to the client: entries, settings, cursors, presence, two processes."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hongyan.chat.v1 import conversation_pb2, message_pb2
from hongyan.gate.v1 import gate_pb2
from hongyan.status.v1 import presence_pb2

from hongyan_client import model
from hongyan_client.cache_outbox import RECEIVED
from hongyan_client.client import Client
from hongyan_client.errors import ServerError
from hongyan_client.model import MessageKind
from tests.unit.client.peer import CHAT, ME, YOU, Peer, event
from tests.unit.client.test_client import added, next_of


def said(peer: Peer, kind: str) -> list[Any]:
    """Returns what the client said of one kind over its streams."""
    events = (it for frame in peer.gate.frames for it in frame.events)
    return [getattr(it, kind) for it in events if it.HasField(kind)]


async def until(condition: Callable[[], object], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
async def live(peer: Peer, client: Client) -> Client:
    """A client that has two messages and is online."""
    peer.chat.append("你好")
    peer.chat.append("在吗", ME)
    await client.start()
    await client.caught_up(5)
    return client


async def test_entries_that_come_live_change_what_is_shown(peer: Peer, live: Client) -> None:
    events = live.events()
    for content in (
        {"reaction": {"seq": 2, "emoji": "👍"}},
        {"edit": {"seq": 1, "text": "您好"}},
        {"edit": {"seq": 1, "text": ""}},
        {"recall": {"seq": 1}},
        {"edit": {"seq": 1, "text": "too late"}},
        {"reaction": {"seq": 2, "emoji": "👍", "removed": True}},
    ):
        await peer.gate.push(event(message=peer.chat.enter(**content)))
    changed = [(await next_of(events, model.MessageChanged)).message for _ in range(4)]
    assert [(it.seq, it.text, it.removed, len(it.reactions)) for it in changed] == [
        (2, "在吗", "", 1),
        (1, "您好", "", 0),
        (1, "", "recalled", 0),
        (2, "在吗", "", 0),
    ]
    await until(lambda: live.conversation(CHAT).last_seq == 8)  # type: ignore[union-attr]
    assert [(it.seq, it.kind) for it in await live.history(CHAT)] == [
        (1, MessageKind.REMOVED),
        (2, MessageKind.TEXT),
    ]
    assert (await live.conversations())[0].unread_count == 0


async def test_own_entries_go_through_the_outbox(peer: Peer, live: Client) -> None:
    entry = await live.edit(CHAT, 2, "在不在")
    assert (await live.settled(entry.client_message_id, 5)).seq == 3
    entry = await live.react(CHAT, 1, "❤️")
    await live.settled(entry.client_message_id, 5)
    reply = await live.send(CHAT, "答", quote_seq=1, mentions=[YOU])
    await live.settled(reply.client_message_id, 5)
    first, second, third = await live.history(CHAT)
    assert first.reactions == (model.Reactions("❤️", (ME,)),)
    assert (second.text, second.edited_at is not None) == ("在不在", True)
    assert (third.quote, third.mentioned) == (model.Quote(1, YOU), (YOU,))
    sends = said(peer, "send")
    assert [it.WhichOneof("content") for it in sends] == ["edit", "reaction", "text"]
    assert (sends[2].quote.seq, list(sends[2].mentions.user_ids)) == (1, [YOU])


async def test_a_refused_entry_leaves_nothing_in_the_outbox(peer: Peer, live: Client) -> None:
    async def refuse(request: message_pb2.SendRequest) -> None:
        refused = gate_pb2.SendRefused(
            conversation_id=CHAT,
            client_message_id=request.client_message_id,
            refusal=gate_pb2.Refusal(code=9, reason="TOO_LATE", message="too late"),
        )
        await peer.gate.push(event(send_refused=refused))

    peer.gate.on_send = refuse
    events = live.events()
    entry = await live.recall(CHAT, 2)
    waiting = asyncio.create_task(live.settled(entry.client_message_id, 5))
    failed = await next_of(events, model.MessageStateChanged)
    with pytest.raises(ServerError) as refused:
        await waiting
    assert (refused.value.reason, failed.message.failure) == ("TOO_LATE", "TOO_LATE")
    assert live._open().cache.outbox() == []
    assert (await live.history(CHAT))[1].text == "在吗"


async def test_another_process_of_the_profile_is_seen(peer: Peer, live: Client) -> None:
    events = live.events()
    other = Client(peer.address, live.home)
    for text in ("旁路甲", "旁路乙"):
        await other.send(CHAT, text)
        await other.deliver(5)
        # The server's echo comes when the other process has put it into the cache they share.
        await peer.gate.push(event(message=peer.chat.log[-1]))
        assert [it.text for it in await added(events, 1)] == [text]
    await other.close()


async def test_received_cursors_are_sent_and_forgotten(peer: Peer, live: Client) -> None:
    await until(lambda: said(peer, "received"))
    for number in range(5):
        await peer.gate.push(event(message=peer.chat.append(f"{number}")))
    await until(lambda: said(peer, "received")[-1].seq == 7)
    assert len(said(peer, "received")) <= 3
    cache = live._open().cache
    await until(lambda: cache.unsent_cursors() == [])
    assert RECEIVED not in {kind for _, kind, _ in cache.unsent_cursors()}


async def test_others_cursors_are_told(peer: Peer, live: Client) -> None:
    events = live.events()
    moved = gate_pb2.ReceivedMoved(conversation_id=CHAT, user_id=YOU, received_seq=2)
    await peer.gate.push(event(received_moved=moved), event(received_moved=moved))
    assert (await next_of(events, model.ReceivedMoved)).received_seq == 2
    known = live.conversation(CHAT)
    assert known is not None
    assert (known.received_by_others(ME), known.read_by_others(ME)) == (2, 0)


async def test_watch_and_focus_are_said_again_after_a_cut(peer: Peer, live: Client) -> None:
    live.watch([YOU])
    live.focus(CHAT)
    await until(lambda: said(peer, "watch") and said(peer, "focus"))
    events = live.events()
    presence = presence_pb2.Presence(user_id=YOU, state=presence_pb2.PRESENCE_STATE_ONLINE)
    presences = gate_pb2.Presences(presences=[presence])
    await peer.gate.push(event(presences=presences))
    assert (await next_of(events, model.PresenceChanged)).presence.online is True
    assert live.presence(YOU).online is True
    assert live.presence("stranger").online is None
    peer.gate.frames.clear()
    await peer.stop()
    await peer.start()
    await until(lambda: said(peer, "watch") and said(peer, "focus"), 15)
    assert [list(it.user_ids) for it in said(peer, "watch")] == [[YOU]]
    assert [it.conversation_id for it in said(peer, "focus")] == [CHAT]


async def test_typing_is_said_at_most_every_two_seconds(peer: Peer, live: Client) -> None:
    for _ in range(5):
        live.typing(CHAT)
    message = await live.send(CHAT, "x")
    await live.settled(message.client_message_id, 5)
    assert len(said(peer, "typing")) == 1
    events = live.events()
    typing = gate_pb2.TypingStarted(conversation_id=CHAT, user_id=YOU)
    await peer.gate.push(event(typing_started=typing))
    assert (await next_of(events, model.TypingStarted)).user_id == YOU


def settings_change(version: int, **settings: Any) -> gate_pb2.ServerEvent:
    change = conversation_pb2.UserChange(
        version=version, settings={"conversation_id": CHAT, "settings": settings}
    )
    return event(user_change=change)


async def test_changes_of_other_devices_are_taken_in_order(peer: Peer, live: Client) -> None:
    await peer.gate.push(settings_change(1, pinned=True), settings_change(2, draft="草稿"))
    await until(lambda: live._open().cache.state("user_version") == 2)
    known = live.conversation(CHAT)
    assert known is not None
    assert (known.settings.pinned, known.settings.draft) == (False, "草稿")
    syncs = len(said(peer, "sync"))
    await peer.gate.push(settings_change(2, draft="old"), settings_change(1, pinned=True))
    await peer.gate.push(settings_change(5, draft="later"))
    # Something is missing between: it is asked for.
    await until(lambda: len(said(peer, "sync")) == syncs + 1)
    assert said(peer, "sync")[-1].user_version == 2
    known = live.conversation(CHAT)
    assert known is not None
    assert known.settings.draft in ("草稿", "")


async def test_hidden_and_cleared_messages_leave_the_chat(peer: Peer, live: Client) -> None:
    hidden = conversation_pb2.UserChange(version=1)
    hidden.hidden.conversation_id = CHAT
    hidden.hidden.seqs.append(1)
    await peer.gate.push(event(user_change=hidden))
    await until(lambda: live._open().cache.state("user_version") == 1)
    assert [it.seq for it in await live.history(CHAT)] == [2]
    await live.clear(CHAT)
    assert await live.history(CHAT) == []
    await peer.gate.push(event(message=peer.chat.append("新的")))
    await until(lambda: live.conversation(CHAT).last_seq == 3)  # type: ignore[union-attr]
    assert [it.seq for it in await live.history(CHAT)] == [3]


async def test_a_reset_begins_anew_and_keeps_what_waits(peer: Peer, live: Client) -> None:
    events = live.events()

    async def swallow(request: message_pb2.SendRequest) -> None:
        """Takes a message and says nothing."""

    peer.gate.on_send = swallow
    waiting = await live.send(CHAT, "没有回执")
    peer.gate.frames.clear()
    await peer.gate.push(event(difference=gate_pb2.Difference(reset=True)))
    await next_of(events, model.CacheReset)
    await until(lambda: said(peer, "sync"))
    assert list(said(peer, "sync")[0].heads) == []
    assert [it.seq for it in await added(events, 2)] == [1, 2]
    assert [it.client_message_id for it in live.pending()] == [waiting.client_message_id]


async def test_a_disappearing_message_goes_while_the_client_runs(peer: Peer, live: Client) -> None:
    events = live.events()
    secret = peer.chat.append("秘密")
    secret.expires_at.FromDatetime(datetime.now(UTC) + timedelta(seconds=0.3))
    await peer.gate.push(event(message=secret))
    assert (await next_of(events, model.MessageAdded)).message.text == "秘密"
    gone = (await next_of(events, model.MessageChanged)).message
    assert (gone.seq, gone.removed, gone.text) == (3, "expired", "")
    assert live.search_local("秘密") == []


async def test_a_head_that_moved_is_fetched_while_it_is_shown(peer: Peer, live: Client) -> None:
    peer.chat.append("三")
    head = gate_pb2.HeadMoved(conversation_id=CHAT, last_seq=3)
    events = live.events()
    await peer.gate.push(event(head_moved=head))
    assert (await next_of(events, model.ConversationChanged)).conversation.last_seq == 3
    assert peer.chat.lists == []
    live.focus(CHAT)
    await peer.gate.push(event(head_moved=head))
    assert [it.text for it in await added(events, 1)] == ["三"]


async def test_a_card_goes_with_the_name_of_its_user(peer: Peer, live: Client) -> None:
    sent = await live.send_card(CHAT, YOU)
    assert (sent.text, sent.card_user_id) == ("你", YOU)
    request = message_pb2.SendRequest.FromString(sent.request)
    assert (request.text, request.card.user_id) == ("你", YOU)
    assert (await live.send_card(CHAT, YOU, "我的朋友")).text == "我的朋友"
    with pytest.raises(ServerError) as caught:
        await live.send_card(CHAT, "nobody")
    assert caught.value.reason == "USER_NOT_FOUND"


async def test_who_has_no_card_cannot_be_asked_by_it(peer: Peer, live: Client) -> None:
    with pytest.raises(ServerError) as caught:
        await live.request_by_card(CHAT, 1)
    assert caught.value.reason == "CARD_NOT_FOUND"


async def test_privacy_is_named_by_what_is_allowed(peer: Peer, live: Client) -> None:
    account = await live.update_me(
        found_by_email=False, who_may_add="known", strangers="refuse", read_receipts=False
    )
    assert account.privacy == model.Privacy(
        found_by_handle=True,
        found_by_email=False,
        who_may_add="known",
        strangers="refuse",
        read_receipts=False,
    )
    assert peer.accounts.masks == [
        [
            "privacy.hide_from_email_search",
            "privacy.add_policy",
            "privacy.stranger_policy",
            "privacy.hide_read_receipts",
        ]
    ]
    assert (await live.update_me(gender="female")).gender == "female"
    assert (await live.me()).privacy == model.Privacy()
