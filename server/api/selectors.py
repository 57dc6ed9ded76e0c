"""`/api/v1/selectors/preview` and `/api/v1/filters`: what a selector would choose, and those that were saved (M1)."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.answers import body, good
from server.auth import NODE_EDIT, NODE_READ, Caller
from server.door import Door
from server.services import Services


class Selector(msgspec.Struct, forbid_unknown_fields=True):
    """`language` is that of the explanation, `en` or `zh`."""

    selector: str
    language: str = "en"


class Filter(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    selector: str


def routes(door: Door, services: Services) -> list[Route]:
    async def preview(request: Request, caller: Caller) -> Response:
        wanted = await body(request, Selector)
        return good(services.clock(), await services.selections.preview(wanted.selector, wanted.language))

    async def filters(request: Request, caller: Caller) -> Response:
        items = await services.selections.filters()
        return good(services.clock(), {"items": items, "total": len(items)})

    async def save(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, Filter)
        return good(now, {"id": await services.selections.save(caller, wanted.name, wanted.selector, now)}, 201)

    async def forget(request: Request, caller: Caller) -> Response:
        now = services.clock()
        await services.selections.forget(caller, request.path_params["id"], now)
        return good(now, None)

    return [
        door.route("/api/v1/selectors/preview", preview, NODE_READ, ("POST",)),
        door.route("/api/v1/filters", filters, NODE_READ),
        door.route("/api/v1/filters", save, NODE_EDIT, ("POST",)),
        door.route("/api/v1/filters/{id}", forget, NODE_EDIT, ("DELETE",)),
    ]
