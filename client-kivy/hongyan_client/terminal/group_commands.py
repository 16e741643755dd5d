"""The commands about groups: `hongyan group …`."""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from hongyan_client.client import Client
from hongyan_client.errors import NotFound
from hongyan_client.groups import JOIN_LINK
from hongyan_client.model import Conversation
from hongyan_client.plain import to_json
from hongyan_client.terminal.output import moment
from hongyan_client.terminal.people_commands import read_code, show_code, user_id_of
from hongyan_client.terminal.shell import Shell, label_of, name_of, title_of
from hongyan_client.terminal.strings import text

app = typer.Typer(name="group", help="Make, lead, join and leave groups.", no_args_is_help=True)
GroupId = Annotated[str, typer.Argument(metavar="GROUP", help="Its id or its name.")]
User = Annotated[str, typer.Argument(metavar="USER", help="A name, handle, e-mail or user id.")]
Users = Annotated[list[str], typer.Argument(metavar="USER…", help="Friends of yours.")]


async def group_of(client: Client, target: str) -> Conversation:
    """Returns the group that a person means, by its id or name."""
    found = [it for it in await client.conversations() if it.group]
    for it in found:
        if target in (it.conversation_id, await title_of(client, it)):
            return it
    raise NotFound(5, "CONVERSATION_NOT_FOUND", "no such group")


def _in_group(
    ctx: typer.Context, group: str, act: Callable[[Client, str], Coroutine[Any, Any, Any]]
) -> None:
    """Does something in a group and says that it is done."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        result = await act(client, (await group_of(client, group)).conversation_id)
        if shell.output.json:
            shell.output.data(result if result is not None else {})
        else:
            shell.output.say(text("people.done"))

    shell.run(work)


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What it is called; empty: after its members.")],
    users: Users,
) -> None:
    """Make a group of yourself and friends."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        ids = [await user_id_of(client, it) for it in users]
        made = await client.create_group(name, ids)
        if shell.output.json:
            shell.output.data(made)
        else:
            shell.output.say(text("group.made", id=made.conversation_id))

    shell.run(work)


@app.command()
def info(ctx: typer.Context, group: GroupId) -> None:
    """Show what a group is, and its members."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        found = await group_of(client, group)
        members = []
        if found.group and found.group.role:
            members = await client.group_members(found.conversation_id)
        if shell.output.json:
            shell.output.data({"conversation": found, "members": members})
            return
        for key, value in to_json(found.group).items():
            shell.output.console.print(f"{key}: {value}", markup=False)
        rows = [
            [
                await label_of(client, it.user_id),
                it.nickname,
                text(f"role.{it.role}"),
                moment(it.silenced_until) if it.silenced_until else "",
                it.user_id,
            ]
            for it in members
        ]
        shell.output.table(["name", "nickname", "role", "silenced", "user"], rows)

    shell.run(work)


@app.command("set")
def set_(
    ctx: typer.Context,
    group: GroupId,
    *,
    name: Annotated[str | None, typer.Option(help="What it is called.")] = None,
    may_invite: Annotated[str | None, typer.Option(help="member, admin or owner.")] = None,
    may_edit: Annotated[str | None, typer.Option(help="Who may rename and pin.")] = None,
    may_announce: Annotated[str | None, typer.Option(help="Who may announce.")] = None,
    approval: Annotated[bool | None, typer.Option(help="Admins approve who joins.")] = None,
    mute_all: Annotated[bool | None, typer.Option(help="Only admins may write.")] = None,
    large: Annotated[bool | None, typer.Option(help="It may grow to a large group.")] = None,
) -> None:
    """Change a group's settings."""
    shell: Shell = ctx.obj
    values = {
        "name": name,
        "may_invite": may_invite,
        "may_edit": may_edit,
        "may_announce": may_announce,
        "approval": approval,
        "muted": mute_all,
        "large": large,
    }
    given = {field: value for field, value in values.items() if value is not None}
    roles = [given[it] for it in ("may_invite", "may_edit", "may_announce") if it in given]
    if not given or any(it not in ("member", "admin", "owner") for it in roles):
        shell.usage(text("group.usage"))
    _in_group(ctx, group, lambda client, id: client.update_group(id, **given))


@app.command()
def add(ctx: typer.Context, group: GroupId, users: Users) -> None:
    """Bring friends of yours in."""

    async def act(client: Client, id: str) -> dict[str, list[str]]:
        ids = [await user_id_of(client, it) for it in users]
        joined, waiting = await client.add_members(id, ids)
        return {"joined": joined, "waiting": waiting}

    _in_group(ctx, group, act)


async def _member_of(client: Client, id: str, who: str) -> str:
    """Returns the member that a person means."""
    for it in await client.group_members(id):
        if who in (it.user_id, it.nickname, await name_of(client, it.user_id)):
            return it.user_id
    return await user_id_of(client, who)


@app.command()
def remove(ctx: typer.Context, group: GroupId, user: User) -> None:
    """Remove a member, who sees nothing later."""

    async def act(client: Client, id: str) -> None:
        await client.remove_member(id, await _member_of(client, id, user))

    _in_group(ctx, group, act)


@app.command()
def leave(ctx: typer.Context, group: GroupId) -> None:
    """Leave a group."""
    _in_group(ctx, group, lambda client, id: client.leave_group(id))


@app.command()
def admin(
    ctx: typer.Context,
    group: GroupId,
    user: User,
    off: Annotated[bool, typer.Option("--off", help="Make them a member again.")] = False,
) -> None:
    """Make a member an admin, or a member again."""

    async def act(client: Client, id: str) -> None:
        user_id = await _member_of(client, id, user)
        await client.set_role(id, user_id, "member" if off else "admin")

    _in_group(ctx, group, act)


@app.command()
def transfer(ctx: typer.Context, group: GroupId, user: User) -> None:
    """Make another member the owner."""

    async def act(client: Client, id: str) -> None:
        await client.transfer_group(id, await _member_of(client, id, user))

    _in_group(ctx, group, act)


@app.command()
def dissolve(ctx: typer.Context, group: GroupId) -> None:
    """End a group for everybody; what was said stays readable."""
    _in_group(ctx, group, lambda client, id: client.dissolve_group(id))


@app.command()
def silence(
    ctx: typer.Context,
    group: GroupId,
    user: User,
    minutes: Annotated[int, typer.Option(min=1, max=525_600, help="For how long.")] = 60,
    off: Annotated[bool, typer.Option("--off", help="Let them write again.")] = False,
) -> None:
    """Forbid a member to write for a while."""

    async def act(client: Client, id: str) -> None:
        until = None if off else datetime.now(UTC) + timedelta(minutes=minutes)
        await client.silence_member(id, await _member_of(client, id, user), until)

    _in_group(ctx, group, act)


@app.command()
def nickname(ctx: typer.Context, group: GroupId, name: str) -> None:
    """Set your own name in a group; empty: your display name."""
    _in_group(ctx, group, lambda client, id: client.set_nickname(id, name))


@app.command()
def announce(
    ctx: typer.Context,
    group: GroupId,
    words: Annotated[str, typer.Argument(metavar="TEXT", help="Empty takes it down.")],
) -> None:
    """Announce to everybody. Who has read it: hongyan readers."""

    async def act(client: Client, id: str) -> dict[str, int]:
        return {"seq": await client.announce(id, words)}

    _in_group(ctx, group, act)


@app.command()
def invite(
    ctx: typer.Context,
    group: GroupId,
    *,
    hours: Annotated[int, typer.Option(min=1, help="For how long it works.")] = 7 * 24,
    uses: Annotated[int, typer.Option(min=0, help="For how many; 0: any number.")] = 0,
    save: Annotated[Path | None, typer.Option(help="Write it as a picture: .png or .svg.")] = None,
) -> None:
    """Make an invite, and show it as a QR code."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        id = (await group_of(client, group)).conversation_id
        made = await client.create_invite(id, lifetime_seconds=hours * 3600, max_uses=uses)
        show_code(shell, JOIN_LINK + made.code, save, {"invite": made})
        until = moment(made.expires_at)
        shell.output.say(text("group.invite", until=until, group=id, id=made.invite_id))

    shell.run(work)


@app.command()
def invites(ctx: typer.Context, group: GroupId) -> None:
    """List the invites that work."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        found = await client.invites((await group_of(client, group)).conversation_id)
        if shell.output.json:
            for it in found:
                shell.output.data(it)
            return
        rows = [
            [
                it.invite_id,
                await name_of(client, it.inviter_id),
                str(it.uses_left or "∞"),
                moment(it.expires_at),
            ]
            for it in found
        ]
        shell.output.table(["code", "inviter", "uses", "until"], rows)

    shell.run(work)


@app.command()
def revoke(ctx: typer.Context, group: GroupId, invite_id: str) -> None:
    """Make an invite work no more."""
    _in_group(ctx, group, lambda client, id: client.revoke_invite(id, invite_id))


@app.command()
def join(
    ctx: typer.Context,
    code: Annotated[str, typer.Argument(metavar="CODE|PICTURE", help="hongyan://join/…")],
    greeting: Annotated[str, typer.Argument(help="What to say to who approves.")] = "",
) -> None:
    """Join a group by an invite."""
    shell: Shell = ctx.obj
    link = read_code(shell, code)

    async def work(client: Client) -> None:
        joined, id = await client.join_group(link, greeting=greeting)
        if shell.output.json:
            shell.output.data({"joined": joined, "conversation_id": id})
        else:
            shell.output.say(text("group.joined" if joined else "group.waiting", id=id))

    shell.run(work)


@app.command()
def waiting(ctx: typer.Context, group: GroupId) -> None:
    """List who waits to be let in."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        found = await client.join_requests((await group_of(client, group)).conversation_id)
        if shell.output.json:
            for it in found:
                shell.output.data(it)
            return
        if not found:
            shell.output.say(text("group.nobody_waits"))
            return
        rows = [
            [
                await name_of(client, it.user_id),
                it.greeting,
                await name_of(client, it.inviter_id),
                it.user_id,
            ]
            for it in found
        ]
        shell.output.table(["name", "greeting", "inviter", "user"], rows)

    shell.run(work)


@app.command()
def approve(
    ctx: typer.Context,
    group: GroupId,
    user: User,
    no: Annotated[bool, typer.Option("--no", help="Do not let them in.")] = False,
) -> None:
    """Let somebody in who waits, or not."""

    async def act(client: Client, id: str) -> None:
        for it in await client.join_requests(id):
            if user in (it.user_id, await name_of(client, it.user_id)):
                await client.answer_join_request(id, it.user_id, approve=not no)
                return
        await client.answer_join_request(id, user, approve=not no)

    _in_group(ctx, group, act)
