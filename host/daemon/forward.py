"""The daemon's own warnings and errors as `log` records (D14), at most so many a minute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from host.lib.clock import Clock
from host.wire.records import Log

PER_MINUTE = 60


class LogForward:
    """For `host.lib.logs.Forward`: `append(kind, at, body)` writes a record. Past the limit lines are counted, and the count is told."""

    def __init__(self, append: Callable[[str, int, Any], Any], clock: Clock) -> None:
        self._append, self._clock = append, clock
        self._minute = 0.0
        self._count = 0

    def __call__(self, level: str, logger: str, message: str, at: int) -> None:
        now = self._clock.monotonic()
        if now - self._minute >= 60:
            left_out = self._count - PER_MINUTE
            self._minute, self._count = now, 0
            if left_out > 0:
                self._append("log", at, Log("daemon", "warning", "daemon.forward", f"{left_out} more lines of the log were not forwarded"))
        self._count += 1
        if self._count <= PER_MINUTE:
            self._append("log", at, Log("daemon", level, logger, message))
