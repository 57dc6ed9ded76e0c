"""Hosts that wait for approval, and retired nodes: taken back, or deleted with their data."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from server.auth import NODE_APPROVE, NODE_RETIRE, Caller
from server.door import Door
from server.errors import BadInput, OpsError
from server.services import Services
from server.web import session
from server.web.render import Pages


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    async def show(request: Request, caller: Caller) -> Response:
        return await page(request, None)

    async def page(request: Request, problem: OpsError | None) -> Response:
        values = {"rows": await services.approvals.waiting(), "problem": problem}
        return pages.render(request, "waiting", values, block="list", status=problem.status if problem else 200)

    async def decide(request: Request, caller: Caller) -> Response:
        form, node_id, now = await session.form_of(request), request.path_params["id"], services.clock()
        step = form.get("step")
        try:
            if step == "reject":
                await services.approvals.reject(caller, node_id, now)
                return RedirectResponse("/waiting?notice=saved", 303)
            if step not in ("same", "approve"):
                raise BadInput("step: approve, same or reject", field="step")
            taken = await services.approvals.approve(caller, node_id, now, form.get("same_as") if step == "same" else "")
        except OpsError as problem:
            return await page(request, problem)
        return RedirectResponse(f"/nodes/{taken}?notice=approved", 303)

    async def restore(request: Request, caller: Caller) -> Response:
        await services.nodes.restore(caller, request.path_params["id"], services.clock())
        return RedirectResponse(f"/nodes/{request.path_params['id']}?notice=restored", 303)

    async def ask(request: Request, caller: Caller) -> Response:
        return await confirm(request, None)

    async def confirm(request: Request, problem: OpsError | None) -> Response:
        node = await services.nodes.get(request.path_params["id"])
        values = {"node": node, "problem": problem, "field": problem.field if problem else ""}
        return pages.render(request, "delete", values, status=problem.status if problem else 200)

    async def delete(request: Request, caller: Caller) -> Response:
        form = await session.form_of(request)
        try:
            await services.nodes.delete(caller, request.path_params["id"], form.get("confirm").strip(), services.clock())
        except BadInput as problem:
            if problem.field != "confirm":
                raise
            return await confirm(request, problem)
        return RedirectResponse("/nodes?state=retired&notice=node-deleted", 303)

    return [
        door.route("/waiting", show, NODE_APPROVE),
        door.route("/waiting/{id}", decide, NODE_APPROVE, ["POST"]),
        door.route("/nodes/{id}/restore", restore, NODE_RETIRE, ["POST"]),
        door.route("/nodes/{id}/delete", ask, NODE_RETIRE),
        door.route("/nodes/{id}/delete", delete, NODE_RETIRE, ["POST"]),
    ]
