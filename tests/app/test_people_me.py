"""The own profile by hand: its texts, and a picture that is cropped and seen by another."""

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from tests.app.friends import fits, friend, handle
from tests.app.test_people_codes import drag
from tests.faults.people import Device, Town

pytestmark = pytest.mark.asyncio(loop_scope="session")

RED, BLUE, YELLOW = (200, 30, 30), (30, 60, 200), (240, 210, 40)


async def until(found: Any, what: str) -> Any:
    from tests.app.robot import until as wait  # noqa: PLC0415

    return await wait(found, what)


async def write(robot: Any, label: str, text: str, button: str = "保存") -> None:
    """Changes one text of the profile."""
    await robot.press(label)
    await until(lambda: robot.app.dialogs.is_open, "the question")
    assert robot.outside() == []
    robot.app.dialogs.children[0].ids.field.text = text
    await robot.press(button)


def banner(path: Path, size: tuple[int, int] = (900, 300), **options: Any) -> Path:
    """Writes a picture that is red, yellow and blue from left to right."""
    picture = Image.new("RGB", size, YELLOW)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, size[0] // 3 - 1, size[1]), fill=RED)
    draw.rectangle((size[0] * 2 // 3, 0, size[0], size[1]), fill=BLUE)
    picture.save(path, **options)
    return path


def near(colour: Any, wanted: tuple[int, int, int]) -> bool:
    """Returns whether a colour is one, but for what a lossy format does."""
    return all(abs(a - b) < 24 for a, b in zip(colour[:3], wanted, strict=True))


async def seen_by(other: Device, user_id: str, avatar_id: str) -> Image.Image:
    """Returns the picture as another person's client gets it."""
    assert (await other.client.user(user_id, fresh=True)).avatar_id == avatar_id
    data = await other.client.avatar_of(user_id, 480)
    return Image.open(io.BytesIO(data)).convert("RGB")


async def test_what_is_said_of_oneself_is_changed(robot: Any, me: Device, town: Town) -> None:
    bo = await friend(town, me, "波波")
    robot.app.go("me")
    await robot.sees("更换头像")
    await fits(robot, "更换头像")
    await write(robot, "名字", "灵灵 Ling")
    await robot.sees("灵灵 Ling")
    await write(robot, "地区", "浙江 杭州")
    await write(robot, "个性签名", "见字如面，\n慢慢来")
    await robot.sees("见字如面， 慢慢来")
    await robot.press("性别")
    await robot.press("女")
    await robot.sees("女")
    await fits(robot, "浙江 杭州")
    account = await me.client.me()
    assert (account.display_name, account.region) == ("灵灵 Ling", "浙江 杭州")
    assert (account.signature, account.gender) == ("见字如面， 慢慢来", "female")
    seen = await bo.client.user(me.client.user_id, fresh=True)
    assert (seen.display_name, seen.region) == ("灵灵 Ling", "浙江 杭州")


async def test_a_name_is_not_empty(robot: Any, me: Device) -> None:
    robot.app.go("me")
    await write(robot, "名字", "  ")
    await robot.sees("名字不能为空")
    assert (await me.client.me()).display_name == "灵灵"


async def test_the_handle_is_changed_once_a_year_and_the_error_says_so(
    robot: Any, me: Device, town: Town
) -> None:
    robot.app.go("me")
    await robot.sees("未设置")
    await write(robot, "鸿雁号", "1st")
    await robot.sees("鸿雁号须为 6–20 位，以字母开头")
    first, taken = handle("ling"), handle("bobo")
    await (await town.newcomer("bo")).client.update_me(handle=taken)
    await write(robot, "鸿雁号", taken)
    await robot.sees("该鸿雁号已被使用")
    await write(robot, "鸿雁号", first)
    await robot.sees(first)
    await write(robot, "鸿雁号", handle("ling"))
    await robot.sees("鸿雁号一年只能修改一次")
    assert (await me.client.me()).handle == first


async def test_a_picture_is_cropped_by_drawing_and_others_see_that_part(
    robot: Any, me: Device, town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    banner(tmp_path / "banner.png")
    bo = await friend(town, me, "波波")
    robot.app.go("me")
    await robot.press("更换头像")
    await robot.press("选择图片")
    await robot.press("banner.png")
    page = await until(lambda: crop(robot), "the page to crop")
    await until(lambda: page.texture, "the picture")
    await fits(robot, "拖动并缩放图片")
    assert page.square() == (300, 0, 300)  # the middle at first
    zoom = page.ids.zoom
    x, y = zoom.to_window(*zoom.center)
    await drag(robot, (x, y), (x + 2_000, y))
    assert page.square() == (0, 0, 300)  # no farther than the edge
    await drag(robot, (x, y), (x - 2_000, y))
    assert page.square() == (600, 0, 300)
    await robot.press("完成")
    await robot.sees("已保存")
    account = await me.client.me()
    picture = await seen_by(bo, me.client.user_id, account.avatar_id)
    assert picture.size[0] == picture.size[1]
    for place in ((10, 10), (picture.width - 10, 10), (picture.width // 2, picture.height - 10)):
        assert near(picture.getpixel(place), BLUE)
    # The app shows it too.
    face = await until(lambda: next(iter(robot.named("MeFace")), None), "the face")
    await until(lambda: near(face.texture.pixels[:3], BLUE), "the new picture")
    await robot.press("更换头像")
    await robot.press("查看头像")
    await until(lambda: robot.app.viewer.texture, "the picture")
    robot.app.viewer.close()
    await robot.press("更换头像")
    await robot.press("移除头像")
    await robot.sees("移除头像？")
    robot.app.dialogs.children[0].answer(True)
    await until(lambda: not robot.app.desk.pages[-1].has_picture, "it is gone")
    assert (await me.client.me()).avatar_id == ""


def crop(robot: Any) -> Any:
    """Returns the page to crop when it is open."""
    page = robot.app.desk.pages[-1]
    return page if type(page).__name__ == "Crop" else None


async def test_a_picture_is_enlarged_while_cropping(
    robot: Any, me: Device, town: Town, tmp_path: Path
) -> None:
    bo = await friend(town, me, "波波")
    page = robot.app.go("me")
    path = banner(tmp_path / "banner.jpg", (1200, 400), quality=95)
    setting = robot.app.session.spawn(page.set_picture(path))
    shown = await until(lambda: crop(robot), "the page to crop")
    await until(lambda: shown.texture, "the picture")
    await robot.frames()
    for _ in range(4):
        await robot.click(shown.ids.zoom, button="scrolldown")
    left, top, side = shown.square()
    assert side == pytest.approx(400 / 1.2**4, abs=2)
    assert left + side / 2 == pytest.approx(600, abs=2)
    assert top + side / 2 == pytest.approx(200, abs=2)
    shown.finish()
    await setting
    picture = await seen_by(bo, me.client.user_id, (await me.client.me()).avatar_id)
    assert near(picture.getpixel((5, 5)), YELLOW)


async def test_a_picture_that_lies_on_its_side_is_cropped_as_it_is_seen(
    robot: Any, me: Device, town: Town, tmp_path: Path
) -> None:
    """The camera turned the picture by a note: red is on the top, not at the left."""
    note = Image.Exif()
    note[0x0112] = 6
    path = banner(tmp_path / "side.jpg", quality=95, exif=note)
    bo = await friend(town, me, "波波")
    page = robot.app.go("me")
    setting = robot.app.session.spawn(page.set_picture(path))
    shown = await until(lambda: crop(robot), "the page to crop")
    await until(lambda: shown.texture, "the picture")
    await robot.frames()
    assert (shown.texture.width, shown.texture.height) == (300, 900)
    x, y = shown.ids.zoom.to_window(*shown.ids.zoom.center)
    await drag(robot, (x, y), (x, y - 2_000))
    assert shown.square() == (0, 0, 300)
    shown.finish()
    await setting
    picture = await seen_by(bo, me.client.user_id, (await me.client.me()).avatar_id)
    assert near(picture.getpixel((picture.width // 2, picture.height // 2)), RED)


async def test_what_the_server_would_not_take_is_made_anew(
    robot: Any, me: Device, town: Town, tmp_path: Path
) -> None:
    bo = await friend(town, me, "波波")
    page = robot.app.go("me")
    path = banner(tmp_path / "huge.bmp", (2400, 1600))  # 11 MB, and no format of the server's
    setting = robot.app.session.spawn(page.set_picture(path))
    shown = await until(lambda: crop(robot), "the page to crop")
    await until(lambda: shown.texture, "the picture")
    await robot.frames()
    shown.finish()
    await setting
    picture = await seen_by(bo, me.client.user_id, (await me.client.me()).avatar_id)
    assert near(picture.getpixel((picture.width // 2, picture.height // 2)), YELLOW)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG no more")
    await page.set_picture(tmp_path / "broken.png")
    await robot.sees("无法打开这张图片")
