"""Ranges of time for charts: their names, and how much time one point of a series stands for (M2).

A step is a multiple of a tier that is still kept where the range begins: of what has no samples any more there are roll-ups.
"""

from __future__ import annotations

from server.config import Config
from server.service.rollups import COARSE, DAY_MS, FINE, HOUR_MS, MINUTE_MS

RANGES = {
    "15m": 15 * MINUTE_MS,
    "1h": HOUR_MS,
    "6h": 6 * HOUR_MS,
    "24h": DAY_MS,
    "7d": 7 * DAY_MS,
    "30d": 30 * DAY_MS,
    "90d": 90 * DAY_MS,
    "1y": 365 * DAY_MS,
}
"""Name → ms back from now."""

STEPS = (1, *(n * MINUTE_MS for n in (1, 2, 5, 10, 30)), *(n * HOUR_MS for n in (1, 2, 6, 12, 24, 48, 96)))
POINTS = 366
EVERY_SAMPLE_MS = 2 * HOUR_MS
"""Up to so long a range is shown by every sample."""


def kept_since(now: int, config: Config, step: int = COARSE) -> int:
    """From when on (UTC ms) there is something with that step, 1 for samples."""
    days = config.metrics_days if step < FINE else config.rollup_days if step < COARSE else config.rollup_hour_days
    return now - max(days, config.metrics_days) * DAY_MS


def least_step(since: int, now: int, config: Config) -> int:
    """The finest that is kept for all of a range: 1 (samples), FINE or COARSE."""
    return next((tier for tier in (1, FINE) if since >= kept_since(now, config, tier)), COARSE)


def step_of(since: int, until: int, now: int, config: Config) -> int:
    """For a chart: at most some POINTS points, of every sample (1) where that is few, else of whole spans of STEPS."""
    span, least = until - since, least_step(since, now, config)
    if span <= EVERY_SAMPLE_MS and least == 1:
        return 1
    return next((step for step in STEPS if step > 1 and step % least == 0 and span <= step * POINTS), STEPS[-1])
