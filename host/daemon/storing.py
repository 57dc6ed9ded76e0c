"""The daemon's own records on their way into the outbox, also while its disk takes nothing (full, read-only).

`put` never raises: what cannot be written is held in memory, in order, and written with the next record for which the
disk has room. Past HELD_RECORDS or HELD_BYTES the oldest samples and log lines go first; they are counted, and become an
exact tombstone. The agent's records do not come this way: the agent keeps its own until they are on disk.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import deque
from typing import Any

from host.daemon.outbox import Outbox
from host.wire import codec
from host.wire.records import BULK, LANE_OF

log = logging.getLogger("daemon.storing")

HELD_RECORDS, HELD_BYTES = 300, 512 * 1024
WHY = "the disk took nothing"


class Store:
    """All methods may be called by any thread."""

    def __init__(self, outbox: Outbox, records: int = HELD_RECORDS, size: int = HELD_BYTES) -> None:
        self._outbox, self._most_records, self._most_bytes = outbox, records, size
        self._lock = threading.RLock()  # again by the same thread, when what fails is logged
        self._held: deque[tuple[str, int, Any, int]] = deque()
        self._lost: dict[str, int] = {}
        self.problem = ""

    @property
    def held(self) -> int:
        """How many records wait in memory for the disk."""
        return len(self._held)

    def put(self, kind: str, at: int, body: Any) -> None:
        """Stores a record behind those that are held; see the head of this module."""
        with self._lock:
            before = self.problem
            if not self._held:
                try:
                    self._outbox.append(kind, at, body)
                    return
                except (sqlite3.Error, OSError) as problem:
                    self.problem = str(problem)
            self._hold(kind, at, body)
            self._flush(at)
        if self.problem and not before:
            log.error(
                "D1001 the outbox cannot be written (%s); records are held in memory — make room on the disk of work_dir", self.problem
            )
        elif before and not self.problem:
            log.warning("the outbox can be written again")

    def flush(self, now: int) -> None:
        """Tries once more to write what is held."""
        with self._lock:
            self._flush(now)

    def _hold(self, kind: str, at: int, body: Any) -> None:
        self._held.append((kind, at, codec.plain(body), len(codec.dumps(body))))
        while len(self._held) > self._most_records or sum(item[3] for item in self._held) > self._most_bytes:
            victim = next((item for item in self._held if LANE_OF[item[0]] == BULK), self._held[0])
            self._held.remove(victim)
            lane = LANE_OF[victim[0]]
            self._lost[lane] = self._lost.get(lane, 0) + 1

    def _flush(self, now: int) -> None:
        try:
            for lane, count in list(self._lost.items()):
                self._outbox.admit_unwritten(lane, count, now, WHY)
                del self._lost[lane]
            while self._held:
                kind, at, body, _ = self._held[0]
                self._outbox.append(kind, at, body)
                self._held.popleft()
            self.problem = ""
        except (sqlite3.Error, OSError) as problem:
            self.problem = str(problem)
