"""The command that lets another device log in: it shows a code, and asks who may."""

import asyncio
import contextlib
from pathlib import Path
from typing import Annotated

import typer

from hongyan_client.client import Client
from hongyan_client.errors import HongyanError
from hongyan_client.login_codes import POLL_SECONDS
from hongyan_client.model import LoginCode, LoginCodeState
from hongyan_client.terminal.output import one_line
from hongyan_client.terminal.people_commands import show_code
from hongyan_client.terminal.shell import REFUSED, Shell
from hongyan_client.terminal.strings import text


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("link")(link)


def link(
    ctx: typer.Context,
    save: Annotated[
        Path | None, typer.Option(help="Write the code as a picture: .png or .svg.")
    ] = None,
) -> None:
    """Let another device of yours log in by a QR code, after a look at which one it is.

    The other device runs hongyan login --code. The answer is one line from stdin: y or n.
    """
    shell: Shell = ctx.obj
    seen: list[LoginCode] = []

    async def show(client: Client) -> None:
        made = await client.create_login_code()
        show_code(shell, made.link, save, {"code": made})
        shell.output.say(text("link.waiting"))
        try:
            seen.append(await _other_than(client, made.code_id, LoginCodeState.WAITING))
        except asyncio.CancelledError:
            # Who goes away leaves no code behind that somebody could claim.
            with contextlib.suppress(HongyanError):
                await client.answer_login_code(made.code_id, approve=False)
            raise

    shell.run(show)
    [code] = seen
    approve = code.state is LoginCodeState.CLAIMED and _may(shell, code)

    async def answer(client: Client) -> None:
        end = code
        if code.state is LoginCodeState.CLAIMED:
            end = await client.answer_login_code(code.code_id, approve=approve)
        if approve:
            end = await _other_than(client, code.code_id, LoginCodeState.APPROVED)
        if shell.output.json:
            shell.output.data(end)
        shell.output.say(text(f"link.{end.state}"))
        if end.state is LoginCodeState.EXPIRED:
            raise typer.Exit(REFUSED)

    shell.run(answer)


async def _other_than(client: Client, code_id: str, state: LoginCodeState) -> LoginCode:
    """Waits until a code is in another state."""
    while True:
        code = await client.login_code(code_id)
        if code.state is not state:
            return code
        await asyncio.sleep(POLL_SECONDS)


def _may(shell: Shell, code: LoginCode) -> bool:
    """Shows who has claimed a code, and asks whether that is right; without an answer it is not."""
    if shell.output.json:
        shell.output.data(code)
    name, platform = one_line(code.device_name) or "?", one_line(code.platform) or "?"
    shell.output.say(text("link.claimed", name=name, platform=platform))
    shell.output.say(text("link.number", number=code.number), "bold")
    return shell.confirm("link.ask")
