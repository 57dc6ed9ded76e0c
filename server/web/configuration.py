"""The daemon's configuration of one node: the file in force, how it came to be, and a new one: edit → look at the change → push.

What was typed is never lost: a mistake or a file that changed meanwhile shows the editor again, with all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from host.wire import orders, states
from host.wire.masking import MASK
from server.auth import NODE_CONTROL, NODE_READ, Caller
from server.db import Row
from server.door import Door
from server.errors import BadInput, Conflict, OpsError
from server.services import Services
from server.web import session, targets
from server.web.diffs import Line, counts, diff
from server.web.render import Pages

CHANGED = "the file in force has changed since you began; compare the two, then push again"


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    async def known(request: Request) -> tuple[Row, Row]:
        node = await services.nodes.get(request.path_params["id"])
        daemon = await services.nodes.daemon(node["id"])
        return node, daemon if daemon.get("configuration_hash") else {}

    async def show(request: Request, caller: Caller) -> Response:
        node, present = await known(request)
        history = await services.nodes.configurations(node["id"])
        values: dict[str, Any] = {
            "node": node,
            "present": present,
            "history": history,
            "since": _since(present, history),
            "mask": MASK,
            "stale": bool(present) and node["state"] != states.ONLINE,
            "editable": bool(present) and node["state"] not in (states.RETIRED, states.QUARANTINED),
        }
        return pages.render(request, "configuration", values)

    async def edit(request: Request, caller: Caller) -> Response:
        node, present = await known(request)
        return editor(request, node, present, present.get("configuration", ""), None)

    def editor(request: Request, node: Row, present: Row, text: str, problem: OpsError | None) -> Response:
        if not present:
            raise Conflict("the daemon has not told its configuration yet, so there is nothing to edit")
        conflict = problem is not None and problem.status == 409
        values: dict[str, Any] = {
            "node": node,
            "present": present,
            "text": text,
            "problem": problem,
            "field": problem.field if problem else "",
            "changes": diff(present["configuration"], text) if conflict else [],
            "conflict": conflict,
            "mask": MASK,
        }
        return pages.render(request, "configuration_edit", values, status=problem.status if problem else 200)

    async def send(request: Request, caller: Caller) -> Response:
        fields = await session.form_of(request)
        node, present = await known(request)
        text, base = fields.get("text"), fields.get("base")
        try:
            if fields.get("step") == "edit":
                return editor(request, node, present, text, None)
            changes = _checked(present, text, base)
            names = fields.all("confirm")
            if fields.get("step") != "go":
                return await preview(request, node, text, base, changes, names, None)
            try:
                command = await services.orders.give(
                    caller, node["id"], orders.CONFIGURE, services.clock(), text=text, base=base, confirm=names
                )
            except Conflict as refused:
                if refused.field != "confirm":
                    raise
                return await preview(request, node, text, base, changes, names, refused)
        except BadInput as problem:
            return editor(request, node, present, text, problem)
        return RedirectResponse(f"/commands/{command}", 303)

    async def preview(
        request: Request, node: Row, text: str, base: str, changes: list[Line], names: Sequence[str], problem: OpsError | None
    ) -> Response:
        added, removed = counts(changes)
        values: dict[str, Any] = {"node": node, "text": text, "base": base, "changes": changes, "added": added, "removed": removed}
        values["ttl"] = services.config.command_ttl
        values["guards"] = targets.confirming(await services.groups.guarding([node["id"]]), names)
        values |= {"problem": problem, "field": problem.field if problem else ""}
        return pages.render(request, "configuration_preview", values, status=problem.status if problem else 200)

    return [
        door.route("/nodes/{id}/configuration", show, NODE_READ),
        door.route("/nodes/{id}/configuration/edit", edit, NODE_CONTROL),
        door.route("/nodes/{id}/configuration/edit", send, NODE_CONTROL, ["POST"]),
    ]


def _checked(present: Row, text: str, base: str) -> list[Line]:
    """What changes. Raises BadInput, Conflict. Whether the keys make sense is for the host to say, which knows its version."""
    if not text.strip():
        raise BadInput("text: it is empty; a configuration names at least its manager", field="text")
    if len(text.encode()) > orders.MAX_CONFIGURATION_BYTES:
        raise BadInput(f"text: larger than {orders.MAX_CONFIGURATION_BYTES} bytes", field="text")
    if present and base != present["configuration_hash"]:
        raise Conflict(CHANGED, field="text")
    changes = diff(present["configuration"] if present else "", text)
    if not changes:
        raise BadInput("text: nothing is changed yet", field="text")
    return changes


def _since(present: Row, history: list[Row]) -> int:
    """Since when the present file is in force: daemons tell it again at every start."""
    since = present.get("configuration_at", 0)
    for row in history:
        if row["hash"] != present.get("configuration_hash"):
            break
        since = row["at"]
    return int(since)
