"""A phone's side of a talk: it has the packed library and pure Python packages, and nothing else.

`python -I -S -OO talk.py SITE STAGE ADDRESS HOME EMAIL PASSWORD PEER`, as python-for-android
starts Python. It reads the mailed code from its input and prints what became of it as JSON.
"""

import asyncio
import json
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

SECONDS = 60
HELLO, ANSWER = "我用手机 📱 hello", "收到 👌"


async def talk(address: str, home: Path, email: str, password: str, peer: str) -> dict[str, object]:
    """Registers, logs in, sends a message and waits for the answer."""
    from hongyan_client import Client
    from hongyan_client.model import MessageAdded

    async with asyncio.timeout(SECONDS), Client(address, home) as client:
        await client.send_code(email, "register")
        code = (await asyncio.to_thread(sys.stdin.readline)).strip()
        await client.register(email, code, password, "灵灵")
        await client.login(email, password, device_name="phone", platform="android")
        events = client.events()
        await client.start()
        await client.caught_up()
        id = (await client.open_direct(peer)).conversation_id
        sent = await client.send(id, HELLO)
        stored = await client.settled(sent.client_message_id, SECONDS)
        async for event in events:
            if isinstance(event, MessageAdded) and event.message.sender_id == peer:
                break
        return {"seq": stored.seq, "state": str(stored.state), "answer": event.message.text}


def abilities(home: Path) -> dict[str, object]:
    """Uses what a phone uses besides the talk."""
    from google.protobuf.internal import api_implementation

    from hongyan_client import codes, sorting

    codes.save("https://hongyan.example/add/x", home / "code.png")
    return {
        "protobuf": api_implementation.Type(),
        "pinyin": sorting.pinyin("王伟"),
        "code": (home / "code.png").stat().st_size > 0,
        "reads_codes": codes.can_read(),
    }


def compiled() -> list[str]:
    """Returns the compiled modules that are loaded and do not belong to Python itself."""
    own = (sys.base_prefix, sys.prefix)
    files = (getattr(it, "__file__", None) or "" for it in list(sys.modules.values()))
    return sorted(
        it for it in files if it.endswith(tuple(EXTENSION_SUFFIXES)) and not it.startswith(own)
    )


if __name__ == "__main__":
    site, stage, address, home, *rest = sys.argv[1:]
    sys.path += [stage, site]
    report = asyncio.run(talk(address, Path(home), *rest))
    report |= abilities(Path(home)) | {"compiled": compiled(), "optimize": sys.flags.optimize}
    print(json.dumps(report))
