"""Hands events to any number of listeners, each with a queue of its own that has a bound."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Self

from hongyan_client.model import Event, Lagged

QUEUE_EVENTS = 10_000


class Listener(AsyncIterator[Event]):
    """One listener's queue, from the moment it was made.

    When it is full, all that is queued is replaced by one Lagged: never unbounded, and never
    a silent drop. The iteration ends when the client is closed or `close` is called.
    """

    def __init__(self, limit: int, leave: Callable[["Listener"], None]) -> None:
        self._limit = limit
        self._leave = leave
        self._queue: deque[Event] = deque()
        self._ready = asyncio.Event()
        self._missed = 0
        self._closed = False

    def put(self, event: Event) -> None:
        """Queues an event; never waits."""
        if len(self._queue) >= self._limit:
            dropped = len(self._queue)
            first = self._queue[0]
            self._missed = dropped + (first.missed - 1 if isinstance(first, Lagged) else 0)
            self._queue.clear()
            self._queue.append(Lagged(self._missed))
        self._queue.append(event)
        self._ready.set()

    async def __anext__(self) -> Event:
        while not self._queue:
            if self._closed:
                raise StopAsyncIteration
            self._ready.clear()
            await self._ready.wait()
        return self._queue.popleft()

    def close(self) -> None:
        """Ends the iteration after what is queued."""
        self._closed = True
        self._ready.set()
        self._leave(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Listeners:
    """All listeners of a client."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()

    def add(self, limit: int = QUEUE_EVENTS) -> Listener:
        """Makes a listener that gets every event from now on."""
        listener = Listener(limit, self._listeners.discard)
        self._listeners.add(listener)
        return listener

    def publish(self, event: Event) -> None:
        """Hands an event to every listener."""
        for listener in self._listeners:
            listener.put(event)

    def close(self) -> None:
        """Ends every listener's iteration."""
        for listener in list(self._listeners):
            listener.close()
