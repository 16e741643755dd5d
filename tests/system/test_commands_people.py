"""Pictures, privacy and cards by the command `hongyan`, in English and Chinese."""

import asyncio
import io
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image

from hongyan_client import pictures
from hongyan_client.model import MessageAdded
from hongyan_client.terminal.slash import Slash
from loadtest.accounts import PASSWORD
from tests.faults.people import Device, Town
from tests.system.test_commands import REFUSED, WRONG_USE, Terminal

pytestmark = pytest.mark.asyncio(loop_scope="session")

RED = (200, 30, 30)


@dataclass(frozen=True, slots=True)
class Scene:
    """Ling at a terminal in one language, and her friends Bo and Mei.

    Those two do not know each other, and Mei takes no requests of who only searched.
    """

    terminal: Terminal
    bo_terminal: Terminal
    ling: Device
    bo: Device
    mei: Device
    conversation_id: str
    chinese: bool

    def says(self, english: str, chinese: str) -> str:
        """Returns what stands there in the language of the terminal."""
        return chinese if self.chinese else english


async def befriend(one: Device, other: Device) -> None:
    await one.client.request_contact(other.client.user_id)
    await other.client.accept_contact(one.client.user_id)


async def at_terminal(town: Town, device: Device, home: Path, language: str) -> Terminal:
    run = Terminal(town.system.address, home, language)
    email = (await device.client.me()).email
    code, _, err = await run("login", "--email", email, "--password-stdin", text=f"{PASSWORD}\n")
    assert code == 0, err
    return run


@pytest_asyncio.fixture(loop_scope="session", params=["en_US.UTF-8", "zh_CN.UTF-8"])
async def scene(request: pytest.FixtureRequest, town: Town, tmp_path: Path) -> Scene:
    ling, bo, conversation_id = await town.pair("ling", "bo")
    mei = await town.newcomer("mei")
    # Before anybody comes near to her: chat remembers for a while what she allows.
    await mei.client.update_me(who_may_add="known")
    await asyncio.gather(befriend(ling, bo), befriend(mei, ling))
    terminal, bo_terminal = await asyncio.gather(
        at_terminal(town, ling, tmp_path / "ling", request.param),
        at_terminal(town, bo, tmp_path / "bo", request.param),
    )
    chinese = request.param.startswith("zh")
    return Scene(terminal, bo_terminal, ling, bo, mei, conversation_id, chinese)


def red(path: Path) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (200, 120), RED).save(target, "PNG")
    path.write_bytes(target.getvalue())
    return target.getvalue()


def near(one: object, other: tuple[int, int, int]) -> bool:
    """Returns whether a pixel is a colour, but for what WebP takes away."""
    assert isinstance(one, tuple)
    return all(abs(a - b) <= 6 for a, b in zip(one, other, strict=True))


async def test_a_picture_is_set_saved_and_taken_away(scene: Scene, tmp_path: Path):
    run = scene.terminal
    image, saved = tmp_path / "red.png", tmp_path / "saved.png"
    red(image)
    [me] = await run.json("me", "--picture", str(image))
    assert me["avatar_id"]
    code, out, _ = await run("me")
    assert code == 0
    assert scene.says("Picture: ", "头像：") + me["avatar_id"] in out
    code, out, err = await scene.bo_terminal("picture", "ling", str(saved))
    assert (code, out) == (0, ""), err
    assert scene.says(f"The picture is in {saved}.", f"图片已保存到 {saved}。") in err
    with Image.open(saved) as picture:
        assert (picture.format, picture.size) == ("PNG", (192, 192))
        assert near(picture.convert("RGB").getpixel((96, 96)), RED)
    [me] = await run.json("me", "--no-picture")
    assert me["avatar_id"] == ""
    [done] = await run.json("picture", scene.ling.client.user_id, str(saved), "--size", "96")
    assert done == {"path": str(saved), "size": 96, "user_ids": [scene.ling.client.user_id]}
    with Image.open(saved) as picture:
        letter = pictures.letter(scene.ling.client.user_id, "ling", 96)
        assert picture.convert("RGB").tobytes() == letter.tobytes()


async def test_a_group_has_the_mosaic_of_its_members(scene: Scene, tmp_path: Path):
    run, saved = scene.terminal, tmp_path / "group.png"
    await scene.mei.client.set_avatar(red(tmp_path / "red.png"))
    members = [scene.bo.client.user_id, scene.mei.client.user_id]
    group = await scene.ling.client.create_group("火锅", members)
    for name in ("火锅", group.conversation_id):
        [done] = await run.json("picture", name, str(saved))
        assert sorted(done["user_ids"]) == sorted([*members, scene.ling.client.user_id])
    with Image.open(saved) as file:
        mosaic = file.convert("RGB")
    assert mosaic.getpixel((0, 0)) == pictures.GROUND
    for user_id, (left, top, side) in zip(done["user_ids"], pictures.places(3, 192), strict=True):
        corner = mosaic.getpixel((left + 2, top + side - 3))
        if user_id == scene.mei.client.user_id:
            assert near(corner, RED)
        else:
            assert corner == pictures.colour(user_id)


async def test_privacy_is_set_and_shown(scene: Scene):
    run = scene.terminal
    [me] = await run.json("me")
    assert me["privacy"] == {
        "found_by_handle": True,
        "found_by_email": True,
        "who_may_add": "everybody",
        "strangers": "box",
        "read_receipts": True,
    }
    code, out, _ = await run("me")
    assert (code, scene.says("everybody", "所有人") in out) == (0, True)
    [me] = await run.json("me", "--no-found-by-email", "--who-may-add", "code")
    assert me["privacy"]["found_by_handle"] is True
    options = ("--strangers", "refuse", "--no-read-receipts", "--gender", "other")
    code, out, err = await run("me", *options)
    assert code == 0, err
    for english, chinese in (
        ("other", "其他"),
        ("May be found by: handle\n", "可通过以下方式找到我：鸿雁号\n"),
        ("May ask to be friends: who has a code\n", "谁可以加我为好友：持有我的名片码的人\n"),
        ("Messages of strangers: are refused\n", "陌生人消息：拒收\n"),
        ("Read receipts: hidden\n", "已读回执：关闭\n"),
    ):
        assert scene.says(english, chinese) in out
    found = await scene.mei.client.find_user((await scene.ling.client.me()).email)
    assert found is None
    [me] = await run.json("me", "--gender", "none", "--found-by-email", "--read-receipts")
    assert (me["gender"], me["privacy"]["found_by_email"]) == ("", True)
    assert (me["privacy"]["read_receipts"], me["privacy"]["strangers"]) == (True, "refuse")


async def test_a_card_is_sent_and_its_user_asked(scene: Scene):
    run, bo, id = scene.terminal, scene.bo_terminal, scene.conversation_id
    mei = scene.mei.client
    code, _, err = await bo("add", mei.user_id)
    assert (code, "NOT_ADDABLE" in err) == (REFUSED, True)
    before = (await scene.ling.client.history(id))[-1].seq
    [card] = await run.json("send", id, "--card", "mei")
    assert (card["card_user_id"], card["text"], card["seq"]) == (mei.user_id, "mei", before + 1)
    [other] = await run.json("send", id, "这是梅", "--card", mei.user_id)
    assert other["text"] == "这是梅"
    [copy] = await run.json("forward", id, str(card["seq"]), id)
    assert copy["card_user_id"] == mei.user_id
    _, out, _ = await bo("history", id)
    assert "这是梅 ☰ mei" in out
    code, out, err = await bo("add", id, "你好", "--card", str(card["seq"]))
    assert (code, out) == (0, ""), err
    assert scene.says("Asked.", "已发送好友申请。") in err
    [asked] = [it for it in await mei.contact_requests() if it.incoming and it.greeting]
    assert (asked.user_id, asked.source) == (scene.bo.client.user_id, "card")
    assert asked.greeting == "你好"


async def test_what_is_refused_or_wrong_says_why(scene: Scene, tmp_path: Path):
    run, id = scene.terminal, scene.conversation_id
    text, large = tmp_path / "text.png", tmp_path / "large.png"
    text.write_text("no picture")
    large.write_bytes(bytes(4 * 1024 * 1024 + 1))
    message = await scene.bo.send(id, "没有名片")
    seq = (await scene.bo.client.settled(message.client_message_id, 30)).seq
    for refused, english, chinese in (
        (("me", "--picture", str(text)), "no picture that can be used", "图片无法使用"),
        (("me", "--picture", str(large)), "Refused", "被拒绝"),
        (("add", id, "--card", str(seq)), "has no card", "不是名片"),
        (("send", id, "--card", "nobody-of-that-name"), "no such user", "没有这个用户"),
        (("picture", "nobody-of-that-name", str(tmp_path / "x.png")), "no such", "没有这个用户"),
    ):
        code, out, err = await run(*refused)
        assert (code, out, "Traceback" in err) == (REFUSED, "", False), (refused, err)
        assert scene.says(english, chinese) in err, (refused, err)
    for wrong in (
        ("me", "--picture", str(tmp_path / "absent.png")),
        ("me", "--picture", str(text), "--no-picture"),
        ("me", "--who-may-add", "friends"),
        ("picture", "bo", str(tmp_path / "x.txt")),
        ("picture", "bo", str(tmp_path / "absent" / "x.png")),
        ("send", id),
    ):
        code, out, err = await run(*wrong)
        assert (code, out, "Traceback" in err) == (WRONG_USE, "", False), (wrong, err)
        assert err.strip()
    away = replace(run, home=tmp_path / "nobody")
    assert (await away("picture", "bo", str(tmp_path / "x.png")))[0] == 3


async def test_a_card_inside_the_chat(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LC_ALL", scene.terminal.language)
    id, mei = scene.conversation_id, scene.mei.client
    lines: list[str] = []
    ling = Slash(scene.ling.client, id, lambda line: lines.append(line.plain))
    bo = Slash(scene.bo.client, id, lambda line: lines.append(line.plain))
    events = scene.bo.client.events()
    assert await ling.run("/card mei")
    async with asyncio.timeout(30):
        async for event in events:
            if isinstance(event, MessageAdded) and event.message.card_user_id:
                seq = event.message.seq
                break
    assert await bo.run(f"/add {seq} 你好 梅")
    assert await bo.run("/add 1")
    assert await ling.run("/card nobody-of-that-name")
    assert lines[0].startswith(scene.says("Asked.", "已发送好友申请。"))
    assert "CARD_NOT_FOUND" in lines[1]
    assert "USER_NOT_FOUND" in lines[2]
    [asked] = [it for it in await mei.contact_requests() if it.user_id == scene.bo.client.user_id]
    assert (asked.source, asked.greeting) == ("card", "你好 梅")
