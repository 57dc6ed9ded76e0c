"""`/api/v1/audit`: what people did, newest first, and whether the record is whole (M8, S4)."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.answers import good
from server.api.paging import listed, window
from server.auth import AUDIT_READ, Caller
from server.db import Row
from server.door import Door
from server.services import Services


def routes(door: Door, services: Services) -> list[Route]:
    async def page(request: Request, caller: Caller) -> Response:
        wanted = window(request)
        found = await services.audit.page(wanted.size, wanted.offset)
        return good(services.clock(), listed(wanted, [_shown(row) for row in found.rows], found.total))

    async def verify(request: Request, caller: Caller) -> Response:
        broken = await services.audit.first_broken()
        return good(services.clock(), {"intact": broken is None, "first_broken": broken})

    return [door.route("/api/v1/audit", page, AUDIT_READ), door.route("/api/v1/audit/verify", verify, AUDIT_READ)]


def _shown(row: Row) -> dict[str, Any]:
    try:
        detail = json.loads(row["detail"])
    except ValueError:
        # Longer than its column, so cut off: still worth reading.
        detail = {"text": row["detail"]}
    return {**row, "detail": detail}
