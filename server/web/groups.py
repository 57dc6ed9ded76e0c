"""Groups: the trees with their counts, and one group to rename, move, protect or delete."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from server.auth import GROUP_EDIT, NODE_READ, Caller
from server.db import Row
from server.door import Door
from server.errors import BadInput, OpsError
from server.selector import written
from server.selector.ast import Group
from server.service.groups import KINDS, Change
from server.services import Services
from server.web import session
from server.web.once import once
from server.web.render import Pages
from server.web.session import Form


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    async def show(request: Request, caller: Caller) -> Response:
        return await page(request, Form({}), None)

    async def page(request: Request, draft: Form, problem: OpsError | None) -> Response:
        rows = [row | {"select": selector_of(row)} for row in await services.groups.tree()]
        values: dict[str, Any] = {
            "kinds": KINDS,
            "rows": rows,
            "draft": {name: draft.get(name) for name in ("place", "name", "protected")},
            "problem": problem,
            "field": problem.field if problem else "",
        }
        return pages.render(request, "groups", values, status=problem.status if problem else 200)

    async def make(request: Request, caller: Caller) -> Response:
        form = await session.form_of(request)
        kind, _, parent = form.get("place").partition("/")
        try:
            name, protected, make = form.get("name"), bool(form.get("protected")), services.groups.make
            await once(services, request, caller, str, lambda along: make(caller, kind, name, parent, protected, services.clock(), along))
        except BadInput as problem:
            return await page(request, form, problem)
        return RedirectResponse("/groups?notice=saved", 303)

    async def one(request: Request, caller: Caller) -> Response:
        return await edit(request, await services.groups.get(request.path_params["id"]), None)

    async def edit(request: Request, row: Row, problem: OpsError | None) -> Response:
        rows = await services.groups.tree()
        inside = f"{row['path']}/"
        places = [o for o in rows if o["kind"] == row["kind"] and o["id"] != row["id"] and not o["path"].startswith(inside)]
        values = {"group": row, "places": places, "select": selector_of(row), "problem": problem, "field": problem.field if problem else ""}
        return pages.render(request, "group", values, status=problem.status if problem else 200)

    async def change(request: Request, caller: Caller) -> Response:
        form, group_id = await session.form_of(request), request.path_params["id"]
        try:
            version = _version(form)
            if form.get("step") == "delete":
                more = {"move_up": bool(form.get("move_up")), "confirm": form.get("confirm").strip()}
                await services.groups.delete(caller, group_id, version, services.clock(), **more)  # type: ignore[arg-type]
                return RedirectResponse("/groups?notice=saved", 303)
            wanted = Change(form.get("name"), form.get("parent"), bool(form.get("protected")))
            await services.groups.change(caller, group_id, version, wanted, services.clock())
        except BadInput as problem:
            return await edit(request, await services.groups.get(group_id), problem)
        return RedirectResponse("/groups?notice=saved", 303)

    return [
        door.route("/groups", show, NODE_READ),
        door.route("/groups", make, GROUP_EDIT, ["POST"]),
        door.route("/groups/{id}", one, GROUP_EDIT),
        door.route("/groups/{id}", change, GROUP_EDIT, ["POST"]),
    ]


def selector_of(row: Row) -> str:
    """The selector for a group of the tree."""
    return written(Group(f"{row['kind']}/{row['path']}"))


def _version(form: Form) -> int:
    text = form.get("version")
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise BadInput("the form lacks the version that it was made of; load the page again")
    return int(text)
