"""The commands that change messages, find them, and set what a conversation is to the user."""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from hongyan_client.client import Client
from hongyan_client.errors import NotFound
from hongyan_client.model import FOR_EVER, Message
from hongyan_client.plain import to_json
from hongyan_client.terminal.shell import Shell, name_of
from hongyan_client.terminal.slash import search_line
from hongyan_client.terminal.strings import text

SEND_SECONDS = 30.0
ConversationId = Annotated[str, typer.Argument(metavar="CONVERSATION")]
Number = Annotated[int, typer.Argument(metavar="N", min=1, help="The message's number.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    for name, command in (
        ("reply", reply),
        ("edit", edit),
        ("recall", recall),
        ("react", react),
        ("forward", forward),
        ("readers", readers),
        ("search", search),
        ("settings", settings),
        ("clear", clear),
    ):
        app.command(name)(command)


def _store(
    ctx: typer.Context, put: Callable[[Client], Coroutine[Any, Any, Message | None]]
) -> None:
    """Puts an entry into the outbox and waits until it is stored."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        message = await put(client)
        if message is None:
            raise NotFound(5, "MESSAGE_NOT_FOUND", text("slash.no_text"))
        await client.deliver(SEND_SECONDS)
        stored = await client.settled(message.client_message_id, 0.1)
        if shell.output.json:
            shell.output.data(stored)
        else:
            shell.output.say(text("stored", seq=stored.seq))

    shell.run(work)


def reply(
    ctx: typer.Context,
    conversation: ConversationId,
    number: Number,
    words: Annotated[str, typer.Argument(metavar="TEXT")],
) -> None:
    """Answer a message, with a quote of it."""
    _store(ctx, lambda client: client.send(conversation, words, quote_seq=number))


def edit(
    ctx: typer.Context,
    conversation: ConversationId,
    number: Number,
    words: Annotated[str, typer.Argument(metavar="TEXT")],
) -> None:
    """Give a message of yours another text."""
    _store(ctx, lambda client: client.edit(conversation, number, words))


def recall(ctx: typer.Context, conversation: ConversationId, number: Number) -> None:
    """Take a message of yours back, within two minutes."""
    _store(ctx, lambda client: client.recall(conversation, number))


def react(
    ctx: typer.Context,
    conversation: ConversationId,
    number: Number,
    emoji: str,
    remove: Annotated[bool, typer.Option("--remove", help="Take it back.")] = False,
) -> None:
    """React to a message with an emoji."""
    _store(ctx, lambda client: client.react(conversation, number, emoji, removed=remove))


def forward(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="FROM", help="The conversation it is in.")],
    number: Number,
    target: Annotated[str, typer.Argument(metavar="TO", help="The conversation it goes to.")],
) -> None:
    """Copy a message into another conversation."""
    _store(ctx, lambda client: client.forward(target, source, number))


def readers(ctx: typer.Context, conversation: ConversationId, number: Number) -> None:
    """Show who has read a message, and whom it has reached."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        found = await client.readers(conversation, number)
        if shell.output.json:
            shell.output.data(found)
            return
        for key in ("read", "received", "waiting"):
            for user_id in getattr(found, key):
                name = await name_of(client, user_id)
                shell.output.console.print(f"{text(f'readers.{key}')}: {name}", markup=False)

    shell.run(work)


def search(
    ctx: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="WORDS")],
    within: Annotated[
        str, typer.Option("--in", metavar="CONVERSATION", help="Only in this one.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=50, help="How many at most.")] = 20,
) -> None:
    """Find messages by their words, in Chinese and English, the newest first."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        found = await client.search(" ".join(words), within, limit=limit)
        for message in found.messages:
            if shell.output.json:
                shell.output.data(message)
            else:
                shell.output.console.print(await search_line(client, message))
        if not found.messages:
            shell.output.say(text("search.none"), "yellow")
        if found.indexing:
            shell.output.say(text("search.indexing"), "yellow")

    shell.run(work)


def settings(
    ctx: typer.Context,
    conversation: ConversationId,
    *,
    pin: Annotated[bool | None, typer.Option(help="Keep it above the others.")] = None,
    archive: Annotated[bool | None, typer.Option(help="Put it away, out of the list.")] = None,
    unread: Annotated[bool | None, typer.Option(help="Show it as unread.")] = None,
    mute: Annotated[bool | None, typer.Option(help="Make no notifications.")] = None,
    hours: Annotated[int, typer.Option(min=0, help="Mute for so long; 0: for ever.")] = 0,
    draft: Annotated[str | None, typer.Option(help="What you have begun to write.")] = None,
) -> None:
    """Show what a conversation is to you, on all of your devices, or change it."""
    shell: Shell = ctx.obj
    values: dict[str, Any] = {"pinned": pin, "archived": archive, "marked_unread": unread}
    values["draft"] = draft
    values = {name: value for name, value in values.items() if value is not None}
    if mute is not None:
        until = datetime.now(UTC) + timedelta(hours=hours) if hours else FOR_EVER
        values["muted_until"] = until if mute else None

    async def work(client: Client) -> None:
        if values:
            found = await client.update_settings(conversation, **values)
        else:
            await client.refresh(conversation)
            await client.conversations()
            known = client.conversation(conversation)
            if known is None:
                raise NotFound(5, "CONVERSATION_NOT_FOUND", "no such conversation")
            found = known.settings
        if shell.output.json:
            shell.output.data(found)
            return
        for name, value in to_json(found).items():
            shell.output.console.print(f"{name}: {value}", markup=False)

    shell.run(work)


def clear(
    ctx: typer.Context,
    conversation: ConversationId,
    remove: Annotated[bool, typer.Option("--remove", help="Take it out of the list too.")] = False,
) -> None:
    """Clear the history of a conversation for you alone."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        found = await client.clear(conversation, remove=remove)
        if shell.output.json:
            shell.output.data(found)
        else:
            shell.output.say(text("settings.cleared"))

    shell.run(work)
