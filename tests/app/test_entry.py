"""Coming in: the welcome, logging in, making an account, a new password, and another server."""

from pathlib import Path
from typing import Any

import pytest

from app import passwords, scene, theme
from app.preferences import Preferences
from loadtest.accounts import PASSWORD, mailed_code
from tests.app.test_chats import key_press
from tests.faults.people import Town

pytestmark = pytest.mark.asyncio(loop_scope="session")

NEWER = "quiet-water-7-herons"


async def until_true(found: Any, what: str) -> Any:
    from tests.app.robot import until  # noqa: PLC0415

    return await until(found, what)


def form(robot: Any) -> Any:
    return robot.app.entry.shown


async def write(robot: Any, name: str, text: str) -> None:
    """Writes into a field of the form that is shown."""
    field = form(robot).ids[name]
    field.text = ""
    await robot.write(field.ids.field, text)


async def code_of(town: Town, email: str, before: str | None = None) -> str:
    return await until_true(
        lambda: (
            (code := mailed_code(town.system.mail_folder, email)) not in (None, before) and code
        ),
        "the mail",
    )


async def test_the_welcome_fits_everywhere_in_both_languages(robot: Any, door: None) -> None:
    from tests.app.robot import PHONE, WIDE  # noqa: PLC0415

    for size in (WIDE, PHONE):
        await robot.resize(*size)
        for language, slogan in (("zh", "见字如面"), ("en", "Words that arrive")):
            robot.app.preferences.language = language
            for name in ("welcome", "login", "register", "reset"):
                robot.app.entry.form = name
                await robot.frames()
                assert robot.outside() == [], (size, language, name)
            robot.app.entry.form = "welcome"
            await robot.sees(slogan)
    await robot.press("中文")
    await until_true(lambda: robot.app.words.language == "zh", "Chinese again")


async def test_what_is_wrong_stands_under_its_field(robot: Any, door: None) -> None:
    await robot.press("注册新账号")
    await until_true(lambda: robot.app.entry.form == "register", "the form")
    await robot.press("注册")
    for text in ("请填写昵称", "请填写邮箱", "请填写验证码", "请填写密码"):
        await robot.sees(text)
    assert form(robot).ids.name.ids.field.focus
    await write(robot, "name", "灵灵")
    assert form(robot).ids.name.error == ""
    await write(robot, "email", "ling at example")
    await robot.press("获取验证码")
    await robot.sees("邮箱格式不正确")
    await write(robot, "email", "wrong-ling@example.org")
    await write(robot, "code", "12a4567")
    assert form(robot).ids.code.text == "12a456"
    await write(robot, "password", "short")
    await robot.sees("还差 3 个字符")
    await robot.press("注册")
    await robot.sees("验证码是 6 位数字")
    await robot.sees("密码至少 8 个字符")
    await write(robot, "code", "123456")
    await write(robot, "password", "password123")
    await robot.press("注册")
    await robot.sees("密码过于常见，请换一个")
    await write(robot, "password", PASSWORD)
    await robot.press("注册")
    await robot.sees("验证码错误或已过期")
    assert form(robot).ids.password.text == PASSWORD
    assert robot.outside() == []


async def test_an_account_is_made_and_its_password_set_anew(
    robot: Any, town: Town, door: None, tmp_path: Path
) -> None:
    email = f"entry-{tmp_path.name[-6:].replace('_', '-')}@example.org"
    app = robot.app
    await robot.press("注册新账号")
    await until_true(lambda: robot.app.entry.form == "register", "the form")
    await write(robot, "name", "灵灵")
    await write(robot, "email", email)
    await robot.press("获取验证码")
    code = await code_of(town, email)
    await robot.sees(f"验证码已发送到 {email}")
    await robot.sees("秒后重发")
    await until_true(lambda: form(robot).ids.code.ids.field.focus, "the cursor is there")
    await write(robot, "code", code)
    await write(robot, "password", PASSWORD)
    await key_press(robot, 13)  # Enter in the last field
    await until_true(lambda: app.session.signed_in, "logged in")
    await app.session.logout()
    await robot.sees("见字如面")
    await robot.press("登录")
    await until_true(lambda: robot.app.entry.form == "login", "the form")
    assert form(robot).ids.email.text == email
    assert form(robot).ids.password.text == ""
    await write(robot, "password", "not the password")
    await robot.press("登录")
    await robot.sees("邮箱或密码不正确")
    await robot.press("忘记密码？")
    await until_true(lambda: robot.app.entry.form == "reset", "another form")
    assert form(robot).ids.email.text == email
    await robot.press("获取验证码")
    await write(robot, "code", await code_of(town, email, code))
    await write(robot, "password", NEWER)
    await robot.press("重设密码")
    await robot.sees("密码已重设，请登录")
    await write(robot, "password", NEWER)
    await robot.press("登录")
    await until_true(lambda: app.session.signed_in, "logged in")


async def test_enter_and_tab_go_on_and_escape_goes_back(robot: Any, door: None) -> None:
    await robot.press("登录")
    await until_true(lambda: robot.app.entry.form == "login", "the form")
    await write(robot, "email", "ling@example.org")
    await key_press(robot, 13)
    assert form(robot).ids.password.ids.field.focus
    await write(robot, "email", "ling@example.org")
    await key_press(robot, 9)
    assert form(robot).ids.password.ids.field.focus
    eye = next(it for it in robot.named("IconButton") if it.name == "eye_off_outline")
    await robot.click(eye)
    await until_true(lambda: not form(robot).ids.password.ids.field.password, "it can be read")
    await robot.press("没有账号？注册")
    await until_true(lambda: robot.app.entry.form == "register", "another form")
    assert form(robot).ids.email.text == "ling@example.org"
    await key_press(robot, 27)
    if robot.app.entry.form != "welcome":  # the first one took the cursor out of a field
        await key_press(robot, 27)
    await robot.sees("见字如面")


async def test_who_cannot_reach_the_server_is_told_and_can_choose_another(
    robot: Any, town: Town, door: None
) -> None:
    app = robot.app
    address = app.entry.address
    await robot.press("服务器")
    await robot.sees("服务器地址")
    app.dialogs.children[0].ids.field.text = "ftp://nowhere"
    await robot.press("保存")
    await robot.sees("地址不正确")
    await robot.press("服务器")
    app.dialogs.children[0].ids.field.text = "127.0.0.1:9"
    await robot.press("保存")
    await until_true(lambda: app.entry.address == "http://127.0.0.1:9", "another address")
    try:
        await robot.press("登录")
        await write(robot, "email", "ling@example.org")
        await write(robot, "password", PASSWORD)
        await robot.press("登录")
        await robot.sees("连接不上服务器 http://127.0.0.1:9")
        assert robot.outside() == []
        await until_true(lambda: not form(robot).busy, "it is done")
        app.preferences.save()
        kept = Preferences(app._home / "preferences.json")
        assert kept.address == "http://127.0.0.1:9"
        await robot.press("更改服务器地址")
        await robot.frames()
        app.dialogs.children[0].ids.field.text = address
        await robot.press("保存")
        await until_true(lambda: app.entry.address == address, "the first address")
    finally:
        if app.session.client.address != address:
            await app.session.client.move_to(address)
        app.preferences.address, app.entry.address = "", address
    device = await town.newcomer("ling")
    await write(robot, "email", (await device.client.me()).email)
    await write(robot, "password", PASSWORD)
    await robot.press("登录")
    await until_true(lambda: app.session.signed_in, "logged in")


async def test_a_long_and_varied_password_looks_better_than_a_short_one() -> None:
    assert passwords.strength("short") == 0
    assert passwords.strength("x" * 129) == 0
    assert passwords.strength("aaaaaaaaaaaaaaaaaaaa") == passwords.WEAK
    assert passwords.strength("herons77") == passwords.WEAK
    assert passwords.strength("quiet herons on water") == passwords.GOOD


async def test_the_landscape_is_drawn_in_the_size_and_colours_of_the_theme() -> None:
    def palette(colours: dict[str, str]) -> scene.Palette:
        names = ("sky_high", "sky_low", "sun", "hill", "reed", "goose")
        parts = [[int(colours[it][n : n + 2], 16) for n in (1, 3, 5)] for it in names]
        return scene.Palette(*(tuple(it) for it in parts))

    light = scene.draw(120, 200, palette(theme.LIGHT))
    dark = scene.draw(120, 200, palette(theme.DARK))
    assert light.size == dark.size == (120, 200)
    assert sum(light.getpixel((5, 5))) > 2 * sum(dark.getpixel((5, 5)))
