"""One worker of the outbox as a process of its own, to be killed; settings are HONGYAN_*.

The argument is by how many seconds its clock is ahead.
"""

import asyncio
import sys
import time
from collections.abc import Collection

from services.chat.notifications import Notifications
from services.chat.settings import Settings
from services.common.database import Database


async def nobody(_: Collection[str]) -> set[str]:
    """Who is a bot, where all are persons."""
    return set()


async def main(ahead: float) -> None:
    settings = Settings()
    database = Database(settings.database_url.get_secret_value(), settings.database_pool)
    notifications = Notifications(
        settings,
        database,
        now=lambda: time.time_ns() // 1000 + round(ahead * 1_000_000),
        find_bots=nobody,
    )
    await notifications.notifier.run()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
