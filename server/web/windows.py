"""Maintenance windows: as a list and as a calendar, one of them, and the form that shows when it would open."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from server.auth import NODE_READ, WINDOW_EDIT, Caller
from server.door import Door
from server.errors import BadInput, BadSelector, OpsError
from server.service.page import sifted
from server.service.windows import Opened, Wanted, Window
from server.services import Services
from server.web import calendar, session, window_form, window_words
from server.web.filters import choice, switch
from server.web.once import once
from server.web.render import Pages
from server.web.window_form import Draft
from server.windows import HOST, zone_of

VIEWS = ("list", "month", "week")
ZONES = (
    "UTC",
    "Europe/London",
    "Europe/Berlin",
    "Europe/Moscow",
    "America/New_York",
    "America/Chicago",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Asia/Singapore",
    "Asia/Kolkata",
    "Australia/Sydney",
)
AHEAD_MS = 60 * 86_400_000


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    windows = services.windows

    async def show(request: Request, caller: Caller) -> Response:
        query, now = request.query_params, services.clock()
        every = await windows.every()
        view = choice(query, "view", VIEWS) or "list"
        kept = {name: query.get(name, "").strip()[:200] for name in ("q", "enabled", "open")}
        rows = [row_of(one, await windows.calendar_of(one, now, now + AHEAD_MS), request) for one in every]
        fit = sifted(
            [vars(row["window"]) | {"open": row["running"] is not None, "row": row} for row in rows],
            kept["q"],
            ("name", "reason", "selector"),
            enabled=switch(query, "enabled"),
            open=switch(query, "open"),
        )
        named = Counter(one.zone for one in every if one.zone != HOST)
        zones = list(dict.fromkeys([*(name for name, _ in named.most_common()), *ZONES]))
        zone = query.get("zone", "") or zones[0]
        clocks = zone_of(zone)
        if clocks is None:
            raise BadInput(f"zone: {zone[:40]!r} is no time zone; write one such as Europe/Berlin or UTC, or host for each host's own")
        today = datetime.fromtimestamp(now / 1000, clocks).date()
        values: dict[str, Any] = {"view": view, "views": VIEWS, "zone": zone, "zones": zones, "any": bool(every), "words_of": window_words}
        values |= {"rows": [one["row"] for one in fit], "kept": kept}
        values["shown"] = kept if view == "list" else {**kept, "view": view, "zone": zone}
        if view != "list":
            if view == "month":
                first, before, after = calendar.month_of(query.get("at", ""), today)
                begin, number, month = calendar.monday_of(first), 6, first.month
            else:
                first = begin = calendar.monday_of(calendar.day_of(query.get("at", ""), today))
                before, after, number, month = begin - timedelta(days=7), begin + timedelta(days=7), 1, 0
            since, until = calendar.bounds(begin, clocks)[0], calendar.bounds(begin + timedelta(days=number * 7), clocks)[0]
            wanted = {one["id"] for one in fit}
            opened = [one for one in await windows.calendar(since, until, now) if one.window.id in wanted]
            weeks = calendar.weeks(opened, begin, number, clocks, now, month)
            if month:
                weeks = [week for week in weeks if any(day.inside for day in week)]
            values |= {"weeks": weeks, "first": first, "before": before, "after": after, "last": begin + timedelta(days=6)}
        return pages.render(request, "windows", values, block="list")

    def row_of(window: Window, ahead: list[Opened], request: Request) -> dict[str, Any]:
        running = [one for one in ahead if one.at.start <= services.clock() < one.at.end]
        coming = [one for one in ahead if one not in running]
        said = "" if window.damaged else window_words.in_words(window.schedule, pages.language(request).gettext)
        return {"window": window, "running": running[-1] if running else None, "next": coming[0] if coming else None, "said": said}

    async def one(request: Request, caller: Caller) -> Response:
        return await detail(request, await windows.get(request.path_params["id"]), None)

    async def detail(request: Request, window: Window, problem: OpsError | None) -> Response:
        now = services.clock()
        values = row_of(window, await windows.calendar_of(window, now, now + AHEAD_MS), request)
        values |= {"look": await windows.look(window, now), "waiting": await services.holding.waiting_for(window.id)}
        values |= {"problem": problem, "words_of": window_words}
        return pages.render(request, "window", values, status=problem.status if problem else 200)

    async def act(request: Request, caller: Caller) -> Response:
        form, window_id, now = await session.form_of(request), request.path_params["id"], services.clock()
        step = form.get("step")
        try:
            if step == "end":
                await once(services, request, caller, int, lambda along: windows.end_now(caller, window_id, now, along))
            elif step == "skip":
                date = form.get("date")
                await once(services, request, caller, int, lambda along: windows.skip(caller, window_id, date, now, along))
            elif step in ("on", "off"):
                await windows.change(caller, window_id, version_of(form.get("version")), Wanted(enabled=step == "on"), now)
            elif step == "delete":
                await windows.delete(caller, window_id, version_of(form.get("version")), now)
                return RedirectResponse("/windows?notice=window-deleted", 303)
            else:
                raise BadInput("step: end, skip, on, off or delete", field="step")
        except BadInput as problem:
            return await detail(request, await windows.get(window_id), problem)
        return RedirectResponse(f"/windows/{window_id}?notice=saved", 303)

    async def new(request: Request, caller: Caller) -> Response:
        query = request.query_params
        selector, day = query.get("select", "")[:2100], query.get("date", "")
        today = datetime.fromtimestamp(services.clock() / 1000, zone_of("UTC")).date()
        chosen = calendar.day_of(day, today).isoformat() if day else ""
        return await form_page(request, caller, None, window_form.new(services.clock(), selector, chosen), None)

    async def edit(request: Request, caller: Caller) -> Response:
        window = await windows.get(request.path_params["id"])
        return await form_page(
            request, caller, window, window_form.anew(window, services.clock()) if window.damaged else window_form.of(window), None
        )

    async def form_page(request: Request, caller: Caller, window: Window | None, draft: Draft, problem: BadInput | None) -> Response:
        field = window_form.field_of(problem) if problem else ""
        values = {"window": window, "draft": draft, "zones": ["host", *ZONES], "problem": problem, "field": field, "words_of": window_words}
        return pages.render(request, "window_edit", values, status=problem.status if problem else 200)

    async def save(request: Request, caller: Caller) -> Response:
        form, now = await session.form_of(request), services.clock()
        draft, window_id = window_form.typed(form), request.path_params.get("id", "")
        try:
            wanted = window_form.wanted(draft)
            if window_id:
                await windows.change(caller, window_id, version_of(form.get("version")), wanted, now)
            else:
                window_id = await once(services, request, caller, str, lambda along: windows.make(caller, wanted, now, along))
        except BadInput as problem:
            return await form_page(request, caller, await windows.get(window_id) if window_id else None, draft, problem)
        return RedirectResponse(f"/windows/{window_id}?notice=saved", 303)

    async def preview(request: Request, caller: Caller) -> Response:
        """What the form would make: of a window that is there already under its id, so that it does not overlap with itself."""
        form, now = await session.form_of(request), services.clock()
        draft, problem, look = window_form.typed(form), None, None
        zone, said = draft.get("zone").strip(), ""
        try:
            wanted = window_form.wanted(draft)
            # A name that is still to be typed does not keep the times from being shown.
            made = await windows.draft(form.get("id")[:26], caller.name, Wanted(**{**vars(wanted), "name": wanted.name or "?"}), now)
            look, said = await windows.look(made, now), window_words.in_words(made.schedule, pages.language(request).gettext)
        except BadInput as wrong:
            window_form.field_of(wrong)
            problem = wrong
        column = problem.column if isinstance(problem, BadSelector) else 0
        values: dict[str, Any] = {"look": look, "problem": problem, "zone": zone, "said": said, "column": column, "words_of": window_words}
        return pages.render(request, "window_preview", values, block="preview")

    return [
        door.route("/windows", show, NODE_READ),
        door.route("/windows", save, WINDOW_EDIT, ["POST"]),
        door.route("/windows/new", new, WINDOW_EDIT),
        door.route("/windows/preview", preview, WINDOW_EDIT, ["POST"]),
        door.route("/windows/{id}", one, NODE_READ),
        door.route("/windows/{id}", act, WINDOW_EDIT, ["POST"]),
        door.route("/windows/{id}/edit", edit, WINDOW_EDIT),
        door.route("/windows/{id}/edit", save, WINDOW_EDIT, ["POST"]),
    ]


def version_of(text: str) -> int:
    """Raises BadInput."""
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise BadInput("the form lacks the version that it was made of; load the page again")
    return int(text)
