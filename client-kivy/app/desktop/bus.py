"""One connection to a Linux desktop's session bus: calls, signals, and objects that others call."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

log = logging.getLogger("hongyan_app")
CALL_SECONDS = 5.0
BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
UNKNOWN = "org.freedesktop.DBus.Error.UnknownMethod"

Answer = tuple[str, tuple[Any, ...]]
"""The signature and the values of an answer."""
Handler = Callable[[str, str, tuple[Any, ...]], Answer]
"""Called with interface, method and values; raises KeyError for what there is not."""
Heard = Callable[[tuple[Any, ...]], None]


class BusError(Exception):
    """A call was not answered, or with an error."""


def address() -> str:
    """Returns where the session bus is; "" when this system has none."""
    if named := os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return named
    usual = Path(os.environ.get("XDG_RUNTIME_DIR") or "/nonexistent") / "bus"
    return f"unix:path={usual}" if usual.exists() else ""


async def connect() -> "Bus | None":
    """Returns a connection; None where there is no session bus."""
    if not (where := address()):
        return None
    try:
        from jeepney.io.asyncio import open_dbus_connection  # noqa: PLC0415 - Linux only

        async with asyncio.timeout(CALL_SECONDS):
            return Bus(await open_dbus_connection(where))
    except (ImportError, OSError, EOFError, RuntimeError, ValueError, TimeoutError) as error:
        log.info("no session bus: %s", error)
        return None


class Bus:
    """The connection. `run` must run while it is used; it ends when the bus goes."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._objects: dict[str, Handler] = {}
        self._heard: list[tuple[str, str, str, Heard]] = []

    @property
    def unique_name(self) -> str:
        """What the bus calls this connection."""
        return str(self._connection.unique_name)

    async def run(self) -> None:
        """Takes what comes until the bus is gone."""
        try:
            while True:
                await self._take(await self._connection.receive())
        except (EOFError, OSError) as error:
            log.info("the session bus is gone: %s", error)
        finally:
            for reply in self._replies.values():
                if not reply.done():
                    reply.set_exception(BusError("the bus is gone"))
            with contextlib.suppress(OSError):
                await self._connection.close()

    async def call(
        self, service: tuple[str, str, str], method: str, signature: str = "", *values: Any
    ) -> tuple[Any, ...]:
        """Calls a method of a (name, path, interface), and returns what it answers.

        Raises BusError.
        """
        from jeepney import DBusAddress, MessageType, new_method_call  # noqa: PLC0415

        name, path, interface = service
        target = DBusAddress(path, name, interface)
        message = new_method_call(target, method, signature or None, values)
        serial = next(self._connection.outgoing_serial)
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._replies[serial] = reply
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self._connection.send(message, serial=serial)
                answer = await reply
        except (TimeoutError, OSError) as error:
            raise BusError(f"{method}: no answer") from error
        finally:
            del self._replies[serial]
        if answer.header.message_type is MessageType.error:
            raise BusError(f"{method}: {answer.body}")
        return tuple(answer.body)

    async def emit(
        self, path: str, interface: str, signal: str, signature: str = "", *values: Any
    ) -> None:
        """Tells everybody who listens; a bus that is gone hears nothing."""
        from jeepney import DBusAddress, new_signal  # noqa: PLC0415

        message = new_signal(
            DBusAddress(path, interface=interface), signal, signature or None, values
        )
        with contextlib.suppress(OSError):
            await self._connection.send(message)

    def serve(self, path: str, handler: Handler) -> None:
        """Answers calls to an object."""
        self._objects[path] = handler

    async def listen(
        self, path: str, interface: str, signal: str, heard: Heard, sender: str = ""
    ) -> None:
        """Has a function called with the values of a signal."""
        self._heard.append((path, interface, signal, heard))
        rule = f"type='signal',path='{path}',interface='{interface}',member='{signal}'"
        if sender:
            rule += f",sender='{sender}'"
        await self.call(BUS, "AddMatch", "s", rule)

    async def owner(self, name: str) -> str:
        """Returns who has a name; "" when nobody has."""
        try:
            return str((await self.call(BUS, "GetNameOwner", "s", name))[0])
        except BusError:
            return ""

    async def _take(self, message: Any) -> None:
        from jeepney import HeaderFields, MessageType  # noqa: PLC0415

        fields = message.header.fields
        kind = message.header.message_type
        if kind in (MessageType.method_return, MessageType.error):
            reply = self._replies.get(fields.get(HeaderFields.reply_serial, -1))
            if reply and not reply.done():
                reply.set_result(message)
            return
        path, member = fields.get(HeaderFields.path, ""), fields.get(HeaderFields.member, "")
        interface = fields.get(HeaderFields.interface, "")
        if kind is MessageType.signal:
            for it in self._heard:
                if it[:3] == (path, interface, member):
                    it[3](tuple(message.body))
        elif kind is MessageType.method_call:
            await self._answer(message, path, interface, member)

    async def _answer(self, message: Any, path: str, interface: str, member: str) -> None:
        from jeepney import MessageFlag, new_error, new_method_return  # noqa: PLC0415

        try:
            signature, values = self._objects[path](interface, member, tuple(message.body))
            reply = new_method_return(message, signature or None, values)
        except KeyError:
            reply = new_error(message, UNKNOWN, "s", (f"no {interface}.{member} at {path}",))
        if not message.header.flags & MessageFlag.no_reply_expected:
            await self._connection.send(reply)
