"""What stands above a chat: its name, who is there or writes, what is pinned, and why one may not
write."""

from datetime import UTC, datetime
from typing import Any

from kivy.app import App
from kivy.clock import Clock

from app import clock
from app.session import Session
from hongyan_client.model import (
    Conversation,
    MessageState,
    PresenceChanged,
    TypingStarted,
)

TYPING_SECONDS, MINUTE = 6, 60
NAMES = 3


class Heading:
    """Fills the bars of one chat screen."""

    def __init__(self, chat: Any, session: Session) -> None:
        self._chat = chat
        self._session = session
        self._typing: dict[str, float] = {}
        self._pinned_at = 0
        self._watched = ""
        self._dismissed: dict[str, int] = {}
        self._end_typing = Clock.create_trigger(lambda *_: self._hint(), TYPING_SECONDS + 0.1)
        Clock.schedule_interval(lambda *_: self._hint(), MINUTE)

    @property
    def _app(self) -> Any:
        return App.get_running_app()

    @property
    def _known(self) -> Conversation | None:
        return self._chat.reading.known

    def close(self) -> None:
        """Another chat will be shown, or none."""
        self._typing.clear()
        self._pinned_at = 0
        self._watch("")
        chat = self._chat
        chat.announcement = chat.pinned_text = chat.barred = chat.barred_button = ""
        chat.stranger = False

    def show(self, known: Conversation | None) -> None:
        """Shows what is known of the conversation."""
        if known is None:
            return
        chat, words = self._chat, self._app.words
        title = self._session.title(known)
        if known.group and known.group.member_count:
            title = words("chat.members", name=title, count=known.group.member_count)
        chat.title = title
        self._watch("" if known.group else known.peer_id(self._session.user_id))
        self._hint()
        self._bars(known)
        chat.barred, chat.barred_button = self._barred(known)

    # Who is there, who writes

    def _watch(self, user_id: str) -> None:
        if user_id != self._watched:
            self._watched = user_id
            self._session.watch("chat", [user_id] if user_id else [])

    def take(self, event: Any) -> None:
        """Takes an event of the client."""
        if isinstance(event, TypingStarted):
            if event.conversation_id == self._chat.conversation_id:
                self._typing[event.user_id] = Clock.get_time() + TYPING_SECONDS
                self._end_typing.cancel()
                self._end_typing()
                self._hint()
        elif isinstance(event, PresenceChanged) and event.presence.user_id == self._watched:
            self._hint()

    def said(self, user_id: str) -> None:
        """Who has said something does not write it any more."""
        if self._typing.pop(user_id, None) is not None:
            self._hint()

    def _hint(self) -> None:
        chat, words, known = self._chat, self._app.words, self._known
        if known is None or not self._session.signed_in:
            return
        now = Clock.get_time()
        writing = [user for user, until in self._typing.items() if until > now]
        chat.typing = bool(writing)
        if writing and known.group:
            names = "、".join(chat.names(it) for it in writing[:NAMES])
            chat.hint = words("chat.typing_who", name=names)
        elif writing:
            chat.hint = words("chat.typing")
        else:
            chat.hint = self._presence()

    def _presence(self) -> str:
        words = self._app.words
        if not self._watched or self._watched == self._session.user_id:
            return ""
        presence = self._session.client.presence(self._watched)
        if self._session.is_online(self._watched):
            return words("chat.online")
        if presence.active_at is None:
            return ""
        now = datetime.now(UTC)
        minutes = int((now - presence.active_at).total_seconds() // 60)
        if minutes < 1:
            return words("chat.active_now")
        if minutes < 60:
            return words("chat.active_minutes", count=minutes)
        if minutes < 24 * 60:
            return words("chat.active_hours", count=minutes // 60)
        return words("chat.active_at", time=clock.short(presence.active_at, now, words))

    def show_about(self) -> None:
        """Shows what there is to know about the group or the other one."""
        known, app = self._known, self._app
        if known is None:
            return
        if known.group:
            app.go("group", conversation_id=known.conversation_id)
        else:
            app.go("chat_info", conversation_id=known.conversation_id)

    # Pinned and announced

    def _bars(self, known: Conversation) -> None:
        chat, words, group = self._chat, self._app.words, known.group
        chat.announcement = ""
        dismissed = self._dismissed.get(known.conversation_id)
        if group and group.role and group.announcement_seq != dismissed:
            chat.announcement = " ".join(group.announcement.split())
        chat.stranger = known.request
        pinned = known.pinned_seqs
        self._pinned_at = self._pinned_at % len(pinned) if pinned else 0
        if not pinned:
            chat.pinned_text = ""
            return
        message = chat.reading.message(pinned[self._pinned_at])
        if message is None:
            text = "…"
        elif message.card_user_id:
            text = words("message.card")
        else:
            text = " ".join(message.text.split()) or words("message.gone")
        number, count = self._pinned_at + 1, len(pinned)
        key = "chat.pinned" if count == 1 else "chat.pinned_of"
        values = {} if count == 1 else {"number": number, "count": count}
        chat.pinned_title, chat.pinned_text = words(key, **values), text

    def show_pinned(self) -> None:
        """Goes to the pinned message that the bar shows, and shows the next one there."""
        known = self._known
        if known is None or not known.pinned_seqs:
            return
        self._chat.jump(known.pinned_seqs[self._pinned_at])
        self._pinned_at = (self._pinned_at + 1) % len(known.pinned_seqs)
        self._bars(known)

    def dismiss_announcement(self) -> None:
        """Takes the bar away until there is another announcement."""
        known = self._known
        if known and known.group:
            self._dismissed[known.conversation_id] = known.group.announcement_seq
            self._chat.announcement = ""

    # Who may not write, and strangers

    def _barred(self, known: Conversation) -> tuple[str, str]:
        """Returns why the account may not write, and what the button beside it says."""
        words, group = self._app.words, known.group
        if group is None:
            return self._barred_by(known)
        if group.dissolved:
            return words("barred.dissolved"), ""
        if not group.role:
            return words("barred.removed"), ""
        now = datetime.now(UTC)
        if group.silenced_until and group.silenced_until > now:
            left = max(1, int((group.silenced_until - now).total_seconds() // 60)) * 60
            return words("barred.silenced", time=words.duration(left)), ""
        if group.settings.muted and group.role == "member":
            return words("barred.muted"), ""
        return "", ""

    def _barred_by(self, known: Conversation) -> tuple[str, str]:
        words, me = self._app.words, self._session.user_id
        peer = known.peer_id(me)
        if self._session.client.contact(peer).blocked:
            return words("barred.blocked"), words("barred.unblock")
        thread = self._chat.reading.thread
        last = thread.slots[-1].message if thread.slots else None
        if last is None or last.state is not MessageState.FAILED:
            return "", ""
        # Whatever is said after it says that it would not be refused any more.
        over = thread.messages and thread.messages[-1].created_at > last.created_at
        if last.failure == "NOT_FRIENDS" and not over:
            return words("barred.not_friends"), words("chat.add_friend")
        return "", ""

    async def unbar(self) -> None:
        """Does what the button beside the reason says."""
        known, client = self._known, self._session.client
        if known is None:
            return
        peer = known.peer_id(self._session.user_id)
        if client.contact(peer).blocked:
            await client.unblock(peer)
            self._chat.look_again()
            return
        await self._befriend(peer)

    async def _befriend(self, user_id: str) -> None:
        client, app = self._session.client, self._app
        asking = [
            it
            for it in await client.contact_requests()
            if it.incoming and it.state == "pending" and it.user_id == user_id
        ]
        if asking:
            await client.accept_contact(user_id)
            app.tell("chat.friends_now")
            return
        request = await client.request_contact(user_id)
        app.tell("chat.friends_now" if request.state == "accepted" else "chat.asked")

    async def answer_stranger(self, answer: str) -> None:
        """Accepts a stranger, blocks them, or deletes the chat."""
        known, client, app = self._known, self._session.client, self._app
        if known is None:
            return
        words, id = app.words, known.conversation_id
        peer = known.peer_id(self._session.user_id)
        if answer == "accept":
            await self._befriend(peer)
            return
        name = self._session.name(peer)
        title = (
            words("chat.block_ask", name=name) if answer == "block" else words("chat.remove_ask")
        )
        note = words("chat.block_note" if answer == "block" else "chat.remove_note")
        yes = words("chat.block" if answer == "block" else "menu.delete")
        if not await app.dialogs.confirm(title, note, yes=yes, danger=True):
            return
        if answer == "block":
            await client.block(peer)
        await client.clear(id, remove=True)
        if self._chat.conversation_id == id:
            app.close_chat()
