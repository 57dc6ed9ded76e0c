"""What was told to whom: the log with its filters, and one delivery with its attempts."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from server.auth import RECEIVER_EDIT, RECEIVER_READ, Caller
from server.door import Door
from server.errors import BadInput
from server.service.deliveries import STATES, WAITING
from server.services import Services
from server.web import session
from server.web.once import once
from server.web.render import Pages

PAGE = 50


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    deliveries = services.deliveries

    async def show(request: Request, caller: Caller) -> Response:
        number, query = session.page_of(request), request.query_params
        receiver, state, alert = query.get("receiver", ""), query.get("state", ""), query.get("alert", "")
        page = await deliveries.page(receiver, state, PAGE, (number - 1) * PAGE, alert_id=alert)
        values: dict[str, Any] = {
            "rows": page.rows,
            "total": page.total,
            "page": number,
            "page_size": PAGE,
            "states": STATES,
            "state": state,
            "receiver": receiver,
            "alert": alert,
            "names": await services.receivers.names(),
            "busy": any(row["state"] == WAITING for row in page.rows),
        }
        return pages.render(request, "deliveries", values, block="list")

    async def one(request: Request, caller: Caller) -> Response:
        return pages.render(request, "delivery", {"row": await deliveries.get(request.path_params["id"]), "problem": None})

    async def again(request: Request, caller: Caller) -> Response:
        delivery_id = request.path_params["id"]
        try:
            await once(services, request, caller, str, lambda along: deliveries.again(caller, delivery_id, services.clock(), along))
        except BadInput as problem:
            values = {"row": await deliveries.get(delivery_id), "problem": problem}
            return pages.render(request, "delivery", values, status=problem.status)
        return RedirectResponse(f"/deliveries/{delivery_id}?notice=again", 303)

    return [
        door.route("/deliveries", show, RECEIVER_READ),
        door.route("/deliveries/{id}", one, RECEIVER_READ),
        door.route("/deliveries/{id}/again", again, RECEIVER_EDIT, ["POST"]),
    ]
