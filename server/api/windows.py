"""`/api/v1/windows`: maintenance windows, when they open, and what to do about it (M2, M5). A change needs `If-Match`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.answers import good
from server.api.calls import Answer, Call, Listed, body, cut, query
from server.api.groups import Version
from server.api.once import created
from server.api.parameters import MAX_TIME, Short, Time, arranged, sorts
from server.api.versions import tagged, version_of
from server.auth import NODE_READ, WINDOW_EDIT, Caller
from server.door import Door
from server.errors import BadInput
from server.service.page import sifted
from server.service.windows import Active, Look, Wanted, Window
from server.services import Services
from server.windows import Occurrence

DAY_MS = 86_400_000
RANGE_MS = 30 * DAY_MS
MAX_RANGE_MS = 400 * DAY_MS


class Opening(Answer):
    """[start, end) in UTC ms; `local` is its start by the clocks of `zone`. `clock`: such a time did not exist that night (`gap`)
    or came twice (`fold`)."""

    start: int
    end: int
    local: str
    clock: Literal["", "gap", "fold"]
    zone: str


class ScheduleShown(Answer):
    """The fields of docs/windows.md; `cuts`: UTC ms at which somebody ended what was open."""

    start: str
    minutes: int
    repeat: str
    every: int
    weekdays: list[int]
    day: int
    nth: int
    until: str
    count: int
    skip: list[str]
    cuts: list[int]


class WindowShown(Answer):
    """`zone` is an IANA name, or `host`: each host's own. `damaged`: why it never opens, of one that was damaged outside the manager."""

    id: str
    name: str
    reason: str
    selector: str
    schedule: ScheduleShown
    zone: str
    silence_alerts: bool
    opens_for_commands: bool
    enabled: bool
    version: int
    created_by: str
    created_at: int
    updated_by: str
    updated_at: int
    damaged: str


class WindowListed(WindowShown):
    """`open`: for any of its nodes, now."""

    occurrences: list[Opening]
    open: bool


class Windows(Listed[WindowListed]):
    """With their openings in [since, until)."""

    since: int
    until: int


class Looked(Answer):
    """`zones`: how many of its nodes go by which. `names`: of its first nodes. `overlaps`: names of windows that are open at
    the same time for some of the same nodes. `problem`: why its selector means nothing any more."""

    zones: dict[str, int]
    nodes: int
    names: list[str]
    overlaps: list[str]
    problem: str
    next: list[Opening]
    warnings: list[str]


class WindowLooked(WindowShown):
    """With what `Looked` says of it."""

    zones: dict[str, int]
    nodes: int
    names: list[str]
    overlaps: list[str]
    problem: str
    next: list[Opening]
    warnings: list[str]


class MadeWindow(Answer):
    id: str
    version: int


class Change(msgspec.Struct, forbid_unknown_fields=True):
    """What is left out stays as it is, or as it is for a new window. `schedule` is whole: see docs/windows.md."""

    name: str | None = None
    reason: str | None = None
    selector: str | None = None
    schedule: dict[str, Any] | None = None
    zone: str | None = None
    silence_alerts: bool | None = None
    opens_for_commands: bool | None = None
    enabled: bool | None = None

    def wanted(self) -> Wanted:
        return Wanted(
            self.name, self.reason, self.selector, self.schedule, self.zone, self.silence_alerts, self.opens_for_commands, self.enabled
        )


class WindowList(Short, frozen=True, kw_only=True):
    """`since` and `until` are of the openings that are told: by default the next 30 days."""

    q: Annotated[str, Meta(description="is looked for in name, reason and selector")] = ""
    enabled: Annotated[bool, Meta(description="only those that are on, or off")] | None = None
    open: Annotated[bool, Meta(description="only those that are open now for any node, or that are not")] | None = None
    sort: Annotated[str, sorts("name", "enabled", "created_at", "updated_at")] = "name"
    since: Time | None = None
    until: Time | None = None


class Skipped(msgspec.Struct, forbid_unknown_fields=True):
    """`date` of an opening's start, in the window's zone."""

    date: str


def routes(door: Door, services: Services) -> list[Route]:
    windows = services.windows

    async def page(request: Request, caller: Caller) -> Response:
        now = services.clock()
        asked = query(request, WindowList)
        since = now if asked.since is None else asked.since
        until = min(since + RANGE_MS, MAX_TIME) if asked.until is None else asked.until
        if not since < until <= since + MAX_RANGE_MS:
            raise BadInput(f"until: after since, by {MAX_RANGE_MS // DAY_MS} days at most", field="until")
        opened = await windows.calendar(since, until, now)
        running = {each.window.id for each in await windows.calendar(now, now + 1, now)}
        wanted = sifted([shown(one) for one in await windows.every()], asked.q, ("name", "reason", "selector"), enabled=asked.enabled)
        items = [
            one
            | {"occurrences": [_occurrence(each.at) | {"zone": each.zone} for each in opened if each.window.id == one["id"]]}
            | {"open": one["id"] in running}
            for one in wanted
        ]
        found = arranged(sifted(items, open=asked.open), asked.sort)
        return good(now, cut(asked, found) | {"since": since, "until": until})

    async def one(request: Request, caller: Caller) -> Response:
        now, window = services.clock(), await windows.get(request.path_params["id"])
        return tagged(good(now, shown(window) | looked(await windows.look(window, now))), window.version)

    async def preview(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, Change)
        return good(now, looked(await windows.look(await windows.draft("", caller.name, wanted.wanted(), now), now)))

    async def make(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, Change)
        return await created(
            services,
            request,
            caller,
            now,
            str,
            lambda along: windows.make(caller, wanted.wanted(), now, along),
            lambda made: {"id": made, "version": 1},
        )

    async def change(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, Change)
        return good(now, {"version": await windows.change(caller, request.path_params["id"], version_of(request), wanted.wanted(), now)})

    async def delete(request: Request, caller: Caller) -> Response:
        now = services.clock()
        await windows.delete(caller, request.path_params["id"], version_of(request), now)
        return good(now, None)

    async def end(request: Request, caller: Caller) -> Response:
        now = services.clock()
        return good(now, {"version": await windows.end_now(caller, request.path_params["id"], now)})

    async def skip(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, Skipped)
        return good(now, {"version": await windows.skip(caller, request.path_params["id"], wanted.date, now)})

    return [
        door.route("/api/v1/windows", page, NODE_READ, call=Call("Windows with their openings", query=WindowList, answer=Windows)),
        door.route("/api/v1/windows", make, WINDOW_EDIT, ("POST",), Call("Make a window", body=Change, answer=MadeWindow, status=201)),
        door.route("/api/v1/windows/preview", preview, NODE_READ, ("POST",), Call("What a window would be", body=Change, answer=Looked)),
        door.route("/api/v1/windows/{id}", one, NODE_READ, call=Call("One window", answer=WindowLooked, etag=True)),
        door.route(
            "/api/v1/windows/{id}", change, WINDOW_EDIT, ("PATCH",), Call("Change a window", body=Change, answer=Version, versioned=True)
        ),
        door.route("/api/v1/windows/{id}", delete, WINDOW_EDIT, ("DELETE",), Call("Delete a window", versioned=True)),
        door.route("/api/v1/windows/{id}/end", end, WINDOW_EDIT, ("POST",), Call("End it now, if it is open", answer=Version)),
        door.route("/api/v1/windows/{id}/skip", skip, WINDOW_EDIT, ("POST",), Call("Skip one opening", body=Skipped, answer=Version)),
    ]


def shown(window: Window) -> dict[str, Any]:
    data = asdict(window)
    return data | {"silence_alerts": data.pop("silences"), "opens_for_commands": data.pop("opens")}


def looked(look: Look) -> dict[str, Any]:
    data = {name: getattr(look, name) for name in ("zones", "nodes", "names", "overlaps", "problem")}
    return data | {"next": [_occurrence(one) | {"zone": look.zone} for one in look.next], "warnings": look.odd}


def maintenance(active: Active | None) -> dict[str, Any] | None:
    """How a node says that it is in a window."""
    if active is None:
        return None
    found = {"window_id": active.window_id, "name": active.name, "ends_at": active.ends_at}
    return found | {"silence_alerts": active.silences, "opens_for_commands": active.opens}


def _occurrence(one: Occurrence) -> dict[str, Any]:
    return {"start": one.start, "end": one.end, "local": one.local, "clock": one.odd}
