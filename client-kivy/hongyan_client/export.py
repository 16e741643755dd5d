"""All that the server has of an account, as a zip of JSON: for its owner to keep and to read."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hongyan_client.client import Client
from hongyan_client.plain import to_json

PAGE = 200
README = """This is what Hongyan has of your account, one JSON document a line where there are many.

account.json       your profile
sessions.jsonl     where you are logged in
contacts.jsonl     your friends, and whom you have blocked
requests.jsonl     requests to be friends
bots.jsonl         your bots
conversations.jsonl
messages/ID.jsonl  each conversation as you can read it, the oldest first
"""

Progress = Callable[[str, int, int], None]
"""(what, how many are done, of how many)"""


async def export(client: Client, path: Path, progress: Progress) -> int:
    """Writes the zip, over what is there, and returns how many messages it has.

    A file that is not finished has another name: what is there is whole.
    """
    unfinished = path.with_name(path.name + ".part")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", README)
        archive.writestr("account.json", json.dumps(to_json(await client.me()), **_STYLE))
        _write(archive, "sessions", await client.sessions())
        _write(archive, "contacts", await client.contacts())
        _write(archive, "requests", await client.contact_requests())
        _write(archive, "bots", await client.bots())
        await client.conversations()
        listed = client.known_conversations()
        _write(archive, "conversations", listed)
        count = 0
        for place, conversation in enumerate(listed):
            progress("messages", place, len(listed))
            count += await _messages(client, archive, conversation.conversation_id)
        progress("messages", len(listed), len(listed))
    unfinished.rename(path)
    return count


_STYLE: dict[str, Any] = {"ensure_ascii": False}


def _write(archive: zipfile.ZipFile, name: str, things: list[Any]) -> None:
    lines = [json.dumps(to_json(it), **_STYLE) + "\n" for it in things]
    archive.writestr(f"{name}.jsonl", "".join(lines))


async def _messages(client: Client, archive: zipfile.ZipFile, conversation_id: str) -> int:
    """Writes a whole log, page by page; returns how many entries it has."""
    count, after = 0, 0
    with archive.open(f"messages/{conversation_id}.jsonl", "w") as file:
        while messages := await client.log_after(conversation_id, after, PAGE):
            for message in messages:
                file.write((json.dumps(to_json(message), **_STYLE) + "\n").encode())
            count, after = count + len(messages), messages[-1].seq
    return count
