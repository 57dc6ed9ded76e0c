"""`/api/v1/receivers`: who is told of alerts (M5); `/api/v1/deliveries`: what was told to whom. Secrets go in, and never come out."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.answers import good
from server.api.calls import Call, Listed, body, cut, listed, query
from server.api.groups import Version
from server.api.once import created
from server.api.parameters import Paged, Short, Time, arranged, one_of, order_of, sorts
from server.api.receiver_answers import Delivery, MadeReceiver, OneDelivery, Receiver, Rotated, Settings, Tested
from server.api.versions import tagged, version_of
from server.auth import RECEIVER_EDIT, RECEIVER_READ, Caller
from server.door import Door
from server.service.deliveries import SORTS, STATES, TOLD
from server.service.page import sifted
from server.service.receiver_settings import KINDS
from server.service.receivers import HEALTH, Change
from server.services import Services


class NewReceiver(msgspec.Struct, forbid_unknown_fields=True):
    """`kind`: webhook, alertmanager, chat or mail. `events`: the kinds of event it is told of, all unless given."""

    kind: str
    name: str
    enabled: bool = True
    min_severity: str = "info"
    selector: str = ""
    events: list[str] | None = None
    settings: Settings = msgspec.field(default_factory=Settings)
    secrets: dict[str, str] = {}


class ReceiverChange(msgspec.Struct, forbid_unknown_fields=True):
    """What is left out stays as it is; an empty secret is taken away."""

    name: str | None = None
    enabled: bool | None = None
    min_severity: str | None = None
    selector: str | None = None
    events: list[str] | None = None
    settings: Settings = msgspec.field(default_factory=Settings)
    secrets: dict[str, str] = {}


class ReceiverList(Short, frozen=True, kw_only=True):
    """All of them narrow down together."""

    q: Annotated[str, Meta(description="is looked for in name and selector")] = ""
    kind: Annotated[str, one_of(*KINDS)] = ""
    health: Annotated[str, one_of(*HEALTH)] = ""
    enabled: Annotated[bool, Meta(description="only those that are on, or off")] | None = None
    sort: Annotated[str, sorts("name", "kind", "health", "waiting", "failing_since", "ok_at", "updated_at")] = "name"


class DeliveryList(Paged, frozen=True, kw_only=True):
    """All of them narrow down together."""

    alert: Annotated[str, Meta(description="the id of an alert")] = ""
    receiver: Annotated[str, Meta(description="the id of a receiver")] = ""
    state: Annotated[str, one_of(*STATES)] = ""
    kind: Annotated[str, one_of(*TOLD)] = ""
    since: Annotated[Time, Meta(description="written then or later, UTC milliseconds")] | None = None
    until: Annotated[Time, Meta(description="written before, UTC milliseconds")] | None = None
    sort: Annotated[str, sorts(*SORTS)] = "-created_at"


def routes(door: Door, services: Services) -> list[Route]:
    receivers, deliveries = services.receivers, services.deliveries

    async def show_all(request: Request, caller: Caller) -> Response:
        wanted = query(request, ReceiverList)
        found = await receivers.all()
        fit = sifted(found, wanted.q, ("name", "selector"), kind=wanted.kind, health=wanted.health, enabled=wanted.enabled)
        return good(services.clock(), cut(wanted, arranged(fit, wanted.sort)))

    async def one(request: Request, caller: Caller) -> Response:
        row = await receivers.get(request.path_params["id"])
        return tagged(good(services.clock(), row), row["version"])

    async def make(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, NewReceiver)
        return await created(
            services,
            request,
            caller,
            now,
            tuple[str, str],
            lambda along: receivers.make(caller, wanted.kind, _change(wanted), now, along),
            lambda made: {"id": made[0], "version": 1, "secret": made[1] or None},
        )

    async def change(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, ReceiverChange)
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
        wanted = query(request, DeliveryList)
        page = await deliveries.page(
            wanted.receiver,
            wanted.state,
            wanted.size,
            wanted.offset,
            order_of(wanted.sort),
            alert_id=wanted.alert,
            kind=wanted.kind,
            since=wanted.since,
            until=wanted.until,
        )
        return good(services.clock(), listed(wanted, page.rows, page.total))

    async def delivery(request: Request, caller: Caller) -> Response:
        return good(services.clock(), await deliveries.get(request.path_params["id"]))

    async def again(request: Request, caller: Caller) -> Response:
        now = services.clock()
        await deliveries.again(caller, request.path_params["id"], now)
        return good(now, None)

    return [
        door.route("/api/v1/receivers", show_all, RECEIVER_READ, call=Call("Receivers", query=ReceiverList, answer=Listed[Receiver])),
        door.route(
            "/api/v1/receivers",
            make,
            RECEIVER_EDIT,
            ("POST",),
            Call("Make a receiver", body=NewReceiver, answer=MadeReceiver, status=201),
        ),
        door.route("/api/v1/receivers/{id}", one, RECEIVER_READ, call=Call("One receiver", answer=Receiver, etag=True)),
        door.route(
            "/api/v1/receivers/{id}",
            change,
            RECEIVER_EDIT,
            ("PATCH",),
            Call("Change a receiver", body=ReceiverChange, answer=Version, versioned=True),
        ),
        door.route("/api/v1/receivers/{id}", delete, RECEIVER_EDIT, ("DELETE",), Call("Delete a receiver", versioned=True)),
        door.route(
            "/api/v1/receivers/{id}/rotate",
            rotate,
            RECEIVER_EDIT,
            ("POST",),
            Call("Give a webhook a new secret; both count for a day", answer=Rotated, versioned=True),
        ),
        door.route(
            "/api/v1/receivers/{id}/test",
            test,
            RECEIVER_EDIT,
            ("POST",),
            Call("Send a test, and wait for the answer", answer=Tested),
        ),
        door.route(
            "/api/v1/deliveries", log, RECEIVER_READ, call=Call("What was told to whom", query=DeliveryList, answer=Listed[Delivery])
        ),
        door.route("/api/v1/deliveries/{id}", delivery, RECEIVER_READ, call=Call("One delivery with its attempts", answer=OneDelivery)),
        door.route("/api/v1/deliveries/{id}/again", again, RECEIVER_EDIT, ("POST",), Call("Send again what has failed")),
    ]


def _change(wanted: NewReceiver | ReceiverChange) -> Change:
    values = msgspec.structs.asdict(wanted)
    values.pop("kind", None)
    values["settings"] = {name: value for name, value in msgspec.structs.asdict(wanted.settings).items() if value is not UNSET}
    return Change(**values)
