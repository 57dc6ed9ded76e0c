"""What was told to whom: the log with its filters, and one delivery with its attempts."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from server.auth import RECEIVER_EDIT, RECEIVER_READ, Caller
from server.door import Door
from server.errors import BadInput
from server.service.deliveries import STATES, TOLD, WAITING
from server.service.page import Page
from server.services import Services
from server.web import session
from server.web.filters import choice, times
from server.web.once import once
from server.web.render import Pages, address

PAGE = 50


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    deliveries = services.deliveries

    async def show(request: Request, caller: Caller) -> Response:
        number, query = session.page_of(request), request.query_params
        receiver, alert = query.get("receiver", "")[:26], query.get("alert", "")[:26]
        state, kind = choice(query, "state", STATES), choice(query, "kind", TOLD)
        span, said = times(query, services.clock(), services.config)
        page = Page([], 0)
        if not said["problem"]:
            page = await deliveries.page(receiver, state, PAGE, (number - 1) * PAGE, alert_id=alert, kind=kind, **span)
        names = await services.receivers.names()
        kept = {"state": state, "kind": kind, "receiver": receiver, "alert": alert, **said["span_kept"]}
        values: dict[str, Any] = {
            "rows": page.rows,
            "total": page.total,
            "page": number,
            "page_size": PAGE,
            "states": STATES,
            "kinds": TOLD,
            "kept": kept,
            "here_again": address("/deliveries", page=number if number > 1 else 0, **kept),
            "names": names,
            "receiver_name": next((one["name"] for one in names if one["id"] == receiver), receiver),
            "busy": any(row["state"] == WAITING for row in page.rows),
        }
        status = said["problem"].status if said["problem"] else 200
        return pages.render(request, "deliveries", values | said, block="list", status=status)

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
