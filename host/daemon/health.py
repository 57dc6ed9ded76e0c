"""How it stands with the daemon itself, told as `health` records: at the start, when the link changes, and regularly."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import psutil

from host.lib.clock import Clock
from host.wire.records import Health


class HealthTelling:
    """`status()` is the daemon's status object; `emit` writes a record; `interval` in seconds."""

    def __init__(self, status: Callable[[], dict[str, Any]], clock: Clock, interval: float, emit: Callable[[str, Any], None]) -> None:
        self._status, self._clock, self._interval, self._emit = status, clock, interval, emit
        self._process = psutil.Process(os.getpid())
        self._used: tuple[float, float] | None = None

    def step(self) -> float:
        """Tells it; gives the seconds until the next time."""
        times, at = self._process.cpu_times(), self._clock.monotonic()
        before, self._used = self._used, (at, times.user + times.system)
        share = round(100 * (self._used[1] - before[1]) / (at - before[0]), 2) if before and at - before[0] >= 1 else None
        self._emit("health", of(self._status(), self._process.memory_info().rss, share))
        return self._interval


def of(status: dict[str, Any], memory: int | None, share: float | None) -> Health:
    """The status object as the manager is told."""
    manager, outbox = status["manager"], status["outbox"]
    problems = status["problems"]
    return Health(
        started=status["started"],
        address=str(manager["address"]),
        outbox_records=outbox["urgent"] + outbox["bulk"],
        outbox_bytes=outbox["urgent_bytes"] + outbox["bulk_bytes"],
        outbox_oldest=outbox["oldest"],
        dropped=outbox["dropped"],
        link_failures=int(manager.get("failures", 0)),
        last_problem=str(manager.get("problem") or (problems[-1][2] if problems else "")),
        clock_ahead_ms=int(manager.get("clock_ahead_ms", 0)),
        certificate_not_after=manager.get("certificate_not_after"),
        configuration=status["configuration"]["hash"],
        log_level=status["log_level"],
        memory_bytes=memory,
        cpu_percent=share,
        plugins=status.get("plugins", {}),
        failing_collectors=status["failing_collectors"],
    )
