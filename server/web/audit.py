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
from server.web import session, words
from server.web.formats import clock
from server.web.render import Pages

PAGE = 50
NARROWED = ("actor", "action", "resource")
LINKS = {
    "node": "/nodes/{}",
    "command": "/commands/{}",
    "task": "/commands?task={}",
    "receiver": "/receivers/{}",
    "delivery": "/deliveries/{}",
    "alert rule": "/rules/{}",
    "alert": "/alerts/{}",
    "window": "/windows/{}",
    "group": "/groups/{}",
}
"""Where each kind of thing has its page."""


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    async def show(request: Request, caller: Caller) -> Response:
        number = session.page_of(request)
        kept = {name: request.query_params.get(name, "").strip()[:190] for name in NARROWED}
        actor, action, resource = (kept[name] for name in NARROWED)
        page = await services.audit.page(PAGE, (number - 1) * PAGE, actor=actor, action=action, resource=resource)
        checked = bool(request.query_params.get("check"))
        rows = [_shown(row) for row in page.rows]
        names = await services.nodes.names({row["target"] for row in rows if row["kind"] == "node"})
        for row in rows:
            row["called"] = row["called"] or names.get(row["target"], "")
        values: dict[str, Any] = {
            "rows": rows,
            "total": page.total,
            "page": number,
            "page_size": PAGE,
            "kept": kept,
            "checked": checked,
            "broken": await services.audit.first_broken() if checked else None,
        }
        return pages.render(request, "audit", values)

    return [door.route("/audit", show, AUDIT_READ)]


def _shown(row: Row) -> Row:
    """With `detail` as name and value; what it is about as `kind`, `target` (its id), `called` (its name, empty where it has none
    here) and `link` to its page."""
    kind = next((one for one in words.RESOURCES if row["resource"].startswith(f"{one} ")), "")
    name = row["resource"].removeprefix(f"{kind} ")
    link = LINKS[kind].format(name) if kind in LINKS else ""
    try:
        detail = json.loads(row["detail"])
    except ValueError:
        # Long details are cut where they are stored: then they are shown as they stand.
        detail = {"detail": row["detail"]}
    if "count" in detail:
        # The nodes are many, and named by ids; the task's own page lists them.
        detail.pop("nodes", None)
    shown = texts(detail)
    called = detail.get("name") if kind in LINKS and isinstance(detail.get("name"), str) else ""
    if called:
        shown.pop("name", None)
    return {**row, "link": link, "kind": kind, "target": name, "called": called, "detail": shown}


def texts(detail: Mapping[str, Any]) -> dict[str, str]:
    """What an entry says beside who did what, as name and text; without what says nothing."""
    return {key: _text(key, value) for key, value in detail.items() if value not in ("", [], {})}


def _text(key: str, value: object) -> str:
    if key == "nodes" and isinstance(value, list):
        return f"{len(value)}: {', '.join(str(item) for item in value[:3])}{' …' if len(value) > 3 else ''}"
    if key.endswith("_at") and isinstance(value, int):
        return clock(value)
    if isinstance(value, dict):
        return ", ".join(f"{name}={_text(name, item)}" for name, item in value.items())
    if value is None:
        return "–"
    if isinstance(value, list):
        return ", ".join(_text(key, item) for item in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
