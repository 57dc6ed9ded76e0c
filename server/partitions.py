"""Day partitions of the large tables on MySQL: which there are to be. No I/O in here.

A partition holds the samples of one day (UTC) and is named after it; `rest` holds whatever lies past the last of them, so that a
sample never lacks a place. What is past its days is dropped as a whole partition, which costs nothing, where DELETE would cost hours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone

DAY_MS = 86_400_000
TABLES = ("node_metrics", "node_plugin_metrics")
REST = "rest"
BACK, AHEAD = 31, 7
"""Days: made for the rows that a migration finds, and made ahead. A manager that rests longer than that lets `rest` fill for a moment."""

_NAME = re.compile(r"d(\d{8})")


def end_of(name: str) -> int | None:
    """The first ms past that partition; None for `rest` and for what was not made here."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    day = datetime.strptime(match[1], "%Y%m%d").replace(tzinfo=timezone.utc)
    return int(day.timestamp() * 1000) + DAY_MS


def made_by_migration(now: int) -> str:
    """The list for `PARTITION BY RANGE (at) (…)`: the first takes every older row too."""
    today = now // DAY_MS
    return ", ".join([*(_day(day) for day in range(today - BACK, today + AHEAD + 1)), _rest()])


def ahead(table: str, names: Sequence[str], now: int) -> str | None:
    """The statement that makes the days that are missing; None when all are there."""
    ends = [end for name in names if (end := end_of(name)) is not None]
    today = now // DAY_MS
    # Ranges only grow: what lies before the last partition has its place already.
    first = max([today, *(end // DAY_MS for end in ends)])
    missing = [_day(day) for day in range(first, today + AHEAD + 1)]
    if not missing:
        return None
    return f"ALTER TABLE {table} REORGANIZE PARTITION {REST} INTO ({', '.join([*missing, _rest()])})"


def past(names: Sequence[str], before: int) -> list[str]:
    """Partitions that hold nothing from `before` on."""
    return [name for name in names if (end := end_of(name)) is not None and end <= before]


def drop(table: str, names: Sequence[str]) -> str:
    return f"ALTER TABLE {table} DROP PARTITION {', '.join(names)}"


def _day(day: int) -> str:
    name = datetime.fromtimestamp(day * 86_400, timezone.utc).strftime("%Y%m%d")
    return f"PARTITION d{name} VALUES LESS THAN ({(day + 1) * DAY_MS})"


def _rest() -> str:
    return f"PARTITION {REST} VALUES LESS THAN MAXVALUE"
