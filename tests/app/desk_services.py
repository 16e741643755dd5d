"""What a desktop has beside the app, on a bus: notifications that are noted, and a tray."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from jeepney import (
    DBusAddress,
    HeaderFields,
    MessageType,
    new_method_call,
    new_method_return,
    new_signal,
)
from jeepney.io.asyncio import DBusConnection, open_dbus_connection

NOTES, NOTES_PATH = "org.freedesktop.Notifications", "/org/freedesktop/Notifications"
WATCHER, WATCHER_PATH = "org.kde.StatusNotifierWatcher", "/StatusNotifierWatcher"
PROPERTIES = "org.freedesktop.DBus.Properties"
ITEM, ITEM_PATH = "org.kde.StatusNotifierItem", "/StatusNotifierItem"
MENU, MENU_PATH = "com.canonical.dbusmenu", "/MenuBar"
BUS = DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus")


@dataclass
class Note:
    """One notification as it came."""

    number: int
    replaces: int
    title: str
    text: str
    actions: list[str]
    hints: dict[str, Any]


@dataclass
class DeskServices:
    """A service of notifications, a tray, and an ear for the launcher's signal."""

    address: str
    notes: list[Note] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    signals: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    async def __aenter__(self) -> "DeskServices":
        self._connection: DBusConnection = await open_dbus_connection(self.address)
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._task = asyncio.create_task(self._serve())
        for name in (NOTES, WATCHER):
            assert (await self.call(BUS, "RequestName", "su", name, 4))[0] == 1
        await self.call(BUS, "AddMatch", "s", "type='signal'")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._connection.close()

    async def call(self, target: DBusAddress, method: str, signature: str = "", *body: Any) -> Any:
        """Calls a method of the app, or of the bus."""
        serial = next(self._connection.outgoing_serial)
        reply = self._replies[serial] = asyncio.get_running_loop().create_future()
        message = new_method_call(target, method, signature or None, body)
        await self._connection.send(message, serial=serial)
        async with asyncio.timeout(10):
            answer = await reply
        assert answer.header.message_type is MessageType.method_return, answer.body
        return answer.body

    async def click(self, note: Note) -> None:
        """Presses a notification."""
        await self._emit("ActionInvoked", "us", note.number, "default")

    async def _emit(self, signal: str, signature: str, *body: Any) -> None:
        await self._connection.send(
            new_signal(DBusAddress(NOTES_PATH, interface=NOTES), signal, signature, body)
        )

    def item(self, interface: str = ITEM, path: str = ITEM_PATH) -> DBusAddress:
        """Returns where the app's icon in the tray is."""
        return DBusAddress(path, self.items[-1], interface)

    async def _serve(self) -> None:
        while True:
            message = await self._connection.receive()
            fields = message.header.fields
            if message.header.message_type in (MessageType.method_return, MessageType.error):
                reply = self._replies.pop(fields[HeaderFields.reply_serial], None)
                if reply and not reply.done():
                    reply.set_result(message)
            elif message.header.message_type is MessageType.signal:
                self.signals.append((fields[HeaderFields.member], message.body))
            else:
                signature, body = self._answer(fields[HeaderFields.member], message.body)
                await self._connection.send(new_method_return(message, signature or None, body))

    def _answer(self, method: str, body: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
        match method:
            case "GetCapabilities":
                return "as", (["actions", "body", "body-markup"],)
            case "Notify":
                number = body[1] or len(self.notes) + 1
                self.notes.append(Note(number, body[1], body[3], body[4], body[5], body[6]))
                return "u", (number,)
            case "CloseNotification":
                self.closed.append(body[0])
                return "", ()
            case "RegisterStatusNotifierItem":
                self.items.append(body[0])
                return "", ()
            case "Get":
                return "v", (("b", True),)
        return "", ()
