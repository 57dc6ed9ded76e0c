"""Changing what people write on one node, and the custom fields. Of many at once: bulk.py."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from server.auth import NODE_EDIT, NODE_READ, Caller
from server.door import Door
from server.errors import BadInput, OpsError
from server.service.groups import KINDS
from server.service.node_edit import NodeChange
from server.service.selections import FIELD_TYPES
from server.services import Services
from server.web import session, targets
from server.web.once import once
from server.web.render import Pages
from server.web.session import Form


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    async def edit(request: Request, caller: Caller) -> Response:
        return await one(request, request.path_params["id"], None, None)

    async def one(request: Request, node_id: str, draft: Form | None, problem: OpsError | None) -> Response:
        node = await services.nodes.get(node_id)
        held = {row["kind"]: row["id"] for row in (await services.groups.of_nodes([node_id])).get(node_id, [])}
        fields = await services.edits.fields()
        present = (await services.edits.values_of([node_id])).get(node_id, {})
        tags = "\n".join(f"{name}={value}" for name, value in node["tags"].items())
        values = {
            "node": node,
            "tags": draft.get("tags") if draft else tags,
            "version": draft.get("version") if draft else node["version"],
            "changed": problem is not None and problem.status == 409 and not problem.field,
            "groups": await services.groups.tree(),
            "kinds": KINDS,
            "held": {kind: draft.get(f"group-{kind}") if draft else held.get(kind, "") for kind in KINDS},
            "fields": [row | {"value": draft.get(f"field-{row['name']}") if draft else present.get(row["name"], "")} for row in fields],
            "guards": targets.confirming(await services.groups.guarding([node_id]), draft.all("confirm") if draft else []),
            "problem": problem,
            "at": problem.field if problem else "",
        }
        return pages.render(request, "node_edit", values, status=problem.status if problem else 200)

    async def save(request: Request, caller: Caller) -> Response:
        form, node_id, now = await session.form_of(request), request.path_params["id"], services.clock()
        try:
            version, tags = _version(form), tags_of(form.get("tags"), "tags")
            change = NodeChange(tags, form.starting("group-"), form.starting("field-"))
            await services.node_edit.edit(caller, node_id, version, change, now, form.all("confirm"))
        except BadInput as problem:
            return await one(request, node_id, form, problem)
        return RedirectResponse(f"/nodes/{node_id}?notice=saved", 303)

    async def note(request: Request, caller: Caller) -> Response:
        form, node_id = await session.form_of(request), request.path_params["id"]
        text, now = form.get("text"), services.clock()
        await once(services, request, caller, str, lambda along: services.edits.note(caller, node_id, text, now, along))
        return RedirectResponse(f"/nodes/{node_id}?notice=saved#h-notes", 303)

    async def delete_note(request: Request, caller: Caller) -> Response:
        node_id = request.path_params["id"]
        await services.edits.delete_note(caller, node_id, request.path_params["note"], services.clock())
        return RedirectResponse(f"/nodes/{node_id}?notice=saved#h-notes", 303)

    async def fields(request: Request, caller: Caller) -> Response:
        return await list_fields(request, Form({}), None)

    async def list_fields(request: Request, draft: Form, problem: OpsError | None) -> Response:
        values = {
            "rows": await services.edits.fields(),
            "types": list(FIELD_TYPES),
            "draft": {name: draft.get(name) for name in ("name", "title", "type", "choices")},
            "problem": problem,
            "at": problem.field if problem else "",
        }
        return pages.render(request, "node_fields", values, status=problem.status if problem else 200)

    async def define(request: Request, caller: Caller) -> Response:
        form = await session.form_of(request)
        choices = [line.strip() for line in form.get("choices").split("\n") if line.strip()]
        try:
            name, title, kind = (form.get(part) for part in ("name", "title", "type"))
            define, now = services.edits.define, services.clock()
            await once(services, request, caller, int, lambda along: define(caller, name, title, kind, choices, now, along))
        except BadInput as problem:
            return await list_fields(request, form, problem)
        return RedirectResponse("/fields?notice=saved", 303)

    async def undefine(request: Request, caller: Caller) -> Response:
        form, version = await session.form_of(request), 0
        if form.get("version").isascii() and form.get("version")[:9].isdigit():
            version = int(form.get("version")[:9])
        try:
            await services.edits.undefine(caller, request.path_params["id"], version, services.clock())
        except BadInput as problem:
            return await list_fields(request, Form({}), problem)
        return RedirectResponse("/fields?notice=saved", 303)

    return [
        door.route("/nodes/{id}/edit", edit, NODE_EDIT),
        door.route("/nodes/{id}/edit", save, NODE_EDIT, ["POST"]),
        door.route("/nodes/{id}/notes", note, NODE_EDIT, ["POST"]),
        door.route("/nodes/{id}/notes/{note}/delete", delete_note, NODE_EDIT, ["POST"]),
        door.route("/fields", fields, NODE_READ),
        door.route("/fields", define, NODE_EDIT, ["POST"]),
        door.route("/fields/{id}/delete", undefine, NODE_EDIT, ["POST"]),
    ]


def tags_of(text: str, field: str) -> dict[str, str]:
    """One a line, `name=value`. Raises BadInput."""
    tags = {}
    for line in text.split("\n"):
        if line.strip():
            name, _, value = line.partition("=")
            if not name.strip():
                raise BadInput("tags: write each as name=value, one a line", field=field)
            tags[name.strip()] = value.strip()
    return tags


def _version(form: Form) -> int:
    """The version that was shown. Raises BadInput."""
    text = form.get("version")
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise BadInput("version: load the page again; it says which version of the node it shows", field="version")
    return int(text)
