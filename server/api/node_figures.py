"""`/api/v1/nodes/{id}/metrics` and `/marks`: what was measured on a node over time, and what happened meanwhile (M2, D1)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.answers import good
from server.api.calls import Answer, Call, query
from server.api.parameters import MAX_TIME, Span, one_of
from server.auth import NODE_READ, Caller
from server.config import Config
from server.door import Door
from server.errors import BadInput
from server.service.detail_kinds import KINDS
from server.service.details import MOST_CHOSEN
from server.service.details import Point as Detail
from server.service.marks import Mark
from server.service.ranges import RANGES, kept_since, least_step
from server.service.rollups import COARSE, FINE, HOUR_MS, MINUTE_MS
from server.services import Services

RAW_MS = 6 * HOUR_MS
"""Samples may come every 10 s: so long a range of them still fits into one answer."""

POINTS = 720


class NamedSpan(Span, frozen=True, kw_only=True):
    """`range` goes back from `until`, and stands instead of `since`."""

    range: Annotated[str, one_of(*RANGES)] = ""

    def times(self, now: int) -> tuple[int, int]:
        if not self.range:
            return super().times(now)
        if self.since is not None:
            raise BadInput("range: give either a range or since", field="range")
        until = now if self.until is None else self.until
        return max(until - RANGES[self.range], 0), until


class NodeSpan(NamedSpan, frozen=True, kw_only=True):
    step: Annotated[int, Meta(ge=1, le=MAX_TIME, description="ms that one point stands for; 1 for every sample")] | None = None


class Point(Answer):
    """Usage in percent, network in bytes a second. With a step above 1 means, and the highest value as `…_most`."""

    at: int
    cpu_usage: float | None
    memory_usage: float | None
    disk_usage: float | None
    load_1: float | None
    network_rx: float | None
    network_tx: float | None
    cpu_usage_most: float | UnsetType | None = UNSET
    memory_usage_most: float | UnsetType | None = UNSET
    disk_usage_most: float | UnsetType | None = UNSET
    load_1_most: float | UnsetType | None = UNSET
    network_rx_most: float | UnsetType | None = UNSET
    network_tx_most: float | UnsetType | None = UNSET


class PluginPoint(Answer):
    plugin: str
    name: str
    at: int
    value: float
    unit: str
    value_most: float | UnsetType = UNSET


class NodeSeries(Answer):
    since: int
    until: int
    step: int
    points: list[Point]
    plugins: list[PluginPoint]


class DetailSpan(NodeSpan, frozen=True, kw_only=True):
    name: Annotated[
        list[str], Meta(max_length=MOST_CHOSEN, description="which of them; by default those that stand out most, see names")
    ] = msgspec.field(default_factory=list)


class DetailPoint(Answer):
    """The mean of what was read in that time, and the highest of it."""

    at: int
    value: float
    most: float


class DetailLine(Answer):
    """`figure` is one of `used`, `read`, `written`, `received`, `sent`, `busy`, `memory`, `temperature`."""

    name: str
    figure: str
    unit: str
    points: list[DetailPoint]


class NodeDetails(Answer):
    """`names`: all that were seen in that time. Details from before `kept_since` are no longer kept; `since` is not before it.

    `step` may be longer than asked for: beyond a day a point is made of whole roll-ups of an hour, 6 hours or a day.
    """

    since: int
    until: int
    step: int
    kept_since: int
    names: list[str]
    lines: list[DetailLine]


class NodeMarks(Answer):
    """Ascending by `since`. `more`: kinds of which only the newest are here."""

    since: int
    until: int
    marks: list[Mark]
    more: list[str]


def routes(door: Door, services: Services) -> list[Route]:
    async def metrics(request: Request, caller: Caller) -> Response:
        now, node_id = services.clock(), request.path_params["id"]
        wanted = query(request, NodeSpan)
        since, until = wanted.times(now)
        step = step_for(since, until, now, services.config) if wanted.step is None else wanted.step
        await services.nodes.get(node_id)
        points = await services.metrics.series(node_id, since, until, step)
        plugins = await services.metrics.plugin_series(node_id, since, until, step)
        return good(now, {"since": since, "until": until, "step": step, "points": points, "plugins": plugins})

    async def details(request: Request, caller: Caller) -> Response:
        now, node_id, kind = services.clock(), request.path_params["id"], request.path_params["kind"]
        wanted = query(request, DetailSpan)
        since, until = wanted.times(now)
        await services.nodes.get(node_id)
        found = await services.details.series(node_id, kind, since, until, now, wanted.name, wanted.step)
        lines = [
            {"name": line.name, "figure": line.figure, "unit": line.unit, "points": [_point(point) for point in line.points]}
            for line in found.lines
        ]
        return good(now, {name: getattr(found, name) for name in ("since", "until", "step", "kept_since", "names")} | {"lines": lines})

    async def marks(request: Request, caller: Caller) -> Response:
        now, node_id = services.clock(), request.path_params["id"]
        since, until = query(request, NamedSpan).times(now)
        await services.nodes.get(node_id)
        found = await services.marks.of_node(node_id, since, until, now)
        return good(now, {"since": since, "until": until, "marks": found.marks, "more": found.more})

    return [
        door.route("/api/v1/nodes/{id}/metrics", metrics, NODE_READ, call=Call("Its figures over time", query=NodeSpan, answer=NodeSeries)),
        door.route(
            "/api/v1/nodes/{id}/metrics/{kind}",
            details,
            NODE_READ,
            call=Call(f"Figures of each of its {', '.join(KINDS)} over time", query=DetailSpan, answer=NodeDetails),
        ),
        door.route(
            "/api/v1/nodes/{id}/marks", marks, NODE_READ, call=Call("What happened to it over time", query=NamedSpan, answer=NodeMarks)
        ),
    ]


def step_for(since: int, until: int, now: int, config: Config) -> int:
    """How much time, in ms, one point stands for when the caller does not say: every sample (1) for up to RAW_MS, else whole
    spans of the roll-ups or minutes, so that there are at most POINTS of them. Only time of which something can be kept counts."""
    span = min(until, now) - max(since, kept_since(now, config))
    kept = least_step(since, now, config)
    if span <= RAW_MS and kept == 1:
        return 1
    least = -(-span // POINTS)
    unit = next(unit for unit in (MINUTE_MS, FINE, COARSE) if (unit >= kept and least <= 5 * unit) or unit == COARSE)
    return max(-(-least // unit), 1) * unit


def _point(point: Detail) -> dict[str, Any]:
    return {"at": point.at, "value": point.value, "most": point.most}
