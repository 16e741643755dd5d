"""What begins with a slash in the interactive chat: everything but writing a message."""

import shlex
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rich.text import Text

from hongyan_client.client import Client
from hongyan_client.errors import HongyanError
from hongyan_client.model import FOR_EVER, Message, MessageKind
from hongyan_client.terminal.lines import message_line
from hongyan_client.terminal.output import moment, one_line
from hongyan_client.terminal.people_commands import user_id_of
from hongyan_client.terminal.shell import label_of, name_of
from hongyan_client.terminal.strings import text

RECENT = 50


@dataclass(frozen=True, slots=True)
class Command:
    """One command: how often it wants words at least, and what it does with them."""

    usage: str
    least: int
    run: Callable[[Sequence[str]], Awaitable[object]]


class WrongUse(Exception):
    """The words do not fit the command."""


class Slash:
    """The commands of one chat; `show` prints a line."""

    def __init__(self, client: Client, conversation_id: str, show: Callable[[Text], None]) -> None:
        self._client = client
        self._id = conversation_id
        self._show = show
        self._commands = {
            "reply": Command("N TEXT", 2, self._reply),
            "react": Command("N EMOJI", 2, self._react),
            "unreact": Command("N EMOJI", 2, self._unreact),
            "edit": Command("N TEXT", 2, self._edit),
            "recall": Command("[N]", 0, self._recall),
            "forward": Command("N CONVERSATION", 2, self._forward),
            "card": Command("NAME", 1, self._card),
            "add": Command("N [GREETING]", 1, self._add),
            "pin": Command("N", 1, self._pin),
            "unpin": Command("N", 1, self._unpin),
            "hide": Command("N", 1, self._hide),
            "who": Command("[N]", 0, self._who),
            "search": Command("WORDS", 1, self._search),
            "mute": Command("[HOURS]", 0, self._mute),
            "unmute": Command("", 0, self._unmute),
            "timer": Command("SECONDS", 1, self._timer),
            "clear": Command("", 0, self._clear),
            "help": Command("", 0, self._help),
        }

    async def run(self, line: str) -> bool:
        """Does what a line says; returns False when it is a text: "//" begins one with a slash."""
        if not line.startswith("/") or line.startswith("//"):
            return False
        name, _, rest = line[1:].partition(" ")
        command = self._commands.get(name)
        if command is None:
            self._say(text("slash.unknown", name=one_line(name)), "yellow")
            return True
        try:
            words = rest.split(None, 1) if command.usage.endswith("TEXT") else _split(rest)
            if len(words) < command.least:
                raise WrongUse
            await command.run(words)
        except WrongUse:
            self._say(text("slash.usage", name=name, usage=command.usage), "yellow")
        except HongyanError as error:
            self._say(f"! {error}", "red")
        return True

    def _say(self, words: str, style: str = "dim") -> None:
        self._show(Text(words, style=style))

    async def _own_last(self) -> int:
        """Returns the number of the newest own text."""
        for message in reversed(await self._client.history(self._id, limit=RECENT)):
            if message.sender_id == self._client.user_id and message.kind is MessageKind.TEXT:
                return message.seq
        raise WrongUse

    async def _reply(self, words: Sequence[str]) -> None:
        await self._client.send(self._id, words[1], quote_seq=_number(words[0]))

    async def _edit(self, words: Sequence[str]) -> None:
        await self._client.edit(self._id, _number(words[0]), words[1])

    async def _recall(self, words: Sequence[str]) -> None:
        await self._client.recall(self._id, _number(words[0]) if words else await self._own_last())

    async def _react(self, words: Sequence[str]) -> None:
        await self._client.react(self._id, _number(words[0]), words[1])

    async def _unreact(self, words: Sequence[str]) -> None:
        await self._client.react(self._id, _number(words[0]), words[1], removed=True)

    async def _forward(self, words: Sequence[str]) -> None:
        if await self._client.forward(words[1], self._id, _number(words[0])) is None:
            self._say(text("slash.no_text"), "yellow")

    async def _card(self, words: Sequence[str]) -> None:
        user_id = await user_id_of(self._client, " ".join(words))
        await self._client.send_card(self._id, user_id)

    async def _add(self, words: Sequence[str]) -> None:
        seq, greeting = _number(words[0]), " ".join(words[1:])
        asked = await self._client.request_by_card(self._id, seq, greeting)
        if asked.state == "accepted":
            self._say(text("people.friends", id=asked.user_id))
        else:
            self._say(text("people.asked"))

    async def _pin(self, words: Sequence[str]) -> None:
        await self._client.pin(self._id, _number(words[0]))

    async def _unpin(self, words: Sequence[str]) -> None:
        await self._client.pin(self._id, _number(words[0]), removed=True)

    async def _hide(self, words: Sequence[str]) -> None:
        await self._client.hide(self._id, [_number(it) for it in words])

    async def _timer(self, words: Sequence[str]) -> None:
        await self._client.set_timer(self._id, _number(words[0]))

    async def _who(self, words: Sequence[str]) -> None:
        seq = _number(words[0]) if words else await self._own_last()
        readers = await self._client.readers(self._id, seq)
        for key in ("read", "received", "waiting"):
            names = [await name_of(self._client, it) for it in getattr(readers, key)]
            if names:
                self._say(f"      {text(f'readers.{key}')}: {', '.join(names)}")

    async def _search(self, words: Sequence[str]) -> None:
        found = await self._client.search(" ".join(words), self._id)
        if not found.messages:
            self._say(text("search.none"), "yellow")
        for message in reversed(found.messages):
            self._show(await search_line(self._client, message))
        if found.indexing:
            self._say(text("search.indexing"), "yellow")

    async def _mute(self, words: Sequence[str]) -> None:
        until = FOR_EVER
        if words:
            until = datetime.now(UTC) + timedelta(hours=_number(words[0]))
        await self._client.update_settings(self._id, muted_until=until)
        self._say(text("settings.muted"))

    async def _unmute(self, _: Sequence[str]) -> None:
        await self._client.update_settings(self._id, muted_until=None)
        self._say(text("settings.unmuted"))

    async def _clear(self, _: Sequence[str]) -> None:
        await self._client.clear(self._id)
        self._say(text("settings.cleared"))

    async def _help(self, _: Sequence[str]) -> None:
        for name, command in self._commands.items():
            self._say(f"/{name} {command.usage:<16}{text(f'slash.{name}')}")
        self._say(text("slash.hint"))


async def search_line(client: Client, message: Message) -> Text:
    """Shows a message that was found, with its time."""
    own = message.sender_id == client.user_id
    name = text("you") if own else await label_of(client, message.sender_id)
    line = message_line(message, name, own=own)
    line.append(f"  {moment(message.created_at)}", style="dim")
    return line


def _number(word: str) -> int:
    if not word.isascii() or not word.isdigit() or len(word) > 12:
        raise WrongUse
    return int(word)


def _split(rest: str) -> list[str]:
    try:
        return shlex.split(rest)
    except ValueError:
        return rest.split()
