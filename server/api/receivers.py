"""`/api/v1/receivers`: who is told of alerts (M5); `/api/v1/deliveries`: what was told to whom. Secrets go in, and never come out."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.answers import body, good
from server.api.paging import listed, window
from server.api.versions import version_of
from server.auth import RECEIVER_EDIT, RECEIVER_READ, Caller
from server.door import Door
from server.service.receivers import Change
from server.services import Services


class New(msgspec.Struct, forbid_unknown_fields=True):
    """`kind`: webhook, alertmanager, chat or mail. `events`: the kinds of event it is told of, all unless given."""

    kind: str
    name: str
    enabled: bool = True
    min_severity: str = "info"
    selector: str = ""
    events: list[str] | None = None
    settings: dict[str, Any] = {}
    secrets: dict[str, str] = {}


class Changed(msgspec.Struct, forbid_unknown_fields=True):
    """What is left out stays as it is; an empty secret is taken away."""

    name: str | None = None
    enabled: bool | None = None
    min_severity: str | None = None
    selector: str | None = None
    events: list[str] | None = None
    settings: dict[str, Any] = {}
    secrets: dict[str, str] = {}


def routes(door: Door, services: Services) -> list[Route]:
    receivers, deliveries = services.receivers, services.deliveries

    async def show_all(request: Request, caller: Caller) -> Response:
        items = await receivers.all()
        return good(services.clock(), {"items": items, "total": len(items)})

    async def one(request: Request, caller: Caller) -> Response:
        row = await receivers.get(request.path_params["id"])
        response = good(services.clock(), row)
        response.headers["ETag"] = f'"{row["version"]}"'
        return response

    async def make(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, New)
        receiver_id, secret = await receivers.make(caller, wanted.kind, _change(wanted), now)
        return good(now, {"id": receiver_id, "version": 1, "secret": secret or None}, 201)

    async def change(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, Changed)
        return good(now, {"version": await receivers.change(caller, request.path_params["id"], version_of(request), _change(wanted), now)})

    async def delete(request: Request, caller: Caller) -> Response:
        now = services.clock()
        await receivers.delete(caller, request.path_params["id"], version_of(request), now)
        return good(now, None)

    async def rotate(request: Request, caller: Caller) -> Response:
        now, version = services.clock(), version_of(request)
        return good(now, {"secret": await receivers.rotate(caller, request.path_params["id"], version, now), "version": version + 1})

    async def test(request: Request, caller: Caller) -> Response:
        now = services.clock()
        delivery_id, outcome, took_ms = await services.delivery_turns.test(caller, request.path_params["id"], now)
        told = {"ok": outcome.ok, "status": outcome.status, "answer": outcome.text, "note": outcome.note}
        return good(services.clock(), {"delivery_id": delivery_id, "took_ms": took_ms, **told})

    async def log(request: Request, caller: Caller) -> Response:
        wanted, query = window(request), request.query_params
        if alert := query.get("alert", ""):
            page = await deliveries.of_alert(alert, wanted.size, wanted.offset)
        else:
            page = await deliveries.page(query.get("receiver", ""), query.get("state", ""), wanted.size, wanted.offset)
        return good(services.clock(), listed(wanted, page.rows, page.total))

    async def delivery(request: Request, caller: Caller) -> Response:
        return good(services.clock(), await deliveries.get(request.path_params["id"]))

    async def again(request: Request, caller: Caller) -> Response:
        now = services.clock()
        await deliveries.again(caller, request.path_params["id"], now)
        return good(now, None)

    return [
        door.route("/api/v1/receivers", show_all, RECEIVER_READ),
        door.route("/api/v1/receivers", make, RECEIVER_EDIT, ("POST",)),
        door.route("/api/v1/receivers/{id}", one, RECEIVER_READ),
        door.route("/api/v1/receivers/{id}", change, RECEIVER_EDIT, ("PATCH",)),
        door.route("/api/v1/receivers/{id}", delete, RECEIVER_EDIT, ("DELETE",)),
        door.route("/api/v1/receivers/{id}/rotate", rotate, RECEIVER_EDIT, ("POST",)),
        door.route("/api/v1/receivers/{id}/test", test, RECEIVER_EDIT, ("POST",)),
        door.route("/api/v1/deliveries", log, RECEIVER_READ),
        door.route("/api/v1/deliveries/{id}", delivery, RECEIVER_READ),
        door.route("/api/v1/deliveries/{id}/again", again, RECEIVER_EDIT, ("POST",)),
    ]


def _change(wanted: New | Changed) -> Change:
    values = msgspec.structs.asdict(wanted)
    values.pop("kind", None)
    return Change(**values)
