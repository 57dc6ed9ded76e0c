"""The list of nodes; everything it shows is in its address."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from host.wire import states
from server.auth import NODE_EDIT, NODE_READ, Caller
from server.door import Door
from server.errors import BadInput, BadSelector
from server.selector import explain, parse
from server.selector.ast import FACTS
from server.service.page import Page
from server.service.selections import TAKES_COMMANDS
from server.services import Services
from server.tables import CSV, JSON, download
from server.web import session, targets
from server.web.once import once
from server.web.render import Pages, address
from server.web.window_words import until

PAGE = 50
NAMES = "names"
EXAMPLES = (
    "all",
    "offline",
    "name:web-*",
    "env=prod and not online",
    "env in (prod, test) and os~ubuntu",
    "group:shanghai",
    "tag:owner and not tag:owner=nobody",
    "address=10.0.0.0/8 and memory<4GiB",
    "cpu_count>=16 or agent=failed",
    "online and not maintenance",
)


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    async def show(request: Request, caller: Caller) -> Response:
        query = request.query_params
        q, state = query.get("q", "")[:200].strip(), query.get("state", "")
        number = session.page_of(request)
        select, read, problem = query.get("select", "")[:2100].strip(), None, None
        try:
            # One that is empty comes from the form of an old page, or from nowhere: there is nothing to explain.
            read = await services.selections.read(select) if select else None
        except BadSelector as wrong:
            problem = wrong
        if problem:
            page = Page([], 0)
        else:
            condition = read.condition if read else None
            page = await services.nodes.page(q=q, state=state, limit=PAGE, offset=(number - 1) * PAGE, selected=condition)
        filters, together = await services.selections.filters(), targets.combined(select, state)
        counts = await services.nodes.counts()
        values = {
            "rows": page.rows,
            "figures_of": await services.metrics.newest([row["id"] for row in page.rows], services.clock()),
            "maintenance": await services.windows.active([row["id"] for row in page.rows], services.clock()),
            "until": until,
            "total": page.total,
            "q": q,
            "select": select,
            "problem": problem,
            "explanation": read.explained(pages.language(request).code) if read else "",
            "matched": (await services.nodes.page(q="", state="", limit=1, offset=0, selected=read.condition)).total if read else 0,
            "filters": filters,
            # What is searched for by text has no selector: such a list is handed on as it is, and cannot be saved.
            "together": "" if q or problem else together,
            "saved_as": None if q else next((one for one in filters if one["selector"] == together), None),
            "runs": page.total and state in ("", *TAKES_COMMANDS),
            "state": state,
            "page": number,
            "page_size": PAGE,
            "counts": counts,
            "in_service": sum(count for name, count in counts.items() if name != states.RETIRED),
            "state_order": [name for name in states.NODE if counts.get(name) or name in (states.ONLINE, states.OFFLINE, state)],
        }
        return pages.render(request, "nodes", values, block="list", status=problem.status if problem else 200)

    async def export(request: Request, caller: Caller) -> Response:
        """All that the list goes through: as CSV, as JSON, or the names alone."""
        query, now = request.query_params, services.clock()
        kind, select = query.get("format", CSV), query.get("select", "")[:2100].strip()
        if kind not in (CSV, JSON, NAMES):
            raise BadInput(f"format: {kind[:20]!r} is unknown; use one of {CSV}, {JSON}, {NAMES}", field="format")
        read = await services.selections.read(select) if select else None
        wanted: dict[str, Any] = {"q": query.get("q", "")[:200].strip(), "state": query.get("state", "")}
        wanted["selected"] = read.condition if read else None
        if kind == NAMES:
            return PlainTextResponse("\n".join(await services.node_export.names(**wanted)), headers={"Cache-Control": "no-store"})
        ids, columns = await services.node_export.start(**wanted), await services.node_export.columns()
        return download(
            kind,
            f"nodes-{datetime.fromtimestamp(now / 1000, timezone.utc):%Y%m%d-%H%M}",
            columns,
            services.node_export.rows(ids, now),
            mark=True,
        )

    async def reference(request: Request, caller: Caller) -> Response:
        names, language = await services.selections.vocabulary(), pages.language(request).code
        examples = [(text, explain(parse(text), language)) for text in EXAMPLES]
        values = {"examples": examples, "facts": sorted(FACTS), "tags": sorted(names.tags), "fields": sorted(names.fields)}
        return pages.render(request, "selectors", values)

    async def save(request: Request, caller: Caller) -> Response:
        form = await session.form_of(request)
        name, selector, save = form.get("name"), form.get("selector"), services.selections.save
        await once(services, request, caller, str, lambda along: save(caller, name, selector, services.clock(), along))
        return RedirectResponse(address("/nodes", select=selector, notice="saved"), 303)

    async def forget(request: Request, caller: Caller) -> Response:
        await services.selections.forget(caller, request.path_params["id"], services.clock())
        return RedirectResponse("/nodes?notice=saved", 303)

    return [
        door.route("/nodes", show, NODE_READ),
        door.route("/nodes/export", export, NODE_READ),
        door.route("/selectors", reference, NODE_READ),
        door.route("/filters", save, NODE_EDIT, ["POST"]),
        door.route("/filters/{id}/delete", forget, NODE_EDIT, ["POST"]),
    ]
