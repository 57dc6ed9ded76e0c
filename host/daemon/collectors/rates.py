"""Rates from counters: bytes a second between two readings."""

from __future__ import annotations


def rate(now: int, before: int | None, elapsed: float) -> float | None:
    """None when there is no earlier reading, no time between, or the counter went backwards (a device
    that was exchanged, a wrap at 32 bits): a gap on a chart is honest, a spike is not."""
    if before is None or elapsed <= 0 or now < before:
        return None
    return round((now - before) / elapsed, 1)
