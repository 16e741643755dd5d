"""The commands about people: finding them, asking them, and the contacts."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from hongyan_client.client import Client
from hongyan_client.errors import NotFound
from hongyan_client.people import ADD_LINK
from hongyan_client.plain import to_json
from hongyan_client.terminal.output import moment
from hongyan_client.terminal.shell import Shell, label_of, name_of
from hongyan_client.terminal.strings import text

Act = Callable[[Client, str], Coroutine[Any, Any, Any]]
UserId = Annotated[str, typer.Argument(metavar="USER", help="A user id, handle, or e-mail.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    for name, command in (
        ("find", find),
        ("add", add),
        ("requests", requests),
        ("accept", accept),
        ("decline", decline),
        ("withdraw", withdraw),
        ("contacts", contacts),
        ("contact", contact),
        ("unfriend", unfriend),
        ("block", block),
        ("unblock", unblock),
        ("code", code),
    ):
        app.command(name)(command)


async def user_id_of(client: Client, who: str) -> str:
    """Returns the user that a person means: by a contact's name, a handle, an address or an id."""
    for it in await client.contacts():
        if who in (it.user_id, it.remark) or who == await name_of(client, it.user_id):
            return it.user_id
    for asked in await client.contact_requests():
        if who in (asked.user_id, await name_of(client, asked.user_id)):
            return asked.user_id
    found = await client.find_user(who)
    return found.user_id if found else who


def find(ctx: typer.Context, query: str) -> None:
    """Find a user by the whole handle or e-mail address."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        user = await client.find_user(query)
        if user is None:
            raise NotFound(5, "USER_NOT_FOUND", text("people.none"))
        if shell.output.json:
            shell.output.data(user)
        else:
            name = f"{user.display_name} {text('bot.mark')}" if user.bot else user.display_name
            row = [name, user.handle, user.region, user.signature, user.user_id]
            shell.output.table(["name", "handle", "region", "signature", "user"], [row])

    shell.run(work)


def add(
    ctx: typer.Context,
    who: Annotated[
        str,
        typer.Argument(
            metavar="USER|CODE|PICTURE|CONVERSATION",
            help="Whom: a handle, an e-mail, a user id, "
            "hongyan://add/…, a picture with its QR code; with --card the conversation it is in.",
        ),
    ],
    greeting: Annotated[str, typer.Argument(help="What to say.")] = "",
    card: Annotated[
        int, typer.Option(min=0, metavar="N", help="The number of the message with their card.")
    ] = 0,
) -> None:
    """Ask somebody to be friends."""
    shell: Shell = ctx.obj
    link = who if card else read_code(shell, who)

    async def work(client: Client) -> None:
        if card:
            asked = await client.request_by_card(link, card, greeting)
        elif link.startswith(ADD_LINK):
            asked = await client.request_contact(code=link, greeting=greeting)
        else:
            user_id = await user_id_of(client, link)
            asked = await client.request_contact(user_id, greeting=greeting)
        if shell.output.json:
            shell.output.data(asked)
        elif asked.state == "accepted":
            shell.output.say(text("people.friends", id=asked.user_id))
        else:
            shell.output.say(text("people.asked"))

    shell.run(work)


def requests(ctx: typer.Context) -> None:
    """List the requests that you have sent and got, the newest first."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        found = await client.contact_requests()
        if shell.output.json:
            for it in found:
                shell.output.data(it)
            return
        if not found:
            shell.output.say(text("people.no_requests"))
            return
        rows = [
            [
                f"{'←' if it.incoming else '→'} {await name_of(client, it.user_id)}",
                text(f"state.{it.state}"),
                it.greeting,
                moment(it.created_at),
                it.user_id,
            ]
            for it in found
        ]
        shell.output.table(["name", "state", "greeting", "time", "user"], rows)

    shell.run(work)


def accept(ctx: typer.Context, user: UserId) -> None:
    """Accept somebody's request."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        friend, conversation_id = await client.accept_contact(await user_id_of(client, user))
        if shell.output.json:
            shell.output.data({"contact": friend, "conversation_id": conversation_id})
        else:
            shell.output.say(text("people.friends", id=conversation_id))

    shell.run(work)


def decline(ctx: typer.Context, user: UserId) -> None:
    """Decline somebody's request; they are not told."""
    _do(ctx, user, Client.decline_contact)


def withdraw(ctx: typer.Context, user: UserId) -> None:
    """Withdraw a request of yours."""
    _do(ctx, user, Client.withdraw_contact)


def unfriend(ctx: typer.Context, user: UserId) -> None:
    """Take somebody out of your contacts; they keep you in theirs."""
    _do(ctx, user, Client.delete_contact)


def block(ctx: typer.Context, user: UserId) -> None:
    """Refuse somebody's messages and requests."""
    _do(ctx, user, Client.block)


def unblock(ctx: typer.Context, user: UserId) -> None:
    """Take a block back."""
    _do(ctx, user, Client.unblock)


def _do(ctx: typer.Context, user: str, act: Act) -> None:
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        result = await act(client, await user_id_of(client, user))
        if shell.output.json:
            shell.output.data(result or {})
        else:
            shell.output.say(text("people.done"))

    shell.run(work)


def contacts(
    ctx: typer.Context,
    tag: Annotated[str, typer.Option(help="Only those with this tag.")] = "",
) -> None:
    """List your contacts: the starred ones first, then by pinyin and letters."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        # Its table of characters takes a moment to load.
        from hongyan_client import sorting  # noqa: PLC0415

        found = [it for it in await client.contacts() if not tag or tag in it.tags]
        names = {it.user_id: await name_of(client, it.user_id) for it in found}
        found.sort(key=lambda it: (not it.starred, sorting.place(names[it.user_id])))
        if shell.output.json:
            for it in found:
                shell.output.data({"initial": sorting.initial(names[it.user_id]), **to_json(it)})
            return
        if not found:
            shell.output.say(text("people.no_contacts"))
            return
        rows = []
        for it in found:
            letter = "☆" if it.starred else sorting.initial(names[it.user_id])
            name = await label_of(client, it.user_id) + (" ⊘" if it.blocked else "")
            rows.append([f"{letter} {name}", " ".join(it.tags), it.user_id])
        shell.output.table(["name", "tags", "user"], rows)

    shell.run(work)


def contact(
    ctx: typer.Context,
    user: UserId,
    *,
    remark: Annotated[str | None, typer.Option(help="Your own name for them.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="All tags; repeat it for each.")] = None,
    no_tags: Annotated[bool, typer.Option("--no-tags", help="Take all tags away.")] = False,
    star: Annotated[bool | None, typer.Option(help="Above the others.")] = None,
) -> None:
    """Show what somebody is to you, or change it."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        user_id = await user_id_of(client, user)
        tags = [] if no_tags else tag
        if remark is None and tags is None and star is None:
            await client.contacts()
            found = client.contact(user_id)
        else:
            found = await client.update_contact(user_id, remark=remark, tags=tags, starred=star)
        if shell.output.json:
            shell.output.data(found)
            return
        for name, value in to_json(found).items():
            shell.output.console.print(f"{name}: {value}", markup=False)

    shell.run(work)


def code(
    ctx: typer.Context,
    *,
    hours: Annotated[int, typer.Option(min=1, help="For how long it works.")] = 7 * 24,
    save: Annotated[Path | None, typer.Option(help="Write it as a picture: .png or .svg.")] = None,
    show: Annotated[bool, typer.Option("--list", help="List your codes that work.")] = False,
    revoke: Annotated[str, typer.Option(help="Make a code work no more.")] = "",
) -> None:
    """Make a code by which others can ask you, and show it as a QR code."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        if revoke:
            await client.revoke_contact_code(revoke)
            shell.output.say(text("people.done"))
            return
        if show:
            found = await client.contact_codes()
            if shell.output.json:
                for it in found:
                    shell.output.data(it)
            else:
                rows = [[it.code_id, moment(it.expires_at)] for it in found]
                shell.output.table(["code", "until"], rows)
            return
        made = await client.create_contact_code(hours * 3600)
        show_code(shell, ADD_LINK + made.code, save, {"code": made})
        until = moment(made.expires_at)
        shell.output.say(text("people.code", until=until, id=made.code_id))

    shell.run(work)


def read_code(shell: Shell, link: str) -> str:
    """Returns a link, or what the QR code says when it is the path of a picture."""
    if not Path(link).is_file():
        return link
    # Pictures are read by a library that takes its time to load.
    from hongyan_client import codes  # noqa: PLC0415

    return codes.read(Path(link)) or shell.usage(text("people.no_qr"))


def show_code(shell: Shell, link: str, save: Path | None, data: dict[str, object]) -> None:
    """Prints a link and its QR code, or writes it as a picture."""
    # Pictures are made by a library that takes its time to load.
    from hongyan_client import codes  # noqa: PLC0415

    if save:
        codes.save(link, save)
    if shell.output.json:
        shell.output.data({**data, "link": link})
        return
    if not save:
        shell.output.console.print(codes.in_terminal(link), markup=False, highlight=False)
    shell.output.console.print(link, markup=False, highlight=False)
