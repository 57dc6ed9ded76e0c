"""`/api/v1/selectors/preview` and `/api/v1/filters`: what a selector would choose, and those that were saved (M1)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.answers import good
from server.api.calls import Answer, Call, Listed, body, cut, query
from server.api.once import created
from server.api.parameters import Short, arranged, sorts
from server.auth import NODE_EDIT, NODE_READ, Caller
from server.door import Door
from server.service.page import sifted
from server.service.selections import Preview
from server.services import Services


class Selector(msgspec.Struct, forbid_unknown_fields=True):
    """`language` is that of the explanation, `en` or `zh`."""

    selector: str
    language: str = "en"


class NewFilter(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    selector: str


class Filter(Answer):
    """A saved filter; they are everybody's."""

    id: str
    name: str
    selector: str
    author: str
    created_at: int


class FilterList(Short, frozen=True, kw_only=True):
    q: Annotated[str, Meta(description="is looked for in name and selector")] = ""
    author: Annotated[str, Meta(description="only those of this person, by name")] = ""
    sort: Annotated[str, sorts("name", "author", "created_at")] = "name"


class Made(Answer):
    """`id` of what was made."""

    id: str


def routes(door: Door, services: Services) -> list[Route]:
    async def preview(request: Request, caller: Caller) -> Response:
        wanted = await body(request, Selector)
        return good(services.clock(), await services.selections.preview(wanted.selector, wanted.language))

    async def filters(request: Request, caller: Caller) -> Response:
        wanted = query(request, FilterList)
        fit = sifted(await services.selections.filters(), wanted.q, ("name", "selector"), author=wanted.author)
        return good(services.clock(), cut(wanted, arranged(fit, wanted.sort)))

    async def save(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, NewFilter)
        return await created(
            services,
            request,
            caller,
            now,
            str,
            lambda along: services.selections.save(caller, wanted.name, wanted.selector, now, along),
            lambda made: {"id": made},
        )

    async def forget(request: Request, caller: Caller) -> Response:
        now = services.clock()
        await services.selections.forget(caller, request.path_params["id"], now)
        return good(now, None)

    return [
        door.route(
            "/api/v1/selectors/preview", preview, NODE_READ, ("POST",), Call("What a selector means now", body=Selector, answer=Preview)
        ),
        door.route("/api/v1/filters", filters, NODE_READ, call=Call("Saved filters", query=FilterList, answer=Listed[Filter])),
        door.route("/api/v1/filters", save, NODE_EDIT, ("POST",), Call("Save a selector", body=NewFilter, answer=Made, status=201)),
        door.route("/api/v1/filters/{id}", forget, NODE_EDIT, ("DELETE",), Call("Delete a saved filter")),
    ]
