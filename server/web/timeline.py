"""A node's timeline: what befell it and what was done to it; kind and range of time stand in the address."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime, timezone
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.auth import NODE_READ, Caller
from server.db import Row
from server.door import Door
from server.errors import BadInput
from server.service.timeline import KINDS, Entry
from server.services import Services
from server.web.audit import texts
from server.web.render import Pages, address
from server.web.words import TIMELINE_RANGES

DAY_MS = 86_400_000
PAGE = 50
_SPANS = {"24h": DAY_MS, "7d": 7 * DAY_MS, "30d": 30 * DAY_MS}


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    async def show(request: Request, caller: Caller) -> Response:
        now, node_id = services.clock(), request.path_params["id"]
        given = {name: request.query_params.get(name, "")[:80] for name in ("kind", "range", "from", "to", "before")}
        since, until = _span(given, now)
        node = await services.nodes.get(node_id)
        found = await services.timelines.page(
            caller, node_id, now, kind=given["kind"], since=since, until=until, before=given["before"], limit=PAGE
        )
        kept = {name: given[name] for name in ("kind", "range", "from", "to")}
        values: dict[str, Any] = {
            "node": node,
            "entries": [shown(one) for one in found.entries],
            "next": found.next,
            "kept_since": found.kept,
            "wanted": given,
            "kept": kept,
            "kinds": KINDS,
            "ranges": list(TIMELINE_RANGES),
            "again": address(f"/nodes/{node_id}/timeline", **given),
            "live": not given["before"] and until is None,
        }
        return pages.render(request, "timeline", values, block="list")

    return [door.route("/nodes/{id}/timeline", show, NODE_READ)]


def shown(entry: Entry) -> Row:
    """As templates/timeline_macros.html takes it: of people's actions, `texts` says the details."""
    row: Row = asdict(entry)
    return row | {"texts": texts(entry.detail) if entry.kind in ("action", "identity") else {}}


def _span(given: dict[str, str], now: int) -> tuple[int, int | None]:
    """From when, until when; None for now. Raises BadInput."""
    if given["range"]:
        if given["range"] not in _SPANS:
            raise BadInput(f"range: {given['range'][:20]!r} is unknown; use one of {', '.join(_SPANS)}", field="range")
        return max(0, now - _SPANS[given["range"]]), None
    since, until = _day(given, "from"), _day(given, "to")
    return since or 0, None if until is None else until + DAY_MS - 1


def _day(given: dict[str, str], name: str) -> int | None:
    """The begin of that day in UTC, in ms; None when there is none."""
    if not given[name]:
        return None
    try:
        day = date.fromisoformat(given[name])
    except ValueError as problem:
        raise BadInput(f"{name}: {given[name][:20]!r} is no date such as 2026-11-25", field=name) from problem
    moment = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
    return max(0, int(moment.timestamp() * 1000))
