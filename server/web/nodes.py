"""The list of nodes; everything it shows is in its address."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from host.wire import states
from server.auth import NODE_EDIT, NODE_READ, Caller
from server.door import Door
from server.errors import BadSelector
from server.selector import Condition, explain, parse
from server.selector.ast import FACTS
from server.service.page import Page
from server.service.selections import TAKES_COMMANDS
from server.services import Services
from server.web import session
from server.web.render import Pages, address
from server.web.window_words import until

PAGE = 50
LINKED = 100
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
        filters = await services.selections.filters()
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
            "saved_as": next((one for one in filters if one["selector"] == select), None),
            "listed_ids": await listed(q, state, read.condition, page.total) if read else [],
            "state": state,
            "page": number,
            "page_size": PAGE,
            "counts": counts,
            "in_service": sum(count for name, count in counts.items() if name != states.RETIRED),
            "state_order": [name for name in states.NODE if counts.get(name) or name in (states.ONLINE, states.OFFLINE, state)],
        }
        return pages.render(request, "nodes", values, block="list", status=problem.status if problem else 200)

    async def listed(q: str, state: str, condition: Condition, total: int) -> list[str]:
        """The ids of what is listed, for a link that names them; none when they are too many for one."""
        if total > LINKED:
            return []
        found = await services.nodes.page(q=q, state=state, limit=LINKED, offset=0, selected=condition)
        return [row["id"] for row in found.rows if row["state"] in TAKES_COMMANDS]

    async def reference(request: Request, caller: Caller) -> Response:
        names, language = await services.selections.vocabulary(), pages.language(request).code
        examples = [(text, explain(parse(text), language)) for text in EXAMPLES]
        values = {"examples": examples, "facts": sorted(FACTS), "tags": sorted(names.tags), "fields": sorted(names.fields)}
        return pages.render(request, "selectors", values)

    async def save(request: Request, caller: Caller) -> Response:
        form = await session.form_of(request)
        await services.selections.save(caller, form.get("name"), form.get("selector"), services.clock())
        return RedirectResponse(address("/nodes", select=form.get("selector"), notice="saved"), 303)

    async def forget(request: Request, caller: Caller) -> Response:
        await services.selections.forget(caller, request.path_params["id"], services.clock())
        return RedirectResponse("/nodes?notice=saved", 303)

    return [
        door.route("/nodes", show, NODE_READ),
        door.route("/selectors", reference, NODE_READ),
        door.route("/filters", save, NODE_EDIT, ["POST"]),
        door.route("/filters/{id}/delete", forget, NODE_EDIT, ["POST"]),
    ]
