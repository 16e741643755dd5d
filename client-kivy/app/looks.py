"""Keeps theme and words as the preferences say, and as the system does when they follow it."""

import asyncio
import logging
from typing import Any

from app.preferences import Preferences
from app.strings import Words, system_language

try:
    import darkdetect
except ImportError:  # a phone
    darkdetect = None

log = logging.getLogger("hongyan_app")
# The desktops have no one way to tell of a change that works in all of them.
ASK_SECONDS = 5.0


class Looks:
    """Applies the choices at once; asks the system now and then."""

    def __init__(self, preferences: Preferences, theme: Any, words: Words) -> None:
        self._preferences = preferences
        self._theme = theme
        self._words = words
        self._system_dark = system_is_dark()
        preferences.bind(looks=self._apply, language=self._apply, scale=self._apply)
        self._apply()

    def _apply(self, *_: Any) -> None:
        chosen = self._preferences
        dark = self._system_dark if chosen.looks == "system" else chosen.looks == "dark"
        self._theme.dark = dark
        self._theme.scale = chosen.scale
        follows = chosen.language == "system"
        self._words.language = system_language() if follows else chosen.language

    async def follow(self) -> None:
        """Follows the system until it is cancelled."""
        while darkdetect is not None:
            await asyncio.sleep(ASK_SECONDS)
            if self._preferences.looks == "system":
                self._system_dark = await asyncio.to_thread(system_is_dark)
                self._apply()


def system_is_dark() -> bool:
    """Says whether the system is set to dark; False when it does not tell."""
    if darkdetect is None:
        return False
    try:
        return bool(darkdetect.isDark())
    except OSError as error:
        log.debug("the system does not say whether it is dark: %s", error)
        return False
