"""How much is unread: in the window's title, on the launcher, and for the tray."""

import zlib
from datetime import UTC, datetime

from app.desktop.bus import Bus
from app.session import Session

LAUNCHER = "com.canonical.Unity.LauncherEntry"
PROGRAM = "application://hongyan.desktop"
MOST = 999


def unread(session: Session) -> int:
    """Returns how many messages wait in chats that are neither muted nor put away; a mark on a
    chat is one."""
    if not session.signed_in:
        return 0
    now, total = datetime.now(UTC), 0
    for it in session.client.known_conversations():
        until = it.settings.muted_until
        aside = it.request or it.settings.archived or it.settings.removed
        silent = aside or (until is not None and until > now)
        count = it.mention_count if silent else it.unread_count or int(it.settings.marked_unread)
        total += 0 if it.settings.removed else count
    return total


def title(name: str, count: int) -> str:
    """Returns the window's title."""
    return f"({min(count, MOST)}) {name}" if count else name


async def tell_launcher(bus: Bus, count: int) -> None:
    """Has the desktop's launcher show the number; those that know none ignore it."""
    path = f"/com/canonical/unity/launcherentry/{zlib.crc32(PROGRAM.encode())}"
    shown = {"count": ("x", count), "count-visible": ("b", count > 0)}
    await bus.emit(path, LAUNCHER, "Update", "sa{sv}", PROGRAM, shown)
