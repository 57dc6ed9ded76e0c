"""Storms: one rule opening on many nodes at once is told of once, with their number; each alert is recorded all the same."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

SPAN_MS = 60_000


@dataclass(frozen=True)
class Storm:
    """`last_at`: when an alert last joined it; `alerts` how many have, `told` how many were named when it was last told of."""

    id: str
    last_at: int
    alerts: int
    told: int


def joins(storm: Storm | None, opening: Collection[str], recent: Collection[str], now: int, most: int) -> bool:
    """Whether the nodes `opening` now are a storm's, given the nodes that opened in the last SPAN_MS. `most` nodes are none yet."""
    if storm is not None and now - storm.last_at <= SPAN_MS:
        return True
    return len({*opening, *recent}) > most


def over(storm: Storm, now: int) -> bool:
    """No alert has joined it for SPAN_MS."""
    return now - storm.last_at > SPAN_MS
