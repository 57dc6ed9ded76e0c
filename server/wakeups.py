"""Wakes: hints that something may have changed, never the news itself. Who is woken looks into the database.

A lost or late wake costs time, never a command: every wait has an end, and the look comes before each wait.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from types import TracebackType


class Bell:
    """One listener's bell. Made before looking, so that a wake between look and wait is not lost."""

    def __init__(self, wakeups: Wakeups, topic: str) -> None:
        self._wakeups, self._topic = wakeups, topic
        self._event = asyncio.Event()

    def __enter__(self) -> Bell:
        self._wakeups._listeners[self._topic].add(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        listeners = self._wakeups._listeners[self._topic]
        listeners.discard(self)
        if not listeners:
            del self._wakeups._listeners[self._topic]

    async def wait(self, seconds: float) -> bool:
        """Until woken (True), or until `seconds` have passed or the manager stops (False)."""
        if self._wakeups.stopping:
            return False
        try:
            await asyncio.wait_for(self._event.wait(), max(seconds, 0.0))
        except asyncio.TimeoutError:
            return False
        self._event.clear()
        return not self._wakeups.stopping

    def ring(self) -> None:
        self._event.set()


class Wakeups:
    """Topics are `node:<id>` (its mailbox) and `execution:<id>` (its output and state)."""

    def __init__(self) -> None:
        self._listeners: defaultdict[str, set[Bell]] = defaultdict(set)
        self.stopping = False

    def listen(self, topic: str) -> Bell:
        return Bell(self, topic)

    def wake(self, topic: str) -> None:
        for bell in tuple(self._listeners.get(topic, ())):
            bell.ring()

    def topics(self) -> frozenset[str]:
        """Topics that somebody waits for now."""
        return frozenset(self._listeners)

    def stop(self) -> None:
        """Release everybody: the manager is about to end."""
        self.stopping = True
        for listeners in list(self._listeners.values()):
            for bell in listeners:
                bell.ring()


def node(node_id: str) -> str:
    return f"node:{node_id}"


def execution(command_id: str) -> str:
    return f"execution:{command_id}"
