"""Series for the charts of a node, and their summaries in words and numbers.

A chart is a picture only: the summary and the table beside it say the same. Where the host was silent the line
is broken: a missing value stands between two points that are further apart than they ever are otherwise.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from server.db import Row
from server.web.words import N_

MINUTE = 60_000
TABLE_ROWS = 24
_SLACK_MS = 90_000


@dataclass(frozen=True)
class Line:
    column: str
    title: str
    now: float | None
    mean: float | None
    most: float | None


@dataclass(frozen=True)
class Chart:
    """`data` is JSON for static/js: `{"t": [seconds], "y": [[values] …]}`, each time as how much later it is than the one before.
    `unit` as `formats.figure` takes it.

    `plugin` names the plugin that measured it; `title` is then the plugin's own text, which has no translation. `named`: the titles
    of the lines are names that a host gave: a mount, an interface.
    """

    id: str
    title: str
    unit: str
    lines: list[Line]
    data: str
    table: list[Row]
    gaps: int
    plugin: str = ""
    named: bool = False


_CHARTS = (
    ("cpu", N_("CPU"), "%", (("cpu_usage", N_("in use")),)),
    ("memory", N_("Memory"), "%", (("memory_usage", N_("in use")),)),
    ("disk", N_("Fullest disk"), "%", (("disk_usage", N_("in use")),)),
    ("network", N_("Network"), "bytes/s", (("network_rx", N_("received")), ("network_tx", N_("sent")))),
)


def charts(rows: Sequence[Row], since: int, until: int, step: int) -> list[Chart]:
    """The charts of one node from `Metrics.series`."""
    return [chart(name, title, unit, columns, rows, since, until, step) for name, title, unit, columns in _CHARTS]


def chart(
    name: str,
    title: str,
    unit: str,
    columns: Sequence[tuple[str, str]],
    rows: Sequence[Row],
    since: int,
    until: int,
    step: int,
    plugin: str = "",
    named: bool = False,
) -> Chart:
    """One chart of those `columns` (name in the rows, title) of `rows`, which ascend by `at`."""
    present = [row for row in rows if any(row[column] is not None for column, _ in columns)]
    times, gaps = _broken([row["at"] for row in present], step)
    by_time = {row["at"]: row for row in present}
    values = [[_rounded(by_time[at][column]) if at in by_time else None for at in times] for column, _ in columns]
    lines = [_line(column, words, present) for column, words in columns]
    whole = {"t": _later(times), "y": values, "from": since / 1000, "to": until / 1000}
    every = max(1, -(-len(present) // TABLE_ROWS))
    table = list(reversed(present))[::every]
    return Chart(name, title, unit, lines, json.dumps(whole, separators=(",", ":")), table, gaps, plugin, named)


def _broken(times: Sequence[int], step: int) -> tuple[list[int], int]:
    """`times` with one more between any two that have a gap between them, and how many gaps there are."""
    distances = [b - a for a, b in pairwise(times)]
    if not distances:
        return list(times), 0
    usual = max(median(distances), step)
    most = max(usual * 2.5, _SLACK_MS)
    out, gaps = [times[0]], 0
    for before, at in pairwise(times):
        if at - before > most:
            out.append(before + int(usual))
            gaps += 1
        out.append(at)
    return out, gaps


def _later(times: Sequence[int]) -> list[int]:
    """The first in whole seconds, then how many more each is: a third of the digits, and most of a chart's bytes are its times."""
    seconds = [round(at / 1000) for at in times]
    return [after - before for before, after in pairwise([0, *seconds])]


def _line(column: str, title: str, rows: Sequence[Row]) -> Line:
    values = [row[column] for row in rows if row[column] is not None]
    peaks = [row[f"{column}_most"] for row in rows if row.get(f"{column}_most") is not None] or values
    if not values:
        return Line(column, title, None, None, None)
    return Line(column, title, values[-1], sum(values) / len(values), max(peaks))


def _rounded(value: float | None) -> float | None:
    """Four digits are more than a chart can show. JSON has no word for what is infinite."""
    if value is None or not math.isfinite(value):
        return None
    short = float(f"{value:.4g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short
