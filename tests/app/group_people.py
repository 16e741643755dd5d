"""Friends and groups for the tests of the pages of groups, and how these pages are used."""

import asyncio
from typing import Any

from hongyan_client.model import Group, GroupSettings
from tests.faults.people import Device, Town
from tests.system.test_story_groups import befriend

NAMES = {"bo": "波波", "mei": "梅子", "wang": "老王", "kai": "Kai"}


async def friends(me: Device, town: Town, *names: str) -> list[Device]:
    """Returns people who are friends of the account."""
    people = await asyncio.gather(*(town.newcomer(it) for it in names))
    for name, device in zip(names, people, strict=True):
        await device.client.update_me(display_name=NAMES[name])
    await befriend(me, *people)
    return list(people)


async def group_of(owner: Device, *others: Device, name: str = "周末火锅") -> str:
    """Returns the id of a group that somebody has made."""
    ids = [it.client.user_id for it in others]
    made = await owner.client.create_group(name, ids)
    return made.conversation_id


async def until(found: Any, what: str) -> Any:
    """Waits for something to be so."""
    from tests.app.robot import until  # noqa: PLC0415 - it needs a window

    return await until(found, what)


async def known(robot: Any, id: str) -> None:
    """Waits until the app knows of a group that it is in."""

    def there() -> bool:
        found = robot.app.session.client.conversation(id)
        return bool(found and found.group and found.group.role)

    await until(there, "the app knows the group")


async def opened(robot: Any, page: str, **options: Any) -> Any:
    """Opens a page, and waits for it to have been laid out."""
    it = robot.app.go(page, **options)
    await robot.frames(3)
    return it


def rows(robot: Any) -> list[str]:
    """Returns the labels of the rows that can be seen, from the top."""
    from app.widgets.section import Row  # noqa: PLC0415 - it needs a window

    found = [it for it in robot.shown() if isinstance(it, Row) and it.shown]
    return [it.label for it in sorted(found, key=lambda it: -it.to_window(it.x, it.y)[1])]


async def press_row(robot: Any, label: str) -> None:
    """Scrolls to a row and presses it."""
    from app.widgets.page import Sheet  # noqa: PLC0415 - it needs a window
    from app.widgets.section import Row  # noqa: PLC0415

    def find() -> Any:
        found = (it for it in robot.shown() if isinstance(it, Row) and it.label == label)
        return next((it for it in found if it.shown), None)

    row = await until(find, label)
    for above in row.walk_reverse():
        if isinstance(above, Sheet) and above.children[0].height > above.height:
            above.scroll_to(row, animate=False)
            break
    await robot.frames(3)
    await robot.click(row)


async def act(robot: Any, page: Any, user_id: str, text: str) -> None:
    """Opens the menu of a member by its ⋯, and chooses from it."""

    def dots() -> Any:
        row = next((it for it in robot.named("MemberRow") if it.key == user_id), None)
        buttons = (
            [it for it in robot.shown(row) if type(it).__name__ == "IconButton"] if row else []
        )
        return next((it for it in buttons if not it.disabled), None)

    await robot.click(await until(dots, "the ⋯ of the member"))
    await robot.press(text)


async def pick(robot: Any, *names: str) -> None:
    """Ticks people on the page that chooses them, and goes back with them."""
    for name in names:
        row = await until(
            lambda name=name: next((it for it in robot.named("ListRow") if it.title == name), None),
            name,
        )
        await robot.click(row)
    await robot.press(f"完成({len(names)})")


async def fits(robot: Any) -> None:
    """Nothing is cut off: wide and on a phone, in both languages."""
    from tests.app.robot import PHONE, WIDE  # noqa: PLC0415 - it needs a window

    preferences = robot.app.preferences
    for size in (WIDE, PHONE):
        await robot.resize(*size)
        for language in ("en", "zh"):
            preferences.language = language
            await robot.frames(3)
            assert robot.outside() == [], (size, language)
    await robot.resize(*WIDE)


def group(device: Device, id: str) -> Group:
    """Returns what a device knows of a group; one that it does not know is empty."""
    found = device.client.conversation(id)
    return found.group if found and found.group else Group(GroupSettings())
