"""What every benchmark prints: a table for people, and as its last line one JSON object for programs."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.stack import Stack, whole


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value with at least `share` (0–1) of the values at or below it."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, -(-len(ordered) * int(share * 1000) // 1000) - 1))]


def table(rows: Sequence[Sequence[object]]) -> None:
    """Rows of text, columns aligned; the first row is the heading."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in texts) for i in range(len(texts[0]))]
    for row in texts:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def verdict(name: str, value: float, unit: str, limit: float, detail: dict[str, Any], *, at_least: bool = False) -> int:
    """Print the last line; 0 when `value` is within `limit`: below it, or with `at_least` not below it."""
    passed = value >= limit if at_least else value < limit
    print(json.dumps({"name": name, "value": round(value, 3), "unit": unit, "limit": limit, "pass": passed, "detail": detail}))
    return 0 if passed else 1


def processor_clock(pid: int) -> int:
    """For `time.clock_gettime`: all processor time of another process (CPUCLOCK_SCHED of Linux's posix-timers.h)."""
    return (~pid << 3) | 2


@contextmanager
def stack(**options: Any) -> Iterator[Stack]:
    """A whole system of its own, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="ops-bench-") as folder, whole(Path(folder), **options) as running:
        yield running
