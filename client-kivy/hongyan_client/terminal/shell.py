"""What every command shares: the profile, the client, the output, and the exit codes."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import typer

from hongyan_client.client import Client
from hongyan_client.errors import (
    DeadlineExceeded,
    HongyanError,
    NoConnection,
    NotLoggedIn,
    OutboxFull,
    ServerError,
    Unavailable,
    WentAway,
    code_name,
)
from hongyan_client.model import Conversation, Message
from hongyan_client.terminal.output import Output
from hongyan_client.terminal.strings import reason_text, text

REFUSED, USAGE, NOT_LOGGED_IN, NO_CONNECTION = 1, 2, 3, 4
DEFAULT_ADDRESS = "http://127.0.0.1:8080"


@dataclass(slots=True)
class Shell:
    """One run of the command."""

    address: str
    home: Path
    output: Output

    def run(self, work: "Callable[[Client], Coroutine[Any, Any, None]]") -> None:
        """Runs a command with a client of this profile; errors end with their exit code."""
        try:
            asyncio.run(self._with_client(work))
        except HongyanError as error:
            self.fail(error)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None

    async def _with_client(self, work: "Callable[[Client], Coroutine[Any, Any, None]]") -> None:
        async with Client(self.address, self.home) as client:
            await work(client)

    def fail(self, error: HongyanError) -> NoReturn:
        """Says what went wrong and what to do next, and ends with the error's exit code."""
        code = exit_code(error)
        if self.output.json:
            print(json.dumps(error_json(error), ensure_ascii=False), file=sys.stderr)  # noqa: T201
        else:
            for line in self._explain(error):
                self.output.say(line, "red")
        raise typer.Exit(code)

    def _explain(self, error: HongyanError) -> list[str]:
        if isinstance(error, NotLoggedIn):
            return [text("error.not_logged_in")]
        if isinstance(error, WentAway):
            return [text("state.replaced")]
        if isinstance(error, OutboxFull):
            return [text("error.outbox_full")]
        if isinstance(error, NoConnection):
            return [text("error.no_connection", address=self.address)]
        if isinstance(error, DeadlineExceeded):
            return [text("error.deadline")]
        if not isinstance(error, ServerError):
            return [str(error)]
        reason = error.reason or code_name(error.code)
        if isinstance(error, Unavailable):
            return [text("error.unavailable", reason=reason)]
        known = reason_text(reason)
        refused = text("error.refused", reason=reason, message=error.message)
        lines = [f"{known} ({reason})" if known else refused]
        lines += [text("error.field", field=k, text=v) for k, v in error.fields.items()]
        if error.retry_delay is not None:
            lines.append(text("error.retry", seconds=max(1, round(error.retry_delay))))
        return lines

    def usage(self, words: str) -> NoReturn:
        """Ends as a wrong use of the command."""
        self.output.say(words, "red")
        raise typer.Exit(USAGE)

    def can_ask(self) -> bool:
        """Returns whether there is a person at the keyboard."""
        return sys.stdin.isatty() and not self.output.json

    def ask(self, key: str, given: str, option: str, *, hidden: bool = False) -> str:
        """Returns what was given, or asks for it when there is somebody to ask."""
        if given:
            return given
        if not self.can_ask():
            self.usage(text("option.missing", option=option))
        return str(typer.prompt(text(key), hide_input=hidden, err=True))

    def confirm(self, key: str) -> bool:
        """Asks for a yes, one line from stdin, also of a script; anything else is a no."""
        self.output.say(f"{text(key)} [y/N]")
        try:
            return sys.stdin.readline().strip().lower() in ("y", "yes", "是")
        except KeyboardInterrupt:
            return False

    def password(self, *, from_stdin: bool, twice: bool = False, key: str = "ask.password") -> str:
        """Returns the password: from stdin, from HONGYAN_PASSWORD, or asked for, unseen."""
        if from_stdin:
            return sys.stdin.readline().rstrip("\r\n")
        if "HONGYAN_PASSWORD" in os.environ:
            return os.environ["HONGYAN_PASSWORD"]
        if not self.can_ask():
            self.usage(text("password.missing"))
        password = str(typer.prompt(text(key), hide_input=True, err=True))
        if twice and typer.prompt(text("ask.repeat"), hide_input=True, err=True) != password:
            self.usage(text("password.differs"))
        return password


def exit_code(error: HongyanError) -> int:
    """Returns the exit code that stands for an error."""
    if isinstance(error, NotLoggedIn):
        return NOT_LOGGED_IN
    if isinstance(error, Unavailable | DeadlineExceeded):
        return NO_CONNECTION
    return REFUSED


def error_json(error: HongyanError) -> dict[str, Any]:
    """Returns an error for scripts."""
    document: dict[str, Any] = {"error": type(error).__name__, "message": str(error)}
    if isinstance(error, ServerError):
        document.update(
            code=code_name(error.code),
            reason=error.reason,
            message=error.message,
            fields=error.fields,
            retry_delay=error.retry_delay,
        )
    return document


async def name_of(client: Client, user_id: str) -> str:
    """Returns what the account calls a user: the remark, else the name, else the id."""
    if remark := client.contact(user_id).remark:
        return remark
    try:
        return (await client.user(user_id)).display_name or user_id
    except ServerError:
        return user_id


async def label_of(client: Client, user_id: str) -> str:
    """Returns what is shown of a user: the name, and whether it is a bot."""
    name = await name_of(client, user_id)
    try:
        return f"{name} {text('bot.mark')}" if (await client.user(user_id)).bot else name
    except ServerError:
        return name


async def title_of(client: Client, conversation: Conversation) -> str:
    """Returns what a conversation is called: the group's name, or who is in it."""
    group = conversation.group
    if group is None:
        return await name_of(client, conversation.peer_id(client.user_id))
    if group.settings.name:
        return group.settings.name
    others = [it for it in group.picture_user_ids if it != client.user_id]
    return text("list.and").join([await name_of(client, it) for it in others[:4]])


async def namer(client: Client, messages: Sequence[Message]) -> Callable[[str], str]:
    """Returns what names the users that events and cards of some messages speak of."""
    events = [it.event for it in messages if it.event]
    users = {user_id for event in events for user_id in (*event.user_ids, event.inviter_id)}
    users |= {it.card_user_id for it in messages}
    names = {it: await name_of(client, it) for it in sorted(users) if it}
    names[client.user_id] = text("you")
    return lambda user_id: names.get(user_id, user_id)
