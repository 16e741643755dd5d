"""The commands about accounts and sessions."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from hongyan_client.client import Client
from hongyan_client.errors import DeadlineExceeded, Unavailable
from hongyan_client.export import export as write_export
from hongyan_client.model import Account, Privacy
from hongyan_client.terminal.output import moment, one_line
from hongyan_client.terminal.people_commands import read_code
from hongyan_client.terminal.shell import USAGE, Shell
from hongyan_client.terminal.strings import text

Email = Annotated[str, typer.Option(help="The account's address.")]
Code = Annotated[str, typer.Option(help="The six digits from the mail.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from stdin, one line.")
]
DeviceName = Annotated[str, typer.Option(help="What the list of sessions calls this device.")]


class Gender(StrEnum):
    """What `hongyan me --gender` takes."""

    FEMALE = "female"
    MALE = "male"
    OTHER = "other"
    NONE = "none"


class WhoMayAdd(StrEnum):
    """What `hongyan me --who-may-add` takes."""

    EVERYBODY = "everybody"
    KNOWN = "known"
    CODE = "code"
    NOBODY = "nobody"


class Strangers(StrEnum):
    """What `hongyan me --strangers` takes."""

    BOX = "box"
    REFUSE = "refuse"


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("register")(register)
    app.command("login")(login)
    app.command("logout")(logout)
    app.command("reset-password")(reset_password)
    app.command("me")(me)
    app.command("export")(export)
    app.command("delete-account")(delete_account)
    app.command("sessions")(sessions)
    app.command("end-session")(end_session)


async def _code(
    shell: Shell, client: Client, email: str, code: str, purpose: str, *, send_only: bool
) -> str:
    """Returns the code; without one, has it mailed and asks for it."""
    if code and not send_only:
        return code
    await client.send_code(email, purpose)
    shell.output.say(text("code.sent", email=email))
    if send_only:
        raise typer.Exit(0)
    if not shell.can_ask():
        shell.output.say(text("code.next"))
        raise typer.Exit(USAGE)
    return shell.ask("ask.code", "", "--code").strip()


def _show(shell: Shell, account: Account) -> None:
    if shell.output.json:
        shell.output.data(account)
    else:
        lines = (
            account.display_name,
            account.handle,
            account.signature,
            account.region,
            text(f"gender.{account.gender}") if account.gender else "",
            account.email,
            account.user_id,
            text("me.picture", id=account.avatar_id) if account.avatar_id else "",
            *_privacy_lines(account.privacy),
        )
        shell.output.console.print("\n".join(it for it in lines if it), markup=False)


def _privacy_lines(privacy: Privacy) -> list[str]:
    ways = {"me.by_handle": privacy.found_by_handle, "me.by_email": privacy.found_by_email}
    found = [text(key) for key, on in ways.items() if on] or [text("me.by_nothing")]
    shown = text("receipts.on" if privacy.read_receipts else "receipts.off")
    return [
        text("me.found", ways=text("list.and").join(found)),
        text("me.who_may_add", who=text(f"add.{privacy.who_may_add}")),
        text("me.strangers", what=text(f"strangers.{privacy.strangers}")),
        text("me.receipts", shown=shown),
    ]


def register(
    ctx: typer.Context,
    *,
    email: Email = "",
    code: Code = "",
    password_stdin: PasswordStdin = False,
    name: Annotated[str, typer.Option(help="The name that others see.")] = "",
    send_code: Annotated[
        bool, typer.Option("--send-code", help="Only have the code mailed.")
    ] = False,
    log_in: Annotated[bool, typer.Option("--login/--no-login", help="Log in afterwards.")] = True,
    device_name: DeviceName = "",
) -> None:
    """Make an account with a code that is mailed to you, and log in.

    Without a terminal: run once with --send-code, then with --email, --code, --name, and the
    password from --password-stdin or HONGYAN_PASSWORD.
    """
    shell: Shell = ctx.obj
    address = shell.ask("ask.email", email, "--email")

    async def work(client: Client) -> None:
        digits = await _code(shell, client, address, code, "register", send_only=send_code)
        password = shell.password(from_stdin=password_stdin, twice=True)
        display_name = shell.ask("ask.name", name, "--name")
        account = await client.register(address, digits, password, display_name)
        if log_in:
            account = await client.login(address, password, device_name=device_name)
        if shell.output.json:
            shell.output.data(account)
        shell.output.say(text("registered", email=account.email))
        if log_in:
            _greet(shell, account)

    shell.run(work)


def _greet(shell: Shell, account: Account) -> None:
    shell.output.say(text("logged_in", name=account.display_name, user_id=account.user_id))


def login(
    ctx: typer.Context,
    email: Email = "",
    password_stdin: PasswordStdin = False,
    device_name: DeviceName = "",
    code: Annotated[
        str,
        typer.Option(
            metavar="LINK|PICTURE", help="What hongyan link shows on another device: no password."
        ),
    ] = "",
) -> None:
    """Log in on this profile: with the password, or by a code of another device of yours."""
    shell: Shell = ctx.obj
    if code:
        _login_with_code(shell, read_code(shell, code), device_name)
        return
    address = shell.ask("ask.email", email, "--email")
    password = shell.password(from_stdin=password_stdin)

    async def work(client: Client) -> None:
        account = await client.login(address, password, device_name=device_name)
        if shell.output.json:
            shell.output.data(account)
        _greet(shell, account)

    shell.run(work)


def _login_with_code(shell: Shell, link: str, device_name: str) -> None:
    async def work(client: Client) -> None:
        claim = await client.claim_login_code(link, device_name=device_name)
        shell.output.say(text("link.as", name=one_line(claim.display_name)))
        shell.output.say(text("link.compare", number=claim.number), "bold")
        account = await client.login_with_code(claim)
        if shell.output.json:
            shell.output.data(account)
        _greet(shell, account)

    shell.run(work)


def logout(
    ctx: typer.Context,
    here: Annotated[
        bool, typer.Option("--here", help="Forget the tokens even when the server is away.")
    ] = False,
) -> None:
    """End this session and forget its tokens; the cache stays."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        try:
            await client.logout()
        except (Unavailable, DeadlineExceeded):
            if not here:
                raise
            client.account.forget()
            shell.output.say(text("logged_out_here"))
        else:
            shell.output.say(text("logged_out"))

    shell.run(work)


def reset_password(
    ctx: typer.Context,
    email: Email = "",
    code: Code = "",
    password_stdin: PasswordStdin = False,
    send_code: Annotated[
        bool, typer.Option("--send-code", help="Only have the code mailed.")
    ] = False,
) -> None:
    """Set a new password with a mailed code; every session ends."""
    shell: Shell = ctx.obj
    address = shell.ask("ask.email", email, "--email")

    async def work(client: Client) -> None:
        digits = await _code(shell, client, address, code, "reset_password", send_only=send_code)
        password = shell.password(from_stdin=password_stdin, twice=True, key="ask.new_password")
        await client.reset_password(address, digits, password)
        shell.output.say(text("password.set"))

    shell.run(work)


def me(
    ctx: typer.Context,
    *,
    name: Annotated[str | None, typer.Option(help="Change the name that others see.")] = None,
    hide_presence: Annotated[
        bool | None, typer.Option(help="Show nobody whether you are online.")
    ] = None,
    handle: Annotated[
        str | None, typer.Option(help="Set the name by which others find you, once a year.")
    ] = None,
    signature: Annotated[str | None, typer.Option(help="What you say of yourself.")] = None,
    region: Annotated[str | None, typer.Option(help="Where you are.")] = None,
    gender: Annotated[Gender | None, typer.Option(help="What you say it is.")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Set your picture: a JPEG, PNG, WebP or GIF.")
    ] = None,
    no_picture: Annotated[
        bool, typer.Option("--no-picture", help="Take your picture away.")
    ] = False,
    found_by_handle: Annotated[
        bool | None, typer.Option(help="Whether your handle finds you.")
    ] = None,
    found_by_email: Annotated[
        bool | None, typer.Option(help="Whether your address finds you.")
    ] = None,
    who_may_add: Annotated[
        WhoMayAdd | None, typer.Option(help="Who may ask you to be friends.")
    ] = None,
    strangers: Annotated[
        Strangers | None, typer.Option(help="What becomes of messages of who is no friend.")
    ] = None,
    read_receipts: Annotated[
        bool | None, typer.Option(help="Whether others see what you have read, and you theirs.")
    ] = None,
) -> None:
    """Show your profile and privacy, or change them."""
    shell: Shell = ctx.obj
    if picture and no_picture:
        shell.usage(text("picture.one"))
    try:
        image = picture.read_bytes() if picture else None
    except OSError as error:
        shell.usage(text("picture.not_read", path=picture, why=error.strerror or error))

    async def work(client: Client) -> None:
        values = {
            "display_name": name,
            "presence_hidden": hide_presence,
            "handle": handle,
            "signature": signature,
            "region": region,
            "gender": None if gender is None else gender.value.replace("none", ""),
            "found_by_handle": found_by_handle,
            "found_by_email": found_by_email,
            "who_may_add": who_may_add,
            "strangers": strangers,
            "read_receipts": read_receipts,
        }
        given = {field: value for field, value in values.items() if value is not None}
        account = await client.update_me(**given) if given else None
        if image is not None:
            account = await client.set_avatar(image)
        elif no_picture:
            account = await client.delete_avatar()
        account = account or await client.me()
        _show(shell, account)

    shell.run(work)


def export(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(help="The zip to write.")] = Path("hongyan-export.zip"),
) -> None:
    """Write all that the server has of your account into a zip."""
    shell: Shell = ctx.obj
    if path.exists():
        shell.usage(text("export.exists", path=path))

    async def work(client: Client) -> None:
        with Progress(
            console=shell.output.errors, transient=True, disable=not shell.can_ask()
        ) as bar:
            task = bar.add_task(text("export.running"))
            count = await write_export(
                client, path, lambda _, done, all: bar.update(task, completed=done, total=all)
            )
        if shell.output.json:
            shell.output.data({"path": str(path), "messages": count})
        else:
            shell.output.say(text("export.done", path=path, count=count))

    shell.run(work)


def delete_account(ctx: typer.Context, password_stdin: PasswordStdin = False) -> None:
    """Delete your account for good. What you said stays in the others' chats, without a name."""
    shell: Shell = ctx.obj
    shell.output.say(text("delete.warning"), "yellow")
    password = shell.password(from_stdin=password_stdin)

    async def work(client: Client) -> None:
        await client.delete_account(password)
        shell.output.say(text("delete.done"))

    shell.run(work)


def sessions(ctx: typer.Context) -> None:
    """List where you are logged in."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        found = await client.sessions()
        if shell.output.json:
            for session in found:
                shell.output.data(session)
            return
        shell.output.table(
            ["session", "device", "platform", "used", "current"],
            [
                [
                    it.session_id,
                    it.device_name,
                    it.platform,
                    moment(it.used_at),
                    "●" if it.current else "",
                ]
                for it in found
            ],
        )

    shell.run(work)


def end_session(
    ctx: typer.Context,
    session_id: Annotated[str, typer.Argument(help="From the list of sessions.")],
) -> None:
    """Log another device out."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        await client.end_session(session_id)
        shell.output.say(text("session.ended"))

    shell.run(work)
