"""What a host logged, on its node's page: search, level, and whether only in the range of the charts; older lines by a cursor (D14)."""

from __future__ import annotations

from typing import Any

from starlette.datastructures import QueryParams

from server.services import Services
from server.web.spans import Span

LINES = 25
LEVELS = ("", "error", "critical")
_NAMES = ("q", "level", "during", "before")


async def values_of(services: Services, node_id: str, query: QueryParams, span: Span) -> dict[str, Any]:
    """For templates/node_log.html. Raises BadInput naming `level` or `before`."""
    wanted = query_of(query)
    times: dict[str, Any] = {"since": span.since, "until": span.until + 1} if "during" in wanted else {}
    narrow = {name: wanted[name] for name in ("q", "level", "before") if name in wanted}
    found = await services.logs.page(node_id=node_id, limit=LINES, **narrow, **times)
    return {"found": found, "levels": LEVELS, "narrowed": {name: wanted.get(name, "") for name in _NAMES}}


def query_of(query: QueryParams) -> dict[str, Any]:
    """What of it belongs into an address of this page."""
    wanted = {name: query.get(name, "").strip()[:200] for name in _NAMES}
    return {name: value for name, value in wanted.items() if value}
