"""What a phone does otherwise: its folders, certificates, the edges of its screen, going back.

Everything here can be imported and called anywhere; on a desktop there is nothing to do. What
is for a phone has been read against python-for-android 2026.5.9, kivy-ios 2025.5.17 and
Android's documentation; no phone has run it yet.
"""

import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import certifi
from kivy.clock import Clock
from kivy.utils import platform

Edges = tuple[float, float, float, float]
"""What covers the window, in pixels: at the top, right, bottom and left."""

NONE: Edges = (0.0, 0.0, 0.0, 0.0)
# Android says nothing when its keyboard comes; so often the edges are read instead.
WATCH_SECONDS = 0.1
# From Android 11 on there are insets of the keyboard, and a window may lie under the bars.
EDGE_TO_EDGE_API = 30
ADJUST_RESIZE = 0x10


def is_phone() -> bool:
    """Says whether this is a phone or a tablet."""
    return platform in ("android", "ios")


def settle() -> None:
    """Makes this device a place for the app; it comes first, before anything asks for a folder."""
    if platform == "android":
        _settle_folders()
        _settle_window()
    if platform != "win":
        _settle_certificates()


def insets() -> Edges:
    """Returns what bars, notch and keyboard cover: top, right, bottom, left, in pixels."""
    if platform == "android":
        return _android_insets()
    if platform == "ios":
        return _ios_insets()
    return NONE


def watch(changed: Callable[[Edges], None]) -> None:
    """Calls with the insets now, and on a phone each time that they change."""
    last = insets()
    changed(last)
    if not is_phone():
        return

    def look(_: float) -> None:
        nonlocal last
        if (found := insets()) != last:
            last = found
            changed(found)

    Clock.schedule_interval(look, WATCH_SECONDS)


def leave() -> bool:
    """Leaves the app for the one before, as the back button does where nothing is left to close.

    Returns False where a device has no such thing. The app goes on in the background.
    """
    return platform == "android" and bool(_activity().moveTaskToBack(True))


def _settle_folders() -> None:
    """Names the app's own folder: Android has no home, and lets an app write nowhere else."""
    from android.storage import app_storage_path  # noqa: PLC0415 - exists on Android only

    folder = Path(app_storage_path())
    os.environ.setdefault("HOME", str(folder))
    os.environ["XDG_DATA_HOME"] = str(folder)
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")


def _settle_certificates() -> None:
    """Trusts whom certifi trusts where the system's own certificates are not found.

    A phone's are in no file that OpenSSL reads, and a bundle looks where its builder had them.
    """
    paths = ssl.get_default_verify_paths()
    if not paths.cafile and not (paths.capath and any(Path(paths.capath).iterdir())):
        os.environ["SSL_CERT_FILE"] = certifi.where()


def _settle_window() -> None:
    """Takes the whole screen, and hears of the keyboard by its inset.

    Android 15 does the first by itself for an app that is made for it; done on every version
    that can, there is one way to lay the window out. An older Android keeps the window off its
    bars and makes it smaller for the keyboard.
    """
    from android.runnable import run_on_ui_thread  # noqa: PLC0415 - exists on Android only

    @run_on_ui_thread
    def lay_out() -> None:
        window = _activity().getWindow()
        window.setSoftInputMode(ADJUST_RESIZE)
        if _api() >= EDGE_TO_EDGE_API:
            window.setDecorFitsSystemWindows(False)

    lay_out()


def _android_insets() -> Edges:
    if _api() < EDGE_TO_EDGE_API:
        return NONE
    found = _activity().getWindow().getDecorView().getRootWindowInsets()
    if found is None:  # the window is not on the screen yet
        return NONE
    kind = _java("android.view.WindowInsets$Type")
    edges = found.getInsets(kind.systemBars() | kind.displayCutout() | kind.ime())
    return float(edges.top), float(edges.right), float(edges.bottom), float(edges.left)


def _ios_insets() -> Edges:
    import ios  # noqa: PLC0415 - exists on iOS only

    area, scale = ios.get_safe_area(), ios.get_scale()
    top, right, bottom, left = (area[it] * scale for it in ("top", "right", "bottom", "left"))
    return top, right, max(bottom, float(ios.get_kheight())), left


def _activity() -> Any:
    return _java("org.kivy.android.PythonActivity").mActivity


def _api() -> int:
    return int(_java("android.os.Build$VERSION").SDK_INT)


def _java(name: str) -> Any:
    """Returns a class of Java's."""
    from jnius import autoclass  # noqa: PLC0415 - exists on Android only

    return autoclass(name)
