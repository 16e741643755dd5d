"""What the app is on a desktop: notices, tray, one window a profile, keyring, several accounts."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from kivy.event import EventDispatcher
from kivy.properties import BooleanProperty

from hongyan_client.tokens import TokenFile, TokenStore


class Desktop(EventDispatcher):
    """Holds what belongs to the process rather than to an account, and ends it with the app."""

    notifies = BooleanProperty(False)
    tray_there = BooleanProperty(False)

    def __init__(self, app: Any, home: Path) -> None:
        super().__init__()
        self._app = app
        self._home = home
        self.tokens: TokenStore = TokenFile(home / "tokens.json")
        self._tasks: set[asyncio.Task[Any]] = set()

    async def prepare(self) -> None:
        """Does what must be done before there is a window."""

    def start(self) -> None:
        """Begins what goes on while the app runs."""
        self._run(self._app.looks.follow())

    async def stop(self) -> None:
        """Ends it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _run(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def test_notification(self) -> bool:
        return False

    def switch(self, home: Path) -> None:
        """Becomes the account of another profile."""
        self._run(self._switch(home))

    async def _switch(self, home: Path) -> None:
        self.tokens = TokenFile(home / "tokens.json")
        await self._app.session.switch(home, self.tokens)
        self._app.preferences.move(home / "preferences.json")
