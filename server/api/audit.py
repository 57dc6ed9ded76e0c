"""`/api/v1/audit`: what people did, newest first, and whether the record is whole (M8, S4)."""

from __future__ import annotations

import json
from typing import Annotated, Any

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.answers import good
from server.api.calls import Answer, Call, Listed, listed, query
from server.api.parameters import Paged, Time, order_of, sorts
from server.auth import AUDIT_READ, Caller
from server.db import Row
from server.door import Door
from server.service.audit import FILTERS, SORTS
from server.services import Services


class Entry(Answer):
    """What somebody did; `detail` depends on the action. `user_id` is empty for hosts and the manager itself."""

    id: int
    created_at: int
    user_id: str
    actor: str
    action: str
    resource: str
    detail: dict[str, Any]
    ip: str


class EntryList(Paged, frozen=True, kw_only=True):
    """All of them narrow down together."""

    actor: Annotated[str, Meta(description="who did it: a name, in full")] = ""
    action: Annotated[str, Meta(description="what was done, such as node.retire")] = ""
    resource: Annotated[str, Meta(description="on what, such as node 01K9…")] = ""
    since: Annotated[Time, Meta(description="then or later, UTC milliseconds")] | None = None
    until: Annotated[Time, Meta(description="before, UTC milliseconds")] | None = None
    sort: Annotated[str, sorts(*SORTS)] = "-id"


class Verified(Answer):
    """`first_broken`: the number of the first entry that is not as it was written, or missing."""

    intact: bool
    first_broken: int | None


def routes(door: Door, services: Services) -> list[Route]:
    async def page(request: Request, caller: Caller) -> Response:
        wanted = query(request, EntryList)
        narrow = {name: getattr(wanted, name) for name in FILTERS}
        found = await services.audit.page(wanted.size, wanted.offset, order_of(wanted.sort), **narrow)
        return good(services.clock(), listed(wanted, [_shown(row) for row in found.rows], found.total))

    async def verify(request: Request, caller: Caller) -> Response:
        broken = await services.audit.first_broken()
        return good(services.clock(), {"intact": broken is None, "first_broken": broken})

    return [
        door.route(
            "/api/v1/audit",
            page,
            AUDIT_READ,
            call=Call("What people and hosts did", query=EntryList, answer=Listed[Entry]),
        ),
        door.route("/api/v1/audit/verify", verify, AUDIT_READ, call=Call("Whether every entry is as it was written", answer=Verified)),
    ]


def _shown(row: Row) -> dict[str, Any]:
    try:
        detail = json.loads(row["detail"])
    except ValueError:
        # Longer than its column, so cut off: still worth reading.
        detail = {"text": row["detail"]}
    return {**row, "detail": detail}
