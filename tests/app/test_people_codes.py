"""Codes by hand: shown, saved as a picture, scanned by somebody else, and links that lead on."""

import asyncio
import io
import stat
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from app import files, images
from app.links import LOGIN_LINK, open_link
from hongyan_client import codes
from hongyan_client.groups import JOIN_LINK
from hongyan_client.people import ADD_LINK
from tests.app.friends import fits, request_of, row, stranger
from tests.faults.people import Device, Town

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def until(found: Any, what: str) -> Any:
    from tests.app.robot import until as wait  # noqa: PLC0415

    return await wait(found, what)


@pytest.fixture
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where what is saved goes: a person's home without dialogs for files."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("PATH", "")
    return tmp_path / "Downloads"


async def code_of(device: Device, path: Path) -> Path:
    """Writes the picture of somebody's code."""
    made = await device.client.create_contact_code()
    codes.save(ADD_LINK + made.code, path)
    return path


async def test_the_own_code_is_saved_and_leads_another_to_the_account(
    robot: Any, me: Device, town: Town, downloads: Path
) -> None:
    page = robot.app.go("my_code")
    await until(lambda: page.link, "there is a code")
    await robot.sees("有效期至")
    await fits(robot, "扫一扫上面的二维码，加我为朋友")
    await robot.press("保存图片")
    path = downloads / "鸿雁二维码.png"
    await robot.sees(f"已保存到 {path}")
    link = codes.read(path)
    assert link == page.link
    bo = await stranger(town, "波波")
    assert await bo.client.resolve_contact_code(link) == me.client.user_id
    await bo.client.request_contact(code=link, greeting="扫到你了")
    await until(lambda: request_of(me, bo.client.user_id), "the request")
    asked = request_of(me, bo.client.user_id)
    assert asked
    assert asked.source == "code"
    # Saved again it takes no other's place.
    await robot.press("保存图片")
    await until((downloads / "鸿雁二维码 (1).png").exists, "the second file")


async def test_the_code_stays_the_same_until_it_is_renewed(robot: Any, me: Device) -> None:
    page = robot.app.go("my_code")
    first = await until(lambda: page.link, "there is a code")
    robot.app.back()
    page = robot.app.go("my_code")
    assert await until(lambda: page.link, "the code of before") == first
    await robot.press("复制链接")
    await robot.sees("已复制")
    await robot.press("更换")
    await robot.sees("现在的二维码和链接会立即失效。")
    assert robot.outside() == []
    robot.app.dialogs.children[0].answer(True)
    await until(lambda: page.link not in ("", first), "another code")
    await robot.sees("已更换二维码")
    assert len(await me.client.contact_codes()) == 1
    task = open_link(first)
    await robot.sees("二维码无效或已过期")
    await task


async def test_a_picture_of_a_code_is_chosen_and_its_person_is_asked(
    robot: Any, me: Device, town: Town, tmp_path: Path, downloads: Path
) -> None:
    kai = await stranger(town, "Kai")
    await kai.client.update_me(who_may_add="code")
    (tmp_path / "图片").mkdir()
    await code_of(kai, tmp_path / "图片" / "kai.png")
    robot.app.go("scan")
    await fits(robot, "从剪贴板读取")
    assert "打开摄像头" not in robot.texts()
    await robot.press("选择图片")
    await robot.press("图片")
    await fits(robot, "上一级")
    await robot.press("kai.png")
    await robot.sees("添加到通讯录")
    await robot.sees("Kai")
    await robot.press("添加到通讯录")
    await robot.press("发送")
    await robot.sees("等待对方通过验证")
    asked = next(iter(await me.client.contact_requests()))
    assert (asked.user_id, asked.source) == (kai.client.user_id, "code")


async def test_a_picture_that_is_dropped_on_the_window_is_read(
    robot: Any, me: Device, town: Town, tmp_path: Path
) -> None:
    from kivy.core.window import Window  # noqa: PLC0415

    kai = await stranger(town, "Kai")
    path = await code_of(kai, tmp_path / "凯.png")
    robot.app.go("scan")
    empty = tmp_path / "empty.png"
    Image.new("RGB", (300, 300), "white").save(empty)
    Window.dispatch("on_drop_file", bytes(empty), 10, 10)
    await robot.sees("没有找到二维码")
    (tmp_path / "text.png").write_text("no picture")
    Window.dispatch("on_drop_file", bytes(tmp_path / "text.png"), 10, 10)
    await robot.sees("无法打开这张图片")
    Window.dispatch("on_drop_file", bytes(path), 10, 10)
    await robot.sees("Kai")
    assert robot.app.desk.pages[-1].user_id == kai.client.user_id


async def test_a_code_on_the_clipboard_is_read(
    robot: Any, me: Device, town: Town, tmp_path: Path
) -> None:
    kai = await stranger(town, "Kai")
    path = await code_of(kai, tmp_path / "kai.png")
    owner = await asyncio.create_subprocess_exec(
        "xclip", "-selection", "clipboard", "-t", "image/png", "-i", "-quiet", str(path)
    )
    try:
        found = None
        async with asyncio.timeout(60):
            while found is None:  # until the program owns the clipboard
                found = await asyncio.to_thread(images.from_clipboard)
        robot.app.go("scan")
        await robot.press("从剪贴板读取")
        await robot.sees("Kai")
        assert robot.app.desk.pages[-1].user_id == kai.client.user_id
    finally:
        owner.terminate()
        await owner.wait()


async def test_a_frame_of_a_camera_is_read(robot: Any, me: Device, town: Town) -> None:
    """No camera is here: a frame with a code is a texture as a camera gives it."""
    from kivy.graphics.texture import Texture  # noqa: PLC0415

    kai = await stranger(town, "Kai")
    made = await kai.client.create_contact_code()
    with Image.open(io.BytesIO(codes.png(ADD_LINK + made.code))) as code:
        frame = Image.new("RGB", (640, 480), (90, 80, 70))
        frame.paste(code.convert("RGB").resize((300, 300)).rotate(7, fillcolor="white"), (170, 90))
    texture = Texture.create(size=frame.size, colorfmt="rgb")
    texture.blit_buffer(frame.tobytes(), colorfmt="rgb", bufferfmt="ubyte")
    texture.flip_vertical()
    page = robot.app.go("scan")
    page.framed(texture)
    page._look()
    await robot.sees("Kai")
    assert robot.app.desk.pages[-1].user_id == kai.client.user_id


async def test_a_link_to_the_web_is_opened_after_a_question(
    robot: Any, me: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import webbrowser  # noqa: PLC0415

    opened: list[str] = []
    browser = webbrowser.GenericBrowser("true")
    monkeypatch.setattr(browser, "open", lambda url, *_: opened.append(url) or True)
    monkeypatch.setattr(webbrowser, "_tryorder", ["here"])
    webbrowser.register("here", None, browser)
    task = open_link("https://example.org/一页")
    await robot.sees("打开这个网页？")
    assert robot.outside() == []
    robot.app.dialogs.close()
    await task
    assert opened == []
    task = open_link("https://example.org/一页")
    await robot.press("打开")
    await task
    assert opened == ["https://example.org/一页"]


async def test_the_code_of_a_group_leads_to_its_door(
    robot: Any, me: Device, town: Town, tmp_path: Path
) -> None:
    bo = await stranger(town, "波波")
    group = await bo.client.create_group("爬山小队", [])
    invite = await bo.client.create_invite(group.conversation_id)
    codes.save(JOIN_LINK + invite.code, tmp_path / "group.png")
    robot.app.go("scan").read_file(tmp_path / "group.png")
    await robot.sees("爬山小队")
    assert type(robot.app.desk.pages[-1]).__name__ == "Join"


async def test_other_codes_are_explained_or_shown(robot: Any, me: Device) -> None:
    from kivy.core.clipboard import Clipboard  # noqa: PLC0415

    task = open_link(LOGIN_LINK + "abc")
    await robot.sees("请在要登录的新设备上扫描")
    robot.app.dialogs.close()
    await task
    task = open_link("WIFI:S:home;T:WPA;P:secret;;")
    await robot.sees("二维码的内容")
    await robot.press("复制")
    await task
    assert Clipboard.paste() == "WIFI:S:home;T:WPA;P:secret;;"


async def test_who_is_logged_out_is_told_to_log_in_first(robot: Any, door: None) -> None:
    await open_link(ADD_LINK + "abc")
    await robot.sees("请先登录")


async def test_the_dialog_of_the_system_is_used_where_there_is_one(
    robot: Any, me: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that answers as zenity does stands for it."""
    chosen = tmp_path / "a b.png"
    Image.new("RGB", (8, 8)).save(chosen)
    program = tmp_path / "bin" / "zenity"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/asked\necho "{chosen}"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    assert files.has_dialogs()
    assert await files.choose("选择图片", (".png",)) == chosen
    assert "选择图片 | *.png" in (tmp_path / "asked").read_text()
    chosen.unlink()
    assert await files.save("x.png", b"a picture") == chosen
    assert chosen.read_bytes() == b"a picture"
    assert "--save" in (tmp_path / "asked").read_text().split()
    program.write_text("#!/bin/sh\nexit 1\n")
    assert await files.choose("选择图片", (".png",)) is None
    assert await files.save("x.png", b"another") is None
    assert chosen.read_bytes() == b"a picture"


async def test_a_picture_is_enlarged_drawn_about_saved_and_closed(
    robot: Any, me: Device, downloads: Path
) -> None:
    picture = Image.new("RGB", (1600, 900), (20, 60, 120))
    ImageDraw.Draw(picture).ellipse((100, 100, 800, 800), fill=(240, 200, 40))
    data = images.png(picture)
    viewer = robot.app.viewer
    viewer.show(data, "山/顶")
    await until(lambda: viewer.texture, "the picture")
    await robot.frames()
    zoom = robot.named("Zoom")[0]
    assert zoom.shown_size[0] == pytest.approx(1100)  # it fits
    x, y = zoom.center
    before = zoom.scale
    await robot.click(zoom, button="scrolldown")
    assert zoom.scale > before
    await robot.click(zoom, button="scrollup")
    assert zoom.scale == pytest.approx(before)
    await drag(robot, (x, y), (x + 90, y))
    assert zoom.moved_x == 0  # nothing is hidden, nothing moves
    await robot.click(zoom, button="scrolldown")
    await drag(robot, (x, y), (x + 60, y - 10))
    assert zoom.moved_x == pytest.approx(60, abs=2)
    assert robot.outside() == []
    await robot.click(next(it for it in robot.named("IconButton") if it.name == "download"))
    path = downloads / "山_顶.png"
    await robot.sees(f"已保存到 {path}")
    assert path.read_bytes() == data
    assert robot.app.back()
    assert not viewer.is_open
    viewer.show(b"no picture", "x")
    await robot.sees("无法打开这张图片")
    assert not viewer.is_open
    texture = await images.texture_of(picture.convert("RGBA"))
    viewer.show(texture, "纹理")
    await robot.frames()
    viewer.save()
    await robot.sees("纹理.png")
    with Image.open(downloads / "纹理.png") as saved:
        assert saved.size == picture.size
        assert saved.convert("RGB").getpixel((450, 450)) == (240, 200, 40)
        assert saved.convert("RGB").getpixel((5, 895)) == (20, 60, 120)
    # A press on the ground closes it: the picture is wide, above it is ground.
    from kivy.core.window import Window  # noqa: PLC0415

    await drag(robot, (x, 10), (x, 10))
    assert Window.height > 10
    assert not viewer.is_open


async def test_two_fingers_enlarge_a_picture(robot: Any, me: Device) -> None:
    from kivy.base import EventLoop  # noqa: PLC0415

    viewer = robot.app.viewer
    viewer.show(images.png(Image.new("RGB", (900, 900), "red")), "red")
    await until(lambda: viewer.texture, "the picture")
    await robot.frames()
    zoom = robot.named("Zoom")[0]
    x, y = zoom.frame[2] / 2, zoom.frame[3] / 2
    left, right = touch(robot, 1, (x - 50, y)), touch(robot, 2, (x + 50, y))
    for it in (left, right):
        EventLoop.post_dispatch_input("begin", it)
    move(right, (x + 150, y))
    EventLoop.post_dispatch_input("update", right)
    for it in (left, right):
        EventLoop.post_dispatch_input("end", it)
    await robot.frames()
    assert zoom.zoom == pytest.approx(2.0, abs=0.05)
    viewer.close()


def touch(robot: Any, number: int, place: tuple[float, float]) -> Any:
    """Returns a finger on the window."""
    from kivy.core.window import Window  # noqa: PLC0415

    from tests.app.robot import Touch  # noqa: PLC0415

    args = (place[0] / Window.width, place[1] / Window.height, "left")
    made = Touch("mouse", number, args)
    made.scale_for_screen(Window.width, Window.height)
    return made


def move(finger: Any, place: tuple[float, float]) -> None:
    """Puts a finger elsewhere."""
    from kivy.core.window import Window  # noqa: PLC0415

    finger.move((place[0] / Window.width, place[1] / Window.height, "left"))
    finger.scale_for_screen(Window.width, Window.height)


async def drag(robot: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draws a finger over the window."""
    from kivy.base import EventLoop  # noqa: PLC0415

    finger = touch(robot, 1, start)
    EventLoop.post_dispatch_input("begin", finger)
    await robot.frames(1)
    move(finger, end)
    EventLoop.post_dispatch_input("update", finger)
    await robot.frames(1)
    EventLoop.post_dispatch_input("end", finger)
    await robot.frames(2)


async def test_the_page_of_files_shows_what_can_be_chosen(
    robot: Any, me: Device, tmp_path: Path
) -> None:
    here = tmp_path / "here"
    (here / "folder").mkdir(parents=True)
    (here / ".hidden.png").write_bytes(b"x")
    (here / "notes.txt").write_bytes(b"x")
    (here / "a.PNG").write_bytes(b"x" * 2048)
    robot.app.go("files", title="选择图片", suffixes=(".png",), start=str(here))
    await row(robot, "a.PNG")
    titles = [it["title"] for it in robot.app.desk.pages[-1].ids.list.data]
    assert titles == ["上一级", "folder", "a.PNG"]
    await robot.sees("2.0 KB")
    await robot.press("folder")
    await robot.sees("这里没有图片")
    await robot.press("上一级")
    await robot.sees("a.PNG")
    robot.app.desk.pages[-1].show(here / "gone")
    await robot.sees("无法打开")
