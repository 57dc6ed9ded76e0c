"""The audit log, newest first, and the check of its chain."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.auth import AUDIT_READ, Caller
from server.db import Row
from server.door import Door
from server.services import Services
from server.web import session
from server.web.formats import clock
from server.web.render import Pages

PAGE = 50


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    async def show(request: Request, caller: Caller) -> Response:
        number = session.page_of(request)
        page = await services.audit.page(PAGE, (number - 1) * PAGE)
        checked = bool(request.query_params.get("check"))
        values: dict[str, Any] = {
            "rows": [_shown(row) for row in page.rows],
            "total": page.total,
            "page": number,
            "page_size": PAGE,
            "checked": checked,
            "broken": await services.audit.first_broken() if checked else None,
        }
        return pages.render(request, "audit", values)

    return [door.route("/audit", show, AUDIT_READ)]


def _shown(row: Row) -> Row:
    """With `detail` as name and value, and the address of what it is about, where it has a page."""
    kind, _, name = row["resource"].partition(" ")
    link = {
        "node": f"/nodes/{name}",
        "command": f"/commands/{name}",
        "task": f"/commands?task={name}",
        "receiver": f"/receivers/{name}",
        "delivery": f"/deliveries/{name}",
    }.get(kind, "")
    try:
        detail = json.loads(row["detail"])
    except ValueError:
        # Long details are cut where they are stored: then they are shown as they stand.
        detail = {"detail": row["detail"]}
    if "count" in detail:
        # The nodes are many, and named by ids; the task's own page lists them.
        detail.pop("nodes", None)
    return {**row, "link": link, "kind": kind, "target": name, "detail": texts(detail)}


def texts(detail: Mapping[str, Any]) -> dict[str, str]:
    """What an entry says beside who did what, as name and text; without what says nothing."""
    return {key: _text(key, value) for key, value in detail.items() if value not in ("", [], {})}


def _text(key: str, value: object) -> str:
    if key == "nodes" and isinstance(value, list):
        return f"{len(value)}: {', '.join(str(item) for item in value[:3])}{' …' if len(value) > 3 else ''}"
    if key.endswith("_at") and isinstance(value, int):
        return clock(value)
    if isinstance(value, dict):
        return ", ".join(f"{name}={item}" for name, item in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
