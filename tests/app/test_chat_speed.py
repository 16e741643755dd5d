"""What an arriving message costs, as counts: rows measured, slots and widgets made."""

from typing import Any

import pytest

from tests.app.chatting import Talkers, row
from tests.app.test_chat_scroll import many
from tests.faults.people import Device, Town

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def until(found: Any, what: str) -> Any:
    from tests.app.robot import until as wait  # noqa: PLC0415

    return await wait(found, what)


async def test_an_arriving_message_costs_one_row_and_no_new_widgets(
    robot: Any, me: Device, town: Town
) -> None:
    talk = await Talkers.friends(robot, me, town)
    await talk.while_away(many(talk, 0, 520))
    await talk.open()
    await robot.sees("第 519 句")
    view, thread = talk.view, talk.chat.reading.thread
    for _ in range(30):  # as much as is held at most
        if len(thread.messages) >= 480:
            break
        first = thread.first_seq
        view.scroll_by(-1e6)
        await until(lambda first=first: thread.first_seq < first, "older ones")
    talk.chat.to_bottom()
    await robot.sees("第 519 句")
    await robot.calm()
    widgets = view.made
    measured, built = view.measured, thread.built
    await many(talk, 520, 560)
    await robot.sees("第 559 句")
    await until(lambda: talk.chat.reading.known.unread_count == 0, "read")
    assert thread.built - built <= 40 + 2  # and perhaps a time between them
    assert view.measured - measured <= 40 + 4
    assert view.made - widgets <= 3
    assert len(view.children) <= 30


async def test_while_nothing_happens_nothing_is_drawn(robot: Any, me: Device, town: Town) -> None:
    """A cursor that blinks draws the whole window: it does so for a while only."""
    from kivy.clock import Clock  # noqa: PLC0415
    from kivy.core.window import Window  # noqa: PLC0415

    talk = await Talkers.friends(robot, me, town)
    await talk.open()
    await robot.write(talk.input, "在")
    assert talk.input.cursor_blink
    await robot.calm()
    talk.input._still()
    last = Clock.get_time()

    def drawn(*_: Any) -> None:
        nonlocal last
        last = Clock.get_time()

    Window.bind(on_flip=drawn)
    await until(lambda: Clock.get_time() - last > 2, "two seconds without a frame that is drawn")
    Window.unbind(on_flip=drawn)
    assert not talk.input.cursor_blink
    await robot.write(talk.input, "吗")
    assert talk.input.cursor_blink


async def test_an_own_message_and_its_ticks_cost_a_few_rows(
    robot: Any, me: Device, town: Town
) -> None:
    talk = await Talkers.friends(robot, me, town)
    await talk.while_away(many(talk, 0, 100))
    await talk.open()
    await robot.sees("第 99 句")
    await robot.calm()
    measured, built = talk.view.measured, talk.chat.reading.thread.built
    await talk.write_and_send("收到")
    await until(lambda: row(robot, "收到") and row(robot, "收到").tick == "received", "received")
    talk.bo.client.mark_read(talk.id, 10**6)
    await until(lambda: row(robot, "收到").tick == "read", "read")
    # Queued, stored, received and read, each one row.
    assert talk.view.measured - measured <= 8
    assert talk.chat.reading.thread.built - built <= 5


async def test_opening_and_scrolling_measure_only_what_comes_into_sight(
    robot: Any, me: Device, town: Town
) -> None:
    talk = await Talkers.friends(robot, me, town)
    await talk.while_away(many(talk, 0, 300))
    view = talk.view
    measured = view.measured
    robot.app.open_chat(talk.id)
    assert view.measured - measured <= 30
    await robot.calm()
    widgets, measured = view.made, view.measured
    for _ in range(10):
        view.scroll_by(-60)
        await robot.frames(1)
    assert view.measured - measured <= 30
    assert view.made - widgets <= 4
    measured = view.measured
    robot.app.preferences.scale = 1.15
    await robot.frames(3)
    assert view.measured - measured <= 45  # only those in sight, though every row changes
