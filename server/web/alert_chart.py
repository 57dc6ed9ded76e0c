"""The chart of an alert: what was measured around it, with the threshold and when it opened and ended."""

from __future__ import annotations

import json
from dataclasses import replace

from server.alerting import rules
from server.alerting.metrics import HEADLINE, METRICS, PLUGIN_PREFIX
from server.db import Row
from server.service.ranges import step_of
from server.services import Services
from server.web.charts import MINUTE, Chart, chart
from server.web.words import N_

BEFORE_MS, AFTER_MS = 60 * MINUTE, 30 * MINUTE


def span_around(alert: Row, now: int) -> tuple[int, int]:
    """What its chart shows, in UTC ms."""
    return alert["opened_at"] - BEFORE_MS, min(alert["resolved_at"] + AFTER_MS, now) if alert["resolved_at"] else now


async def chart_of(services: Services, alert: Row, now: int) -> Chart | None:
    """None where nothing is kept that a chart could show."""
    since, until = span_around(alert, now)
    step = step_of(since, until, now, services.config)
    metric = "disk_usage" if alert["rule_kind"] == rules.DISK_FULL or alert["metric"] == "mount.percent" else alert["metric"]
    if metric.startswith(PLUGIN_PREFIX):
        plugin, _, name = metric[len(PLUGIN_PREFIX) :].partition("/")
        rows = await services.metrics.plugin_series(alert["node_id"], since, until, step)
        rows = [row for row in rows if (row["plugin"], row["name"]) == (plugin, name)]
        made = chart("metric", name, alert["unit"], (("value", N_("measured")),), rows, since, until, step, plugin)
    elif metric in METRICS and METRICS[metric].source == HEADLINE:
        rows = await services.metrics.series(alert["node_id"], since, until, step)
        made = chart("metric", METRICS[metric].title, METRICS[metric].unit, ((metric, N_("measured")),), rows, since, until, step)
    else:
        return None
    marks = [[alert["opened_at"] / 1000, "bad"]] + ([[alert["resolved_at"] / 1000, "good"]] if alert["resolved_at"] else [])
    more = {"marks": marks} | ({"line": alert["threshold"]} if alert["rule_kind"] == rules.METRIC else {})
    return replace(made, data=json.dumps(json.loads(made.data) | more, separators=(",", ":")))
