"""How fast a backlog of samples and logs may go, so that a thousand hosts that come back together do not stop the manager.

A leaky bucket: it holds BURST records, and leaks `rate` of them a second. Reports go at once until it is full; then the
next waits until there is room for what was sent, by a random factor of 0.5 to 1.5, so that hosts that began together
part. With the default of 20 a second, a thousand hosts bring 20,000 records a second, and a day of samples (1440) goes
in about 70 seconds. In daily work (a sample a minute, a few log lines) the bucket is always empty.
"""

from __future__ import annotations

from collections.abc import Callable

BURST = 100


class Pace:
    """`rate` in records a second; `random` gives floats in [0, 1)."""

    def __init__(self, rate: float, monotonic: Callable[[], float], random: Callable[[], float]) -> None:
        self._rate, self._monotonic, self._random = rate, monotonic, random
        self._level = 0.0
        self._at = monotonic()

    def sent(self, records: int) -> float:
        """Call it after a report; gives the seconds to wait before the next."""
        now = self._monotonic()
        self._level = max(0.0, self._level - (now - self._at) * self._rate) + records
        self._at = now
        over = self._level - BURST
        return over / self._rate * (0.5 + self._random()) if over > 0 else 0.0
