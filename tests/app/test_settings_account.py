"""The account by hand: devices, codes, password, export, several accounts, and its end."""

import asyncio
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from app import files
from app.desktop import profiles
from app.screens.code_login import CodeLogin
from hongyan_client import codes
from hongyan_client.errors import HongyanError
from hongyan_client.model import LoginCodeState
from loadtest.accounts import PASSWORD, mailed_code
from tests.app.robot import PHONE, WIDE, until
from tests.faults.people import Device, Town
from tests.system.test_story_groups import say

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def until_sessions(device: Device, count: int) -> None:
    async with asyncio.timeout(60):
        while len(await device.client.sessions()) != count:
            await asyncio.sleep(0.05)


async def test_who_is_logged_out_elsewhere_is_told_why(robot: Any, me: Device) -> None:
    app = robot.app
    here = next(it for it in await app.session.client.sessions() if it.current)
    await me.client.end_session(here.session_id)
    await robot.sees("这台设备的登录已失效")
    assert not app.session.signed_in
    assert robot.outside() == []
    app.back()
    await robot.sees("见字如面")


async def test_the_own_picture_leads_to_the_own_profile(robot: Any, me: Device) -> None:
    await robot.click(robot.named("AvatarButton")[0])
    await robot.sees("个人资料")


async def test_devices_are_seen_and_logged_out(robot: Any, me: Device, town: Town) -> None:
    app = robot.app
    tablet = await town.second_device(me)
    await town.second_device(me)
    app.go("devices")
    await robot.sees("正在使用")
    await robot.sees(tablet.name)
    assert robot.outside() == []
    await robot.press(tablet.name)
    await robot.sees("需要重新登录才能使用")
    await robot.press("退出")
    await until_sessions(me, 3)
    await robot.press("退出所有其他设备")
    await robot.sees("2 台设备")
    await robot.press("退出")
    await robot.sees("没有在其他设备上登录")
    async with asyncio.timeout(60):
        while len(await app.session.client.sessions()) != 1:
            await asyncio.sleep(0.05)
    assert app.session.signed_in


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
async def test_another_device_is_let_in_by_a_code(
    robot: Any, me: Device, town: Town, size: Any
) -> None:
    app = robot.app
    await robot.resize(*size)
    app.go("devices")
    await robot.press("登录另一台设备")
    page = await until(lambda: next(iter(robot.named("DeviceCodePage")), None), "the page")
    await until(lambda: page.state == "waiting" and page.seconds > 100, "a code")
    await until(lambda: [it for it in robot.named("QrCode") if it.texture], "it is drawn")
    assert robot.outside() == []
    phone = town.device("phone")
    claim = await phone.client.claim_login_code(
        page.link, device_name="灵灵的手机", platform="android"
    )
    await robot.sees("灵灵的手机 · Android")
    await robot.sees("  ".join(claim.number))
    assert robot.outside() == []
    await robot.press("数字一致，允许登录")
    await phone.client.login_with_code(claim)
    assert phone.client.user_id == me.client.user_id
    await robot.sees("“灵灵的手机”正在登录")
    await robot.press("完成")
    await robot.sees("灵灵的手机")


async def test_a_device_is_declined_and_a_code_that_is_left_is_dead(
    robot: Any, me: Device, town: Town
) -> None:
    app = robot.app
    app.preferences.language = "en"
    page = app.go("device_code")
    await until(lambda: page.state == "waiting", "a code")
    stranger = town.device("stranger")
    claim = await stranger.client.claim_login_code(page.link, device_name="x", platform="linux")
    await robot.press("Decline")
    await robot.sees("The device was not let in")
    with pytest.raises(HongyanError):
        await stranger.client.login_with_code(claim)
    await robot.press("Show a new code")
    link = await until(lambda: page.state == "waiting" and page.link, "a new code")
    code_id = page._code_id
    app.back()
    async with asyncio.timeout(60):
        while (await app.session.client.login_code(code_id)).state is LoginCodeState.WAITING:
            await asyncio.sleep(0.05)
    with pytest.raises(HongyanError):
        await stranger.client.claim_login_code(link)


async def approve(device: Device, code_id: str, number: str) -> None:
    """Says yes on the other device when it shows the same number."""
    async with asyncio.timeout(60):
        while (code := await device.client.login_code(code_id)).number != number:
            await asyncio.sleep(0.05)
    assert code.state is LoginCodeState.CLAIMED
    await device.client.answer_login_code(code_id, approve=True)


@pytest.mark.parametrize("way", ["link", "picture", "file page", "camera"])
async def test_at_the_door_a_code_logs_in(
    robot: Any, door: None, town: Town, tmp_path: Path, way: str
) -> None:
    app = robot.app
    ling = await town.newcomer("ling")
    await ling.client.update_me(display_name="灵灵")
    code = await ling.client.create_login_code()
    app.open_code_login()
    page: CodeLogin = app.code_login
    await robot.sees("读取它的二维码")
    assert robot.outside() == []
    picture = tmp_path / "code.png"
    codes.save(code.link, picture)
    match way:
        case "link":
            await robot.resize(*PHONE)
            await robot.write(page.ids.link, "hongyan://add/x")
            await robot.press("继续")
            await robot.sees("这不是登录二维码")
            page.ids.link.text = code.link
            await robot.press("继续")
        case "picture":
            app.root_window.dispatch("on_drop_file", str(picture).encode(), 10, 10)
        case "file page":
            await by_the_page(robot, page, picture)
        case "camera":
            from PIL import Image  # noqa: PLC0415

            with Image.open(picture) as frame:
                await page.look(frame.convert("RGB"))
    await robot.sees("将以“灵灵”登录")
    await robot.sees("  ".join(page.number))
    assert robot.outside() == []
    await approve(ling, code.code_id, page.number)
    await until(lambda: app.session.signed_in, "logged in")
    assert app.session.user_id == ling.client.user_id
    assert app.code_login is None
    await robot.be("")


async def by_the_page(robot: Any, page: Any, picture: Path) -> None:
    """Chooses the picture in the app's own page of files."""
    assert not files.has_dialogs()
    await robot.press("选择二维码图片")
    chooser = await until(lambda: next(iter(robot.named("DoorFiles")), None), "the files")
    chooser.done()
    await until(lambda: not robot.named("DoorFiles"), "back")
    await robot.press("选择二维码图片")
    chooser = await until(lambda: next(iter(robot.named("DoorFiles")), None), "the files")
    chooser.show(picture.parent)
    await robot.press(picture.name)


async def test_at_the_door_one_can_give_up_and_is_told_of_a_no(
    robot: Any, door: None, town: Town
) -> None:
    app = robot.app
    ling = await town.newcomer("ling")
    code = await ling.client.create_login_code()
    app.preferences.language = "en"
    app.open_code_login(code.link)
    await robot.sees("Waiting for the other device")
    app.back()  # from waiting to the ways
    app.back()  # and to the door
    await until(lambda: app.code_login is None, "the door")
    second = await ling.client.create_login_code()
    app.open_code_login(second.link)
    await robot.sees("Waiting for the other device")
    await ling.client.answer_login_code(second.code_id, approve=False)
    await robot.sees("The other device declined")
    app.code_login.take(second.link)
    await robot.sees("The code is wrong or has ended")
    assert not app.session.signed_in
    app.back()


async def test_a_new_password_ends_every_session_and_is_needed_from_then_on(
    robot: Any, me: Device, town: Town
) -> None:
    app = robot.app
    email = (await me.client.me()).email
    page = app.go("password")
    await robot.sees(email)
    before = mailed_code(town.system.mail_folder, email)
    await robot.press("获取验证码")
    code = await until(
        lambda: (it := mailed_code(town.system.mail_folder, email)) != before and it, "the mail"
    )
    await robot.write(page.ids.code, code)
    await robot.write(page.ids.password, "short")
    await robot.press("修改密码")
    await robot.sees("密码至少要 8 个字符")
    page.ids.password.text = ""
    await robot.write(page.ids.password, "a-brand-new-鸿雁")
    await robot.click(next(it for it in robot.named("TextButton") if it.text == "修改密码"))
    await until(lambda: not app.session.signed_in, "logged out")
    await robot.sees("密码已修改，请用新密码登录")
    with pytest.raises(HongyanError):
        await app.session.login(email, PASSWORD)
    await app.session.login(email, "a-brand-new-鸿雁")
    assert app.session.signed_in


async def test_all_data_is_exported_to_a_file(
    robot: Any, me: Device, town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    bo = await town.newcomer("bo")
    id = (await bo.client.open_direct(me.client.user_id)).conversation_id
    await say(bo, id, "留个纪念")
    page = robot.app.go("account")
    await robot.press("导出我的数据")
    path = await until(lambda: page.exported, "it is written")
    assert path.parent == tmp_path / "Downloads"
    with zipfile.ZipFile(path) as archive:
        account = json.loads(archive.read("account.json"))
        assert account["user_id"] == me.client.user_id
        assert "留个纪念" in archive.read(f"messages/{id}.jsonl").decode()
    assert list(path.parent.iterdir()) == [path]
    await robot.sees("打开所在文件夹")
    assert robot.outside() == []


async def test_one_goes_from_one_account_to_another_in_the_same_window(
    robot: Any, me: Device, town: Town
) -> None:
    app = robot.app
    home, mine = app.session.client.home, me.client.user_id
    bo = await town.newcomer("bo")
    await bo.client.update_me(display_name="波波")
    await app.session.load_account()
    app.preferences.looks = "dark"
    app.go("accounts")
    await robot.sees("当前账号")
    await robot.press("添加账号")
    await until(lambda: not app.session.signed_in, "the door")
    other = app.session.client.home
    assert other != home
    assert app.theme.dark
    await app.session.login((await bo.client.me()).email, PASSWORD)
    await app.session.client.caught_up()
    await until(lambda: profiles.read_card(other), "it has a card")
    app.go("accounts")
    await robot.sees("灵灵")
    await robot.sees("波波")
    assert robot.outside() == []
    await robot.press("灵灵")
    await until(lambda: app.session.user_id == mine, "the first again")
    assert app.session.client.home == home
    await until(lambda: app.session.state == "online", "and online")
    await until(lambda: not app.desktop._switching, "all of it is done")
    # Another process has the other one: it is not taken from it.
    from app.desktop.single import Instance  # noqa: PLC0415

    elsewhere = Instance(other)
    assert elsewhere.claim()
    app.desktop.switch(other)
    await robot.sees("这个账号已在另一个窗口中打开")
    await until(lambda: not app.desktop._switching, "it was given up")
    elsewhere.release()
    assert app.session.user_id == mine
    # It logs out of the other too, so that nothing is left behind.
    app.desktop.switch(other)
    await until(lambda: app.session.user_id == bo.client.user_id, "the other")
    await app.session.delete_account(PASSWORD)
    assert profiles.read_card(other) is None
    await until(lambda: not app.desktop._switching, "all of it is done")
    app.desktop.switch(home)
    await until(lambda: app.session.user_id == mine, "the first again")


async def test_an_account_is_deleted_with_what_is_here_of_it(robot: Any, me: Device) -> None:
    app = robot.app
    home, user_id = app.session.client.home, app.session.user_id
    page = app.go("delete_account")
    await robot.write(page.ids.password, "not the password")
    await robot.press("永久注销")
    dialog = (await until(lambda: robot.named("Dialog"), "the question"))[0]
    assert "灵灵" in dialog.text
    dialog.answer(True)
    await robot.sees("密码不正确")
    assert app.session.signed_in
    page.ids.password.text = ""
    await robot.write(page.ids.password, PASSWORD)
    await robot.press("永久注销")
    dialog = (await until(lambda: robot.named("Dialog"), "the question"))[0]
    dialog.answer(True)
    await until(lambda: not app.session.signed_in, "logged out")
    await until(
        lambda: not list((home / "accounts").glob(f"{user_id}*")), "nothing of it is left here"
    )
    await robot.sees("账号已注销")
