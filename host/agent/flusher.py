"""Stores what several sources have gathered, in one commit for all, at most `interval` seconds after it came.

Ten tasks that print at once cost one commit, not ten. When the disk will not take it, everything stays
with its source and is tried again: a full source stops reading, so memory stays bounded and nothing is lost.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from typing import Protocol

from host.agent.ledger import Row

log = logging.getLogger("agent.flusher")
RETRY_S = 1.0


class Source(Protocol):
    """`rows` gives what is to be stored, again and again until `saved` is called."""

    def rows(self) -> list[Row]: ...

    def saved(self) -> None: ...


class Flusher:
    """`store(rows)` is durable when it returns and raises sqlite3.Error otherwise. Used by the loop's thread only."""

    def __init__(self, store: Callable[[list[Row]], None], interval: float) -> None:
        self._store, self._interval = store, interval
        self._dirty: dict[Source, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._failed = False

    def dirty(self, source: Source) -> None:
        """`source` has something."""
        self._dirty[source] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._interval, self.flush)

    def forget(self, source: Source) -> None:
        """`source` is stored by somebody else from now on."""
        self._dirty.pop(source, None)

    def flush(self) -> None:
        """Store now what there is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        sources = list(self._dirty)
        rows = [row for source in sources for row in source.rows()]
        try:
            if rows:
                self._store(rows)
        except sqlite3.Error as problem:
            self._timer = asyncio.get_running_loop().call_later(RETRY_S, self.flush)
            if not self._failed:
                self._failed = True
                log.error("output cannot be stored, trying again: %s", problem)
            return
        self._failed = False
        self._dirty = {}
        for source in sources:
            source.saved()
