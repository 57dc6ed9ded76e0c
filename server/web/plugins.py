"""What plugins measure, as charts: one for each metric; those past the first MAX_CHARTS as figures only.

Names and units come from a host: they are shown as text and never translated.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from server.db import Row
from server.web.charts import MINUTE, Chart, chart
from server.web.words import N_

MAX_CHARTS = 24
"""A page with more is slow to draw and to read."""

SHORT_MS = 20 * MINUTE


def plugin_step(since: int, until: int, step: int) -> int:
    """As for other charts, but never every sample: a host may have many metrics, and all of them share one limit of rows."""
    return max(step, 10_000 if until - since <= SHORT_MS else 30_000)


def plugin_charts(rows: Sequence[Row], since: int, until: int, step: int) -> list[Chart]:
    """A chart for each metric in `Metrics.plugin_series`, by plugin and name."""
    found = []
    for number, ((plugin, name), points) in enumerate(groupby(rows, lambda row: (row["plugin"], row["name"]))):
        series = list(points)
        # By number and not by name: an element's id takes no blanks, and names are free text.
        found.append(chart(f"plugin-{number}", name, series[-1]["unit"], (("value", N_("value")),), series, since, until, step, plugin))
    return found
