"""Time as an argument: everything that asks for the time is given a Clock, so tests can simulate days."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    def now(self) -> int:
        """Wall time, UTC milliseconds. May jump."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go backwards, for waits and rates."""
        ...


class SystemClock:
    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()
