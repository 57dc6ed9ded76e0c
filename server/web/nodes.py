"""The list of nodes; everything it shows is in its address."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from host.wire import states
from server.auth import NODE_READ, Caller
from server.door import Door
from server.services import Services
from server.web import session
from server.web.render import Pages

PAGE = 50


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    async def show(request: Request, caller: Caller) -> Response:
        query = request.query_params
        q, state = query.get("q", "")[:200].strip(), query.get("state", "")
        number = session.page_of(request)
        page = await services.nodes.page(q=q, state=state, limit=PAGE, offset=(number - 1) * PAGE)
        counts = await services.nodes.counts()
        values = {
            "rows": page.rows,
            "figures_of": await services.metrics.newest([row["id"] for row in page.rows], services.clock()),
            "total": page.total,
            "q": q,
            "state": state,
            "page": number,
            "page_size": PAGE,
            "counts": counts,
            "in_service": sum(count for name, count in counts.items() if name != states.RETIRED),
            "state_order": [name for name in states.NODE if counts.get(name) or name in (states.ONLINE, states.OFFLINE, state)],
        }
        return pages.render(request, "nodes", values, block="list")

    return [door.route("/nodes", show, NODE_READ)]
