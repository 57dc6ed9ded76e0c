"""Waiting longer after each failure, with full jitter, so that a fleet does not return as one wave (D5)."""

from __future__ import annotations

from collections.abc import Callable


class Backoff:
    """`next()` is a delay in seconds, uniform in (0, min(cap, base·2ⁿ)]; `reset()` after a success.

    `random` gives floats in [0, 1); `floor` is obeyed as the least delay once (a `Retry-After`).
    """

    def __init__(self, base: float, cap: float, random: Callable[[], float]) -> None:
        if not 0 < base <= cap:
            raise ValueError("backoff needs 0 < base <= cap")
        self._base, self._cap, self._random = base, cap, random
        self._failures = 0

    @property
    def failures(self) -> int:
        """How many failures in a row so far."""
        return self._failures

    def next(self, floor: float = 0.0) -> float:
        ceiling = min(self._cap, self._base * 2.0 ** min(self._failures, 32))
        self._failures += 1
        return floor + ceiling * (1.0 - self._random())

    def reset(self) -> None:
        self._failures = 0
