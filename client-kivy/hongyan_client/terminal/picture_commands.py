"""The command that saves pictures of users and groups."""

from pathlib import Path
from typing import Annotated

import typer

from hongyan_client.client import Client
from hongyan_client.errors import NotLoggedIn
from hongyan_client.model import Conversation
from hongyan_client.terminal.people_commands import user_id_of
from hongyan_client.terminal.shell import Shell, name_of, title_of
from hongyan_client.terminal.strings import text

SUFFIXES = (".png", ".webp", ".jpg", ".jpeg")


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("picture")(picture)


def picture(
    ctx: typer.Context,
    who: Annotated[
        str,
        typer.Argument(
            metavar="USER|GROUP", help="A user id, handle, e-mail, conversation id, or a name."
        ),
    ],
    path: Annotated[Path, typer.Argument(metavar="FILE.png", help="Where to.")],
    size: Annotated[int, typer.Option(min=16, max=1024, help="The side in pixels.")] = 192,
) -> None:
    """Save the picture of a user or a group; who has none gets the first letter of the name."""
    shell: Shell = ctx.obj
    if path.suffix.lower() not in SUFFIXES:
        shell.usage(text("picture.suffix", suffixes=" ".join(SUFFIXES)))

    async def work(client: Client) -> None:
        if not client.user_id:
            raise NotLoggedIn("log in first")
        # Pictures are made by a library that takes its time to load.
        from hongyan_client import pictures  # noqa: PLC0415

        async def face(user_id: str) -> pictures.Face:
            name, data = await name_of(client, user_id), await client.avatar_of(user_id, size)
            if not data and not pictures.has_font(name):
                shell.output.say(text("picture.no_font", name=name), "yellow")
            return pictures.Face(user_id, name, data)

        group = await _group(client, who)
        if group is None:
            user_ids = [await _user(client, who)]
            image = pictures.user(await face(user_ids[0]), size)
        else:
            user_ids = list(group.group.picture_user_ids) if group.group else []
            image = pictures.group([await face(it) for it in user_ids], size)
        try:
            image.save(path)
        except OSError as error:
            shell.usage(text("picture.not_written", path=path, why=error.strerror or error))
        if shell.output.json:
            shell.output.data({"path": str(path), "size": size, "user_ids": user_ids})
        else:
            shell.output.say(text("picture.saved", path=path))

    shell.run(work)


async def _group(client: Client, who: str) -> Conversation | None:
    """Returns the group that a person means, by its id or name."""
    found = [*await client.conversations(), *await client.conversations(archived=True)]
    groups = [it for it in found if it.group is not None]
    for it in groups:
        if who == it.conversation_id:
            return it
    named = [it for it in groups if await title_of(client, it) == who]
    return named[0] if len(named) == 1 else None


async def _user(client: Client, who: str) -> str:
    """Returns the user that a person means; raises NotFound when there is none."""
    known = client.conversation(who)
    if known is not None and known.group is None:
        return known.peer_id(client.user_id)
    user_id = who if who == client.user_id else await user_id_of(client, who)
    return (await client.user(user_id)).user_id
