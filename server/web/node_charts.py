"""The charts of a node's page: which range of time, what was measured in it, what is marked on it (M2, D1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.datastructures import QueryParams

from server.errors import BadInput
from server.service.ranges import RANGES
from server.services import Services
from server.web import node_details
from server.web.charts import charts
from server.web.marks import told
from server.web.plugins import MAX_CHARTS, plugin_charts, plugin_step
from server.web.spans import preset, span_of, typed

USUAL = "1h"


@dataclass(frozen=True)
class Measured:
    """`values` for the template. `measured_at`: until when (UTC ms) the newest point tells; None without one, and for the past.
    `status`: of the answer, 400 when the address names no range."""

    values: dict[str, Any]
    measured_at: int | None
    status: int


async def values_of(services: Services, node_id: str, query: QueryParams, now: int) -> Measured:
    """Raises BadInput for a range or a kind of an unknown name; other mistakes are told at their field, with the usual range."""
    problem: BadInput | None = None
    try:
        span = span_of(query, now, services.config, USUAL)
    except BadInput as wrong:
        if wrong.field == "range":
            raise
        problem, span = wrong, preset(USUAL, now, services.config)
    series = await services.metrics.series(node_id, span.since, span.until, span.step)
    plugin = plugin_step(span.since, span.until, span.step)
    values = await services.metrics.plugin_series(node_id, span.since, span.until, plugin)
    measured = plugin_charts(values, span.since, span.until, plugin)
    marks = await services.marks.of_node(node_id, span.since, span.until, now)
    data: dict[str, Any] = {
        "span": span,
        "ranges": list(RANGES),
        "here_query": span.query(USUAL) | node_details.query_of(query),
        "span_from": typed(query, "from") if problem else span.since,
        "span_until": typed(query, "until") if problem else span.until,
        "problem": problem,
        "field": problem.field if problem else "",
        "charts": charts(series, span.since, span.until, span.step) + measured[:MAX_CHARTS],
        "more_metrics": measured[MAX_CHARTS:],
        **told(marks),
        **await node_details.values_of(services, node_id, query, span, now),
        "measured_at": series[-1]["at"] if series else 0,
    }
    newest = series[-1]["at"] + span.step if series and span.name else None
    return Measured(data, newest, problem.status if problem else 200)
