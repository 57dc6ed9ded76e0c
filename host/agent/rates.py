"""Token buckets: how many requests are answered, so that a flood costs little and keeps nobody out.

Requests without a signature share one bucket, and each address has one of its own; every connection has one for its genuine
requests. So what strangers do never takes from what the daemon may: its requests are signed, and its connection is its own.
"""

from __future__ import annotations

from collections.abc import Callable

MOST_ADDRESSES = 1000
SHARE = 0.5
"""What one address may use of the rate for unsigned requests."""


class Bucket:
    """`rate` a second, `burst` at once."""

    def __init__(self, rate: float, burst: float, monotonic: Callable[[], float]) -> None:
        self._rate, self._burst, self._monotonic = rate, max(1.0, burst), monotonic
        self._tokens, self._at = self._burst, monotonic()

    def take(self) -> float:
        """0 when one was left and is taken; else the seconds until there is one."""
        now = self._monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._rate


class Rates:
    """`unsigned` and `signed` are requests a second; twice as many may come at once. `unsigned` is for all callers together."""

    def __init__(self, unsigned: float, signed: float, monotonic: Callable[[], float]) -> None:
        self._unsigned, self._signed, self._monotonic = unsigned, signed, monotonic
        self._all = Bucket(unsigned, 2 * unsigned, monotonic)
        self._of_address: dict[str, Bucket] = {}

    def stranger(self, address: str) -> float:
        """A request that proves nothing: seconds to wait, 0 for none."""
        bucket = self._of_address.pop(address, None) or Bucket(SHARE * self._unsigned, self._unsigned, self._monotonic)
        self._of_address[address] = bucket  # the latest last
        if len(self._of_address) > MOST_ADDRESSES:
            del self._of_address[next(iter(self._of_address))]
        return bucket.take() or self._all.take()

    def connection(self) -> Bucket:
        """The bucket for the genuine requests of one connection."""
        return Bucket(self._signed, 2 * self._signed, self._monotonic)
