"""Split or merge: what becomes of a node whose certificate two machines use."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from server.auth import NODE_APPROVE, Caller
from server.door import Door
from server.errors import BadInput
from server.services import Services
from server.web import session
from server.web.render import Pages


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    async def decide(request: Request, caller: Caller) -> Response:
        form, node_id, now = await session.form_of(request), request.path_params["id"], services.clock()
        text, step = form.get("since"), form.get("step")
        since = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
        if step == "split":
            await services.quarantine.split(caller, node_id, form.get("machine"), now, since)
        elif step == "merge":
            await services.quarantine.merge(caller, node_id, form.get("machine"), now, since)
        else:
            raise BadInput("step: split or merge", field="step")
        return RedirectResponse(f"/nodes/{node_id}?notice={'split' if step == 'split' else 'merged'}", 303)

    return [door.route("/nodes/{id}/quarantine", decide, NODE_APPROVE, ["POST"])]
