"""When a disk is full, by a line that single outliers do not bend (Theil–Sen: the median of all slopes)."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

ENOUGH_POINTS = 8
ENOUGH_MS = 3_600_000
MOST_POINTS = 24
LEAST_RISE = 0.05
"""Percent over the whole stretch: less is rounding, not a trend."""

NEVER_HOURS = 1e6


def hours_until_full(points: Sequence[tuple[int, float]], full: float = 100.0) -> float | None:
    """Hours from the last of `points` (ms, percent; ascending) until the line through them reaches `full`.

    NEVER_HOURS when it does not rise; None when there are too few points, or too short a stretch of them, to say anything.
    """
    if len(points) < ENOUGH_POINTS or points[-1][0] - points[0][0] < ENOUGH_MS:
        return None
    points = _thinned(points)
    if points[-1][1] >= full:
        return 0.0
    if max(value for _, value in points) - min(value for _, value in points) < LEAST_RISE:
        return NEVER_HOURS
    slopes = [(after - before) / (then - at) for i, (at, before) in enumerate(points) for then, after in points[i + 1 :] if then > at]
    slope = median(slopes)
    stretch = points[-1][0] - points[0][0]
    if slope * stretch < LEAST_RISE:
        return NEVER_HOURS
    end = points[-1][0]
    level = median(value + slope * (end - at) for at, value in points)
    return min(max(full - level, 0.0) / slope / 3_600_000, NEVER_HOURS)


def _thinned(points: Sequence[tuple[int, float]]) -> Sequence[tuple[int, float]]:
    """At most MOST_POINTS of them, evenly, the last among them."""
    every = -(-len(points) // MOST_POINTS)
    return points if every == 1 else list(reversed(points[::-1][::every]))
