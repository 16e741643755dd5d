"""The app in the tray of a Linux desktop: a StatusNotifierItem with a menu, by D-Bus alone.

https://www.freedesktop.org/wiki/Specifications/StatusNotifierItem/ and, for the menu,
com.canonical.dbusmenu as libdbusmenu documents it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.desktop import icon
from app.desktop.bus import BUS, Answer, Bus, BusError

WATCHER = "org.kde.StatusNotifierWatcher"
WATCHER_SERVICE = (WATCHER, "/StatusNotifierWatcher", WATCHER)
ITEM_PATH, ITEM = "/StatusNotifierItem", "org.kde.StatusNotifierItem"
MENU_PATH, MENU = "/MenuBar", "com.canonical.dbusmenu"
PROPERTIES = "org.freedesktop.DBus.Properties"
SIDES = (22, 24, 32, 48, 64)
ROOT = 0


@dataclass(frozen=True, slots=True)
class MenuItem:
    """A line of the tray's menu."""

    key: str
    text: str


class Tray:
    """Shows the app's icon with how much is unread, while the desktop has a place for it.

    `there` is told whether it has one; `chosen` gets "open" for a press, or the key of an item.
    """

    def __init__(
        self, bus: Bus, there: Callable[[bool], None], chosen: Callable[[str], None]
    ) -> None:
        self._bus = bus
        self._there = there
        self._chosen = chosen
        self._title = ""
        self._count = 0
        self._items: Sequence[MenuItem] = ()
        self._revision = 1
        self._changed = False

    async def start(self) -> None:
        """Offers the icon now, and each time that a tray appears."""
        self._bus.serve(ITEM_PATH, self._item)
        self._bus.serve(MENU_PATH, self._menu)
        try:
            await self._bus.listen(BUS[1], BUS[2], "NameOwnerChanged", self._owner, BUS[0])
            await self._bus.listen(
                WATCHER_SERVICE[1], WATCHER, "StatusNotifierHostRegistered", self._host, WATCHER
            )
        except BusError:
            return
        await self.offer()

    def _owner(self, values: tuple[Any, ...]) -> None:
        if values[0] == WATCHER:
            self._changed = True
            if not values[2]:
                self._there(False)

    def _host(self, _: tuple[Any, ...]) -> None:
        self._changed = True

    async def settle(self) -> None:
        """Offers the icon again if a tray has appeared since."""
        if self._changed:
            self._changed = False
            await self.offer()

    async def offer(self) -> None:
        """Registers the icon where a tray shows it."""
        try:
            if not await self._bus.owner(WATCHER):
                raise BusError("no tray")
            await self._bus.call(
                WATCHER_SERVICE, "RegisterStatusNotifierItem", "s", self._bus.unique_name
            )
            properties = (WATCHER, WATCHER_SERVICE[1], PROPERTIES)
            answer = await self._bus.call(
                properties, "Get", "ss", WATCHER, "IsStatusNotifierHostRegistered"
            )
        except BusError:
            self._there(False)
            return
        self._there(bool(answer[0][1]))

    async def show(self, title: str, count: int, items: Sequence[MenuItem]) -> None:
        """Says what it is called, how much is unread, and what its menu has."""
        if (title, count, items) == (self._title, self._count, self._items):
            return
        self._title, self._count, self._items = title, count, items
        self._revision += 1
        for signal in ("NewTitle", "NewIcon", "NewToolTip"):
            await self._bus.emit(ITEM_PATH, ITEM, signal)
        await self._bus.emit(MENU_PATH, MENU, "LayoutUpdated", "ui", self._revision, ROOT)

    # What the desktop asks of the icon

    def _item(self, interface: str, member: str, values: tuple[Any, ...]) -> Answer:
        if interface == PROPERTIES:
            return self._property(member, values, self._item_properties())
        if interface != ITEM:
            raise KeyError(interface)
        if member in ("Activate", "SecondaryActivate"):
            self._chosen("open")
        elif member not in ("ContextMenu", "Scroll"):
            raise KeyError(member)
        return "", ()

    def _item_properties(self) -> dict[str, tuple[str, Any]]:
        points = [(side, side, icon.argb(side, self._count)) for side in SIDES]
        return {
            "Category": ("s", "Communications"),
            "Id": ("s", "hongyan"),
            "Title": ("s", self._title),
            "Status": ("s", "Active"),
            "WindowId": ("i", 0),
            "IconName": ("s", ""),
            "IconPixmap": ("a(iiay)", points),
            "ToolTip": ("(sa(iiay)ss)", ("", [], self._title, "")),
            "ItemIsMenu": ("b", False),
            "Menu": ("o", MENU_PATH),
        }

    @staticmethod
    def _property(
        member: str, values: tuple[Any, ...], known: dict[str, tuple[str, Any]]
    ) -> Answer:
        """Answers Get and GetAll."""
        if member == "Get":
            return "v", (known[values[1]],)
        if member == "GetAll":
            return "a{sv}", (known,)
        raise KeyError(member)

    # What it asks of the menu

    def _menu(self, interface: str, member: str, values: tuple[Any, ...]) -> Answer:
        if interface == PROPERTIES:
            status = {
                "Version": ("u", 3),
                "Status": ("s", "normal"),
                "TextDirection": ("s", "ltr"),
                "IconThemePath": ("as", []),
            }
            return self._property(member, values, status)
        if interface != MENU:
            raise KeyError(interface)
        match member:
            case "GetLayout":
                return "u(ia{sv}av)", (self._revision, self._layout(values[0]))
            case "GetGroupProperties":
                wanted = values[0] or range(len(self._items) + 1)
                return "a(ia{sv})", ([(it, self._line(it)) for it in wanted],)
            case "GetProperty":
                return "v", (self._line(values[0])[values[1]],)
            case "Event":
                self._pressed(values[0], values[1])
                return "", ()
            case "EventGroup":
                for it in values[0]:
                    self._pressed(it[0], it[1])
                return "ai", ([],)
            case "AboutToShow":
                return "b", (False,)
            case "AboutToShowGroup":
                return "aiai", ([], [])
        raise KeyError(member)

    def _layout(self, parent: int) -> tuple[int, dict[str, tuple[str, Any]], list[Any]]:
        lines = range(1, len(self._items) + 1) if parent == ROOT else ()
        children: list[Any] = [("(ia{sv}av)", (it, self._line(it), [])) for it in lines]
        return parent, self._line(parent), children

    def _line(self, number: int) -> dict[str, tuple[str, Any]]:
        if number == ROOT:
            return {"children-display": ("s", "submenu")}
        return {"label": ("s", self._items[number - 1].text)}

    def _pressed(self, number: int, what: str) -> None:
        if what == "clicked" and 0 < number <= len(self._items):
            self._chosen(self._items[number - 1].key)
