"""The commands about the account's bots: `hongyan bot …`."""

from typing import Annotated, Any

import typer

from hongyan_client.client import Client
from hongyan_client.errors import NotFound
from hongyan_client.model import Bot, BotCommand
from hongyan_client.terminal.output import moment
from hongyan_client.terminal.people_commands import user_id_of
from hongyan_client.terminal.shell import Shell
from hongyan_client.terminal.strings import text

app = typer.Typer(
    name="bot", help="Make bots, give them tokens, take those back.", no_args_is_help=True
)
BotName = Annotated[str, typer.Argument(metavar="BOT", help="Its name, handle or user id.")]


async def bot_of(client: Client, target: str) -> Bot:
    """Returns the own bot that a person means."""
    for it in await client.bots():
        if target in (it.user_id, it.display_name) or target.lower() == it.handle.lower():
            return it
    raise NotFound(5, "BOT_NOT_FOUND", text("bot.unknown", name=target))


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What others see.")],
    handle: Annotated[str, typer.Option(help="The name by which it is found.")] = "",
    signature: Annotated[str, typer.Option(help="What it is for.")] = "",
    public: Annotated[bool, typer.Option("--public", help="Let anyone find and add it.")] = False,
) -> None:
    """Make a bot, and have it among your contacts."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        bot = await client.create_bot(name, handle=handle, signature=signature, public=public)
        await client.request_contact(bot.user_id)
        if shell.output.json:
            shell.output.data(bot)
        else:
            shell.output.say(text("bot.made", id=bot.user_id, name=name))

    shell.run(work)


@app.command("list")
def list_(ctx: typer.Context) -> None:
    """Show your bots."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        bots = await client.bots()
        if shell.output.json:
            for bot in bots:
                shell.output.data(bot)
        elif not bots:
            shell.output.say(text("bot.none"), "yellow")
        else:
            rows = [
                [
                    it.display_name,
                    it.handle,
                    text("bot.public" if it.public else "bot.private"),
                    it.signature,
                    it.user_id,
                ]
                for it in bots
            ]
            shell.output.table(["name", "handle", "seen", "signature", "user"], rows)

    shell.run(work)


@app.command("set")
def set_(
    ctx: typer.Context,
    bot: BotName,
    *,
    name: Annotated[str | None, typer.Option(help="What others see.")] = None,
    handle: Annotated[str | None, typer.Option(help="The name by which it is found.")] = None,
    signature: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    public: Annotated[bool | None, typer.Option(help="Whether anyone may find and add it.")] = None,
) -> None:
    """Change a bot of yours."""
    shell: Shell = ctx.obj
    values: dict[str, Any] = {
        "display_name": name,
        "handle": handle,
        "signature": signature,
        "public": public,
    }
    values = {key: value for key, value in values.items() if value is not None}

    async def work(client: Client) -> None:
        changed = await client.update_bot((await bot_of(client, bot)).user_id, **values)
        if shell.output.json:
            shell.output.data(changed)
        else:
            shell.output.say(text("people.done"))

    shell.run(work)


@app.command()
def delete(ctx: typer.Context, bot: BotName) -> None:
    """Delete a bot of yours for good; what it said stays."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        await client.delete_bot((await bot_of(client, bot)).user_id)
        shell.output.say(text("people.done"))

    shell.run(work)


@app.command()
def token(
    ctx: typer.Context,
    bot: BotName,
    *,
    scopes: Annotated[
        str, typer.Option(help="What it may do: read, write, manage, with commas between.")
    ] = "read,write",
    name: Annotated[str, typer.Option(help="Where it will be used, for the list.")] = "",
    days: Annotated[int, typer.Option(min=0, help="It ends after so long; 0: it does not.")] = 0,
) -> None:
    """Make a token by which a program acts as a bot of yours; stdout has it alone."""
    shell: Shell = ctx.obj
    wanted = [it.strip() for it in scopes.split(",") if it.strip()]
    if not wanted or not set(wanted) <= {"read", "write", "manage"}:
        raise typer.BadParameter("read, write and manage are what there is", param_hint="--scopes")

    async def work(client: Client) -> None:
        found = await bot_of(client, bot)
        secret, made = await client.create_bot_token(
            found.user_id, wanted, name=name, lifetime_seconds=days * 86_400
        )
        if shell.output.json:
            shell.output.data({"token": secret, "bot_token": made})
        else:
            shell.output.say(text("bot.token", bot=bot, id=made.token_id), "yellow")
            typer.echo(secret)

    shell.run(work)


@app.command()
def tokens(ctx: typer.Context, bot: BotName) -> None:
    """Show the tokens of a bot of yours, the latest used first."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        found = await client.bot_tokens((await bot_of(client, bot)).user_id)
        if shell.output.json:
            for it in found:
                shell.output.data(it)
            return
        rows = [
            [
                it.name,
                ",".join(it.scopes),
                moment(it.used_at),
                moment(it.expires_at) if it.expires_at else "",
                it.token_id,
            ]
            for it in found
        ]
        shell.output.table(["name", "scopes", "used", "expires", "token"], rows)

    shell.run(work)


@app.command()
def revoke(
    ctx: typer.Context,
    bot: BotName,
    token_id: Annotated[str, typer.Argument(metavar="TOKEN", help="Its id, from `tokens`.")],
) -> None:
    """End a token: whatever acts by it is cut off within seconds."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        await client.revoke_bot_token((await bot_of(client, bot)).user_id, token_id)
        shell.output.say(text("people.done"))

    shell.run(work)


@app.command()
def commands(
    ctx: typer.Context,
    bot: Annotated[str, typer.Argument(metavar="BOT", help="Any bot that you know.")],
    set_to: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=WHAT", help="What a bot of yours understands now."),
    ] = None,
) -> None:
    """Show what a bot understands, or set that for a bot of yours."""
    shell: Shell = ctx.obj
    wanted = [BotCommand(*_split(it)) for it in set_to or ()]

    async def work(client: Client) -> None:
        if wanted:
            await client.set_bot_commands((await bot_of(client, bot)).user_id, wanted)
        own = [it.user_id for it in await client.bots() if bot in (it.display_name, it.handle)]
        user_id = own[0] if own else await user_id_of(client, bot)
        for it in await client.bot_commands(user_id):
            if shell.output.json:
                shell.output.data(it)
            else:
                shell.output.console.print(f"/{it.name}  {it.description}", markup=False)

    shell.run(work)


def _split(command: str) -> tuple[str, str]:
    name, sign, description = command.partition("=")
    if not sign:
        raise typer.BadParameter(f"{command}: write NAME=WHAT", param_hint="--set")
    return name.removeprefix("/").strip(), description.strip()
