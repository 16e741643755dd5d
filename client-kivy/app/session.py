"""The account behind the screens: one client, its events, and what people are called.

Widgets bind to its events and ask it for what the cache has; whatever waits for the network is
a task of its own here, so that no frame does.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

from kivy.event import EventDispatcher
from kivy.properties import (
    BooleanProperty,
    NumericProperty,
    ObjectProperty,
    OptionProperty,
    StringProperty,
)

from app.desktop import profiles
from app.strings import Words
from hongyan_client import Client
from hongyan_client.errors import HongyanError, NotLoggedIn, ServerError
from hongyan_client.model import (
    Account,
    CacheReset,
    CaughtUp,
    Claim,
    ConnectionChanged,
    ConnectionState,
    ContactChanged,
    ContactRequestChanged,
    Conversation,
    ConversationChanged,
    HistoryReset,
    Lagged,
    Message,
    MessageAdded,
    MessageChanged,
    MessageQueued,
    MessageStateChanged,
    PresenceChanged,
    ReadMoved,
    ReceivedMoved,
    SignedOut,
    TypingStarted,
    User,
)
from hongyan_client.tokens import TokenStore

log = logging.getLogger("hongyan_app")


class Session(EventDispatcher):
    """What the screens know. `refused` is called with the reason of what the server refused."""

    __events__ = (
        "on_chats",
        "on_messages",
        "on_people",
        "on_typing",
        "on_arrived",
        "on_event",
        "on_signed_out",
    )

    state = OptionProperty("offline", options=[it.value for it in ConnectionState])
    signed_in = BooleanProperty(False)
    pulling = BooleanProperty(False)
    """Whether what is new is being fetched, from the connection on until all is here."""
    unread = NumericProperty(0)
    """How many messages are new, without those of muted chats."""
    unread_label = StringProperty("")
    """The same for a badge: empty for none."""
    user_id = StringProperty("")
    account = ObjectProperty(None, allownone=True)
    """The own profile as the server told it last; None until it has."""

    def __init__(
        self,
        address: str,
        home: Path,
        refused: Callable[[str], None],
        words: Words,
        tokens: TokenStore | None = None,
    ) -> None:
        super().__init__()
        self._words = words
        self.client = Client(address, home, tokens=tokens)
        self._refused = refused
        self._tasks: set[asyncio.Task[Any]] = set()
        self._asked: set[str] = set()
        self._watched: dict[str, tuple[str, ...]] = {}
        self.user_id = self.client.user_id
        self.signed_in = bool(self.user_id)

    def on_unread(self, *_: Any) -> None:
        count = int(self.unread)
        self.unread_label = "" if not count else str(count) if count < 100 else "99+"

    # What the screens are told

    def on_chats(self) -> None:
        """The list of conversations looks different."""

    def on_messages(self, conversation_id: str) -> None:
        """A conversation looks different; "": all do."""

    def on_people(self) -> None:
        """Contacts, requests or names look different."""

    def on_typing(self, conversation_id: str) -> None:
        """The other one is writing."""

    def on_arrived(self, message: Message) -> None:
        """Somebody else has just said something."""

    def on_event(self, event: Any) -> None:
        """Whatever the client tells, as it is, before the other events."""

    def on_signed_out(self, reason: str) -> None:
        """The session has ended."""

    # Its life

    def spawn(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Runs something beside the screen; what the server refuses is told."""
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # One that is cancelled before its first step has not even begun its work.
        task.add_done_callback(lambda _: work.close())
        return task

    async def _guarded(self, work: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await work
        except ServerError as error:
            self._refused(error.reason)
        except HongyanError:
            self._refused("")
        except Exception:
            log.exception("a task of the app failed")
            self._refused("")
        return None

    def open(self) -> None:
        """Listens, and connects if there is an account; shows the cache at once."""
        self.spawn(self._listen())
        if self.signed_in:
            self.spawn(self._connect())

    async def _connect(self) -> None:
        try:
            await self.client.start()
        except NotLoggedIn:
            self.signed_in = False
            return
        self.dispatch("on_chats")

    async def login(self, email: str, password: str) -> None:
        """Logs in and connects; raises what the server refuses."""
        await self.client.login(email, password)
        await self._logged_in()

    async def login_with_code(self, claim: Claim) -> None:
        """Waits for the other device's yes, logs in and connects; raises what is refused."""
        await self.client.login_with_code(claim)
        await self._logged_in()

    async def _logged_in(self) -> None:
        self.user_id = self.client.user_id
        self._watched.clear()
        await self.client.start()
        self.signed_in = True
        self.dispatch("on_chats")

    async def logout(self) -> None:
        """Ends the session."""
        await self.client.logout()
        self._signed_out()

    async def delete_account(self, password: str) -> None:
        """Deletes the account for good, and what this device has of it."""
        home, user_id = self.client.home, self.user_id
        await self.client.delete_account(password)
        self._signed_out()
        await asyncio.to_thread(profiles.erase, home, user_id)

    def _signed_out(self) -> None:
        self.signed_in = False
        self.user_id = ""
        self.account = None

    async def load_account(self) -> Account:
        """Asks the server for the own profile, and keeps what a list of accounts shows of it."""
        account = await self.client.me()
        self.take(account)
        return account

    def take(self, account: Account) -> None:
        """Takes over what the server says that the own profile is now."""
        if account.user_id != self.user_id:
            return  # somebody else is logged in by now
        self.account = account
        card = profiles.Card(account.user_id, account.display_name, account.email)
        profiles.write_card(self.client.home, card)

    async def switch(self, home: Path, tokens: TokenStore, address: str) -> None:
        """Becomes the account of another profile; where there is none, nobody."""
        current, former = asyncio.current_task(), self.client
        others = [it for it in self._tasks if it is not current]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        self._signed_out()
        self.client = Client(address, home, tokens=tokens)
        self._asked.clear()
        self._watched.clear()
        self.user_id = self.client.user_id
        self.state = self.client.state.value
        self.signed_in = bool(self.user_id)
        self.open()
        for event in ("on_people", "on_chats"):
            self.dispatch(event)
        self.dispatch("on_messages", "")
        await former.close()

    def hush(self) -> None:
        """Ends all tasks at once: no screen is told anything any more."""
        for task in list(self._tasks):
            task.cancel()

    async def close(self) -> None:
        """Says good-bye: tasks first, then the connection."""
        self.hush()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.client.close()

    async def _listen(self) -> None:
        async with self.client.events() as events:
            async for event in events:
                try:
                    self._tell(event)
                except Exception:
                    # What one event makes of a screen must not end the telling of all others.
                    log.exception("an event was not shown")

    def _tell(self, event: Any) -> None:
        self.dispatch("on_event", event)
        match event:
            case ConnectionChanged(state=state):
                self.state = state.value
                self.pulling = state is ConnectionState.ONLINE
                if state is ConnectionState.ONLINE:
                    self.spawn(self._load_account())
            case MessageAdded(message=message, live=live):
                self._changed(message)
                if live and message.sender_id != self.user_id:
                    self.dispatch("on_arrived", message)
            case MessageQueued(message=message):
                self._changed(message)
            case MessageStateChanged(message=message) | MessageChanged(message=message):
                self._changed(message)
            case ReadMoved() | ReceivedMoved() | HistoryReset():
                self.dispatch("on_messages", event.conversation_id)
                self.dispatch("on_chats")
            case ConversationChanged(conversation=conversation):
                self.dispatch("on_messages", conversation.conversation_id)
                self.dispatch("on_chats")
            case TypingStarted(conversation_id=conversation_id):
                self.dispatch("on_typing", conversation_id)
            case ContactChanged() | ContactRequestChanged() | PresenceChanged():
                self.dispatch("on_people")
                self.dispatch("on_chats")
            case CaughtUp() | CacheReset() | Lagged():
                self.pulling = self.pulling and not isinstance(event, CaughtUp)
                self.dispatch("on_people")
                self.dispatch("on_messages", "")
                self.dispatch("on_chats")
            case SignedOut(reason=reason):
                self._signed_out()
                self.dispatch("on_signed_out", reason)

    async def _load_account(self) -> None:
        """Asks in the background: without an answer, what was known stays."""
        with contextlib.suppress(HongyanError):
            await self.load_account()

    def _changed(self, message: Message) -> None:
        self.dispatch("on_messages", message.conversation_id)
        self.dispatch("on_chats")

    def watch(self, place: str, user_ids: Iterable[str]) -> None:
        """Has the presence of these users told by `on_people`, for one place of the screen; what
        other places watch stays watched."""
        watched = tuple(user_ids)
        if self.signed_in and self._watched.get(place, ()) != watched:
            self._watched[place] = watched
            self.client.watch(it for ids in self._watched.values() for it in ids)

    def is_online(self, user_id: str) -> bool:
        """Says whether somebody is known to be online; without a connection nobody is."""
        connected = self.state == "online" and bool(self.client.user_id)
        return connected and self.client.presence(user_id).online is True

    def on_state(self, *_: Any) -> None:
        if not self.signed_in or not self.client.user_id:
            return  # the screens of an account are gone, or not there yet
        self.dispatch("on_people")
        self.dispatch("on_chats")

    # What people and chats are called

    def user(self, user_id: str) -> User | None:
        """Returns what is known of a user; who is not known yet is asked for."""
        if not user_id or not self.signed_in or not self.client.user_id:
            return None
        known = self.client.known_user(user_id)
        if known is None and user_id not in self._asked:
            self._asked.add(user_id)
            self.spawn(self._ask(user_id))
        return known

    async def _ask(self, user_id: str) -> None:
        try:
            await self.client.user(user_id)
        except HongyanError:
            return
        finally:
            # Another account, or a cache that begins anew, asks again.
            self._asked.discard(user_id)
        self.dispatch("on_people")
        self.dispatch("on_messages", "")
        self.dispatch("on_chats")

    def name(self, user_id: str) -> str:
        """Returns what the account calls a user, "" while nobody knows."""
        if not self.signed_in or not self.client.user_id:
            return ""
        if remark := self.client.contact(user_id).remark:
            return remark
        known = self.user(user_id)
        return (known.display_name or self._words("user.deleted")) if known else ""

    def title(self, conversation: Conversation) -> str:
        """Returns what a conversation is called."""
        group = conversation.group
        if group is None:
            return self.name(conversation.peer_id(self.user_id))
        if group.settings.name:
            return group.settings.name
        others = [it for it in group.picture_user_ids if it != self.user_id]
        named = "、".join(filter(None, (self.name(it) for it in others[:4])))
        return named or self._words("group.unnamed")
