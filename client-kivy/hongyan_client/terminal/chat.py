"""The interactive chat: history, live messages above the prompt, and a line of state below it."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from datetime import datetime
from io import StringIO

from prompt_toolkit import PromptSession, print_formatted_text
from prompt_toolkit.formatted_text import ANSI, HTML, AnyFormattedText
from prompt_toolkit.patch_stdout import patch_stdout
from rich.console import Console
from rich.text import Text

from hongyan_client.client import Client
from hongyan_client.errors import DeadlineExceeded, HongyanError, Unavailable
from hongyan_client.model import (
    ConnectionChanged,
    ConnectionState,
    Event,
    HistoryReset,
    Lagged,
    Message,
    MessageAdded,
    MessageChanged,
    MessageKind,
    MessageState,
    MessageStateChanged,
    ReadMoved,
    SignedOut,
    TypingStarted,
)
from hongyan_client.terminal.lines import message_line, tick
from hongyan_client.terminal.output import moment, one_line, separates
from hongyan_client.terminal.shell import Shell, label_of, name_of, namer, title_of
from hongyan_client.terminal.slash import Slash
from hongyan_client.terminal.strings import reason_text, text

PAGE = 30
STORE_SECONDS = 30.0
# So many piped lines may wait for their acks before the next is read.
LINES_AHEAD = 64
# So long somebody counts as writing who said so.
TYPING_SECONDS = 5.0


class Chat:
    """One conversation in one terminal."""

    def __init__(self, client: Client, shell: Shell, conversation_id: str) -> None:
        self._client = client
        self._shell = shell
        self._conversation_id = conversation_id
        self._shown_at: datetime | None = None
        self._shown_seq = 0
        self._read_seq = 0
        self._prompt: PromptSession[str] | None = None
        self._slash = Slash(client, conversation_id, self._print)
        self._is_offline = False
        self._typing: dict[str, float] = {}
        self._peer = ""

    async def send_lines(self) -> None:
        """Sends every line of stdin, and returns when all are stored.

        Raises what the first refused one was refused with, or DeadlineExceeded.
        """
        await self._client.start()
        waiting: list[str] = []
        async for line in _lines():
            if line.strip():
                message = await self._client.send(self._conversation_id, line)
                waiting.append(message.client_message_id)
            if len(waiting) >= LINES_AHEAD:
                await self._stored(waiting.pop(0))
        for client_message_id in waiting:
            await self._stored(client_message_id)

    async def _stored(self, client_message_id: str) -> None:
        try:
            stored = await self._client.settled(client_message_id, STORE_SECONDS)
        except (Unavailable, DeadlineExceeded):
            count = len(self._client.pending())
            self._shell.output.say(text("chat.kept", count=count), "yellow")
            raise
        if self._shell.output.json:
            self._shell.output.data(stored)

    async def talk(self) -> None:
        """Shows the chat until the user leaves, or the connection ends for good."""
        self._prompt = PromptSession(erase_when_done=True, bottom_toolbar=self._toolbar)
        self._prompt.default_buffer.on_text_insert += self._typed
        known = self._client.conversation(self._conversation_id)
        name = await title_of(self._client, known) if known else self._conversation_id
        with patch_stdout(raw=True):
            self._print(Text(text("chat.title", name=one_line(name)), style="bold"))
            events = self._client.events()
            await self._client.start()
            self._client.focus(self._conversation_id)
            if known and known.group is None:
                self._peer = known.peer_id(self._client.user_id)
                self._client.watch([self._peer])
            await self._show_newest()
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(self._watch(events, self._prompt))
                await self._read_prompt(self._prompt)
                events.close()
                watching.cancel()
        left = [it for it in self._client.pending() if it.state is MessageState.SENDING]
        if left:
            self._shell.output.say(text("chat.kept", count=len(left)), "yellow")

    async def _show_newest(self) -> None:
        try:
            messages = await self._client.history(self._conversation_id, limit=PAGE)
        except HongyanError:
            messages = []
            self._print(Text(text("chat.offline_cache"), style="yellow"))
        for message in messages:
            await self._show(message)
        for message in self._client.pending(self._conversation_id):
            if message.state is MessageState.FAILED:
                await self._show(message)
        self._mark_read()

    async def _read_prompt(self, prompt: "PromptSession[str]") -> None:
        """Reads lines and sends them until /quit, Ctrl-D or Ctrl-C."""
        while True:
            try:
                line = await prompt.prompt_async("> ")
            except (EOFError, KeyboardInterrupt):
                return
            if line.strip() in ("/quit", "/q"):
                return
            if not line.strip() or await self._slash.run(line.strip()):
                continue
            try:
                await self._client.send(self._conversation_id, line.removeprefix("/"))
            except HongyanError as error:
                self._print(Text(f"! {error}", style="red"))

    async def _watch(self, events: AsyncIterator[Event], prompt: "PromptSession[str]") -> None:
        async for event in events:
            await self._show_event(event)
            prompt.app.invalidate()
            over = isinstance(event, SignedOut) or (
                isinstance(event, ConnectionChanged) and event.reason == "REPLACED"
            )
            if over:
                key = "session_ended" if isinstance(event, SignedOut) else "replaced"
                self._print(Text(text(f"state.{key}"), style="bold red"))
                if prompt.app.is_running:
                    prompt.app.exit(exception=EOFError)
                return

    async def _show_event(self, event: Event) -> None:
        match event:
            case ConnectionChanged():
                self._show_state(event)
            case Lagged():
                await self._show_newest()
            case MessageStateChanged(message) if message.state is MessageState.FAILED:
                if message.kind is MessageKind.TEXT:
                    await self._show(message)
                else:  # an entry, of which nothing is to be seen but that it was refused
                    why = reason_text(message.failure) or message.failure
                    self._print(Text(f"! {why}", style="red"))
            case MessageAdded(message) | MessageChanged(message):
                if message.conversation_id == self._conversation_id:
                    await self._show_news(event, message)
            case TypingStarted(conversation_id, user_id):
                if conversation_id == self._conversation_id:
                    await name_of(self._client, user_id)
                    self._typing[user_id] = time.monotonic() + TYPING_SECONDS
            case ReadMoved() if event.conversation_id == self._conversation_id:
                await self._show_read(event)
            case HistoryReset() if event.conversation_id == self._conversation_id:
                known = self._client.conversation(self._conversation_id)
                # What the user has cleared was not said while they were away.
                if known is None or event.first_seq > known.settings.cleared_seq + 1:
                    self._print(Text(f"— {text('chat.history_reset')} —", style="yellow"))

    async def _show_news(self, event: Event, message: Message) -> None:
        """Shows a new message, or again one that looks different now."""
        if isinstance(event, MessageChanged):
            await self._print_message(message)
            return
        self._typing.pop(message.sender_id, None)
        await self._show(message)
        self._mark_read()

    def _show_state(self, event: ConnectionChanged) -> None:
        if event.state is ConnectionState.OFFLINE and not event.reason:
            if not self._is_offline:  # one line for an outage, however many attempts it takes
                self._print(Text(f"— {text('state.offline')} —", style="yellow"))
            self._is_offline = True
        elif event.state is ConnectionState.ONLINE:
            self._print(Text(f"— {text('state.online')} —", style="dim"))
            self._is_offline = False

    async def _show(self, message: Message) -> None:
        """Prints a message once, with a time above it where some time has passed."""
        if 0 < message.seq <= self._shown_seq:
            return
        self._shown_seq = max(self._shown_seq, message.seq)
        if separates(self._shown_at, message.created_at):
            self._print(Text(f"        {moment(message.created_at)}", style="dim"))
        self._shown_at = message.created_at
        await self._print_message(message)

    async def _print_message(self, message: Message) -> None:
        user_id = self._client.user_id
        own = message.sender_id == user_id
        name = text("you") if own else await label_of(self._client, message.sender_id)
        known = self._client.conversation(self._conversation_id)
        quoted = None
        if message.quote:
            with contextlib.suppress(HongyanError):
                quoted = await self._client.message(self._conversation_id, message.quote.seq)
        mark = tick(message, known, user_id)
        named = await namer(self._client, [message])
        line = message_line(message, name, own=own, mark=mark, quoted=quoted, names=named)
        self._print(line)

    def _typed(self, _: object) -> None:
        """Tells the others that something is being written."""
        if self._prompt is not None and not self._prompt.default_buffer.text.startswith("/"):
            self._client.typing(self._conversation_id)

    async def _show_read(self, event: ReadMoved) -> None:
        """Says that others have read, when there is something of ours that they had not."""
        if event.user_id == self._client.user_id or event.read_seq <= self._read_seq:
            return
        newest = await self._client.history(self._conversation_id, event.read_seq + 1, 1)
        self._read_seq = event.read_seq
        if newest and newest[0].sender_id == self._client.user_id:
            self._print(Text(f"        ✓✓ {text('chat.read')}", style="dim"))

    def _mark_read(self) -> None:
        if self._shown_seq:
            self._client.mark_read(self._conversation_id, self._shown_seq)

    def _toolbar(self) -> AnyFormattedText:
        """The line below the prompt: the connection, and what is still on its way."""
        parts = [text(f"state.{self._client.state}")]
        parts += self._others()
        try:
            pending = self._client.pending(self._conversation_id)
        except HongyanError:
            pending = []
        sending = [it for it in pending if it.state is MessageState.SENDING]
        if sending:
            parts.append(f"… {text('sending')} {len(sending)}: {one_line(sending[0].text)[:40]}")
        return HTML("{}").format(" · ".join(parts))

    def _others(self) -> list[str]:
        """Says who is writing, or whether the other one is there."""
        now = time.monotonic()
        writing = [user_id for user_id, until in self._typing.items() if until > now]
        if writing:
            known = self._client.known_user(writing[0])
            name = known.display_name if known else writing[0]
            return [text("chat.typing", name=one_line(name))]
        if not self._peer:
            return []
        presence = self._client.presence(self._peer)
        known = self._client.known_user(self._peer)
        name = one_line(known.display_name) if known else ""
        if presence.online:
            return [text("chat.here", name=name)]
        if presence.online is False and presence.active_at:
            return [f"{name} {text('chat.seen', when=moment(presence.active_at))}"]
        return []

    def _print(self, line: Text) -> None:
        """Prints above the prompt; the width of Chinese and emoji is rich's to know."""
        width = self._shell.output.console.width
        buffer = StringIO()
        Console(file=buffer, force_terminal=True, width=width, highlight=False).print(line)
        print_formatted_text(ANSI(buffer.getvalue().rstrip("\n")))


async def _lines() -> AsyncIterator[str]:
    """Reads stdin line by line, without holding up the loop."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        yield line.rstrip("\r\n")
