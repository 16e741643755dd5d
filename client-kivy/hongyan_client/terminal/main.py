"""The command `hongyan`: its global options, and where each command is found."""

import logging
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hongyan_client.channel import Address
from hongyan_client.terminal import (
    account_commands,
    bot_commands,
    chat_commands,
    entry_commands,
    group_commands,
    link_commands,
    people_commands,
    picture_commands,
    rpc_commands,
)
from hongyan_client.terminal.output import Output
from hongyan_client.terminal.shell import DEFAULT_ADDRESS, USAGE, Shell
from hongyan_client.terminal.strings import text
from hongyan_client.tokens import TokenFile

HELP = """Talk over Hongyan (鸿雁) from a terminal.

Exit codes: 0 done, 1 refused by the server, 2 wrong use, 3 not logged in, 4 no connection or no
answer in time. Data goes to stdout, words to stderr. With --json every command prints JSON,
one document a line, with stable keys.
"""


class _Group(TyperGroup):
    """Takes --json wherever it stands: `hongyan chats --json` is what one types."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        if "--json" in args[:end]:
            args = ["--json", *[it for it in args[:end] if it != "--json"], *args[end:]]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Group,
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
account_commands.add_to(app)
link_commands.add_to(app)
chat_commands.add_to(app)
entry_commands.add_to(app)
people_commands.add_to(app)
picture_commands.add_to(app)
app.add_typer(group_commands.app, name="group")
app.add_typer(bot_commands.app, name="bot")
app.add_typer(rpc_commands.app, name="rpc")


def _version(wanted: bool) -> None:
    if wanted:
        try:
            number = version("hongyan")
        except PackageNotFoundError:
            number = "unknown"
        typer.echo(f"hongyan {number}")
        raise typer.Exit


@app.callback()
def _globals(
    ctx: typer.Context,
    *,
    address: Annotated[
        str,
        typer.Option(
            envvar="HONGYAN_ADDRESS_URL",
            help=f"The gateway. Default: where this profile logged in, else {DEFAULT_ADDRESS}.",
        ),
    ] = "",
    profile: Annotated[
        str, typer.Option(envvar="HONGYAN_PROFILE", help="Which of several accounts to be.")
    ] = "default",
    home: Annotated[
        Path | None,
        typer.Option(
            envvar="HONGYAN_CLIENT_HOME",
            help="The profile's folder. Default: ~/.local/share/hongyan/PROFILE.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log to stderr.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    level = logging.INFO if verbose else logging.CRITICAL
    logging.basicConfig(level=level, stream=sys.stderr, format="%(name)s: %(message)s")
    if not profile or profile.startswith(".") or not profile.replace("-", "_").isidentifier():
        raise typer.BadParameter("letters, digits, '-' and '_' only", param_hint="--profile")
    folder = (home or _data_home() / profile).expanduser()
    saved = TokenFile(folder / "tokens.json").load()
    where = address or (saved.address if saved else "") or DEFAULT_ADDRESS
    output = Output(json_lines=json)
    try:
        Address.parse(where)
    except ValueError as error:
        output.say(text("error.address", why=error), "red")
        raise typer.Exit(USAGE) from None
    ctx.obj = Shell(where, folder, output)


def _data_home() -> Path:
    """Returns where a user's own data lies, after the XDG rules."""
    return Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share") / "hongyan"


def run() -> None:
    """The entry point."""
    app()


if __name__ == "__main__":
    run()
