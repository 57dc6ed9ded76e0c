"""Series for charts: gaps stay gaps, and the peaks of means are kept."""

from __future__ import annotations

import json

from server.web.charts import charts

MINUTE = 60_000


def test_silence_breaks_the_line_and_an_irregular_collector_does_not() -> None:
    def points(minutes: list[float]) -> list[dict[str, object]]:
        names = ("memory_usage", "disk_usage", "network_rx", "network_tx")
        return [{"at": int(m * MINUTE), "cpu_usage": 5.0, **dict.fromkeys(names)} for m in minutes]

    regular = charts(points([0, 1, 2, 3.1, 4]), 0, 5 * MINUTE, 1)[0]
    assert regular.gaps == 0
    broken = charts(points([0, 1, 2, 9, 10]), 0, 10 * MINUTE, 1)[0]
    assert broken.gaps == 1
    assert json.loads(broken.data)["y"][0] == [5.0, 5.0, 5.0, None, 5.0, 5.0]


def test_a_figure_that_was_never_measured_has_no_chart_and_no_numbers() -> None:
    chart = charts([], 0, MINUTE, 1)[3]
    assert chart.table == []
    assert chart.lines[0].now is None


def test_the_highest_value_is_the_peak_and_not_the_highest_mean() -> None:
    absent = dict.fromkeys(("memory_usage", "disk_usage", "network_rx", "network_tx"))
    row = {"at": 0, "cpu_usage": 30.0, "cpu_usage_most": 90.0, **absent}
    line = charts([row], 0, MINUTE, MINUTE)[0].lines[0]
    assert (line.mean, line.most) == (30.0, 90.0)
