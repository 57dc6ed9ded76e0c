"""Run something: choose the kind, fill in its form, look at what will happen and where, then go. Nothing typed is lost on the way."""

from __future__ import annotations

import json
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from host.wire.schema import Schema
from host.wire.states import OFFLINE, ONLINE, QUARANTINED, UNKNOWN
from host.wire.tasks import KINDS, Script
from server.auth import COMMAND_RUN, FILE_READ, Caller
from server.db import Along, Row
from server.door import Door
from server.errors import BadInput, Conflict, OpsError
from server.service.commands import Submitted
from server.service.contents import readable, withheld
from server.service.files import READY
from server.service.kinds import BUILTIN, Fitting
from server.service.selections import TAKES_COMMANDS
from server.service.window_rows import wall
from server.service.windows import Opening
from server.services import Services
from server.web import contents, forms, session, targets
from server.web.forms import Draft
from server.web.once import once
from server.web.render import Pages, address
from server.web.session import Form

OFFERED = 200
"""Nodes to choose from on the page itself; for more there is the list of nodes with its filter."""

STORED = 100
"""The newest files of the manager's store, to choose from; of others the id can be entered."""

WAITS = ("86400", "604800", "2592000")
"""How long a command may wait for a maintenance window, as the form offers it."""

_TO_KIND = "kind:"


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    async def schemas(nodes: list[str], wanted: str) -> dict[str, Schema]:
        """Kind → its widest schema on the nodes, on all of them where none is chosen. `wanted` is among them even if these lack it."""
        if not nodes:
            return await services.kinds.schemas()
        found = {one.schema.kind: one.schema for one in await services.kinds.offers(nodes)}
        if wanted not in found and (other := (await services.kinds.schemas()).get(wanted)):
            found[wanted] = other
        return found

    async def form(request: Request, caller: Caller) -> Response:
        query = request.query_params
        draft = Draft(nodes=query.getlist("node"), kind=query.get("kind", Script.KIND)[:64])
        if query.get("again"):
            command = await services.commands.get(query["again"])
            schema = (await schemas([command["node_id"]], command["kind"])).get(command["kind"])
            draft = again(command, schema, draft.nodes or [command["node_id"]])
        elif query.get("match"):
            # What was searched for by text has no selector: the nodes are named one by one.
            read = await services.selections.read(query["select"]) if query.get("select") else None
            text, state = query.get("q", ""), query.get("state", "")
            selected = read.condition if read else None
            found = await services.nodes.matching(q=text, state=state, selected=selected)
            draft = replace(draft, nodes=[row["id"] for row in found if row["state"] in TAKES_COMMANDS])
        else:
            draft = replace(draft, select=targets.text_of(query.get("select", "")))
        return await show(request, caller, draft, None)

    async def show(request: Request, caller: Caller, draft: Draft, problem: OpsError | None) -> Response:
        nodes = await services.nodes.matching(q="", state="")
        chosen = set(draft.nodes)
        # Those that are chosen stand first, so that they are seen without a search.
        nodes.sort(key=lambda row: (row["id"] not in chosen, row["state"] != ONLINE, row["name"]))
        meant = await targets.meant(services, draft.select, pages.language(request).code)
        kinds = await schemas([*draft.nodes, *meant.ids], draft.kind)
        schema = kinds.get(draft.kind) or kinds.get(Script.KIND) or BUILTIN[Script.KIND]
        own, limits, timeout = forms.rows(schema, draft, pages.language(request).gettext)
        fields = {one.name for one in schema.fields}
        files = caller.may(FILE_READ) and any(one.type == "file" for one in schema.fields)
        stored = (await services.files.page(STORED, 0)).rows if files else []
        values: dict[str, Any] = {
            "draft": draft,
            "kinds": list(kinds.values()),
            "builtin": KINDS,
            "schema": schema,
            "rows": own,
            "limits": limits,
            "time_limit": timeout,
            "can_try": forms.can_try(schema),
            "try_only": forms.only_of(schema, forms.DRY_RUN),
            "others": {name: text for name, text in draft.typed.items() if name not in fields},
            "sealed": forms.seal(services.keys.seals, draft, caller.id, services.clock()),
            "stored": [row for row in stored if row["state"] == READY],
            "chosen": chosen,
            "meant": meant,
            "offers": await targets.offers(services),
            "waits": WAITS,
            "offered": nodes[: max(OFFERED, len(chosen))],
            "total": len(nodes),
            "problem": problem,
            "field": problem.field if problem else "",
            "at_a_field": problem is not None
            and problem.field in (fields - {forms.DRY_RUN} | {"nodes", "type", "select", "wait_for_window"}),
        }
        return pages.render(request, "run", values, status=problem.status if problem else 200)

    async def send(request: Request, caller: Caller) -> Response:
        fields = await session.form_of(request)
        step = fields.get("step")
        draft = typed(fields)
        schema = (await schemas(draft.nodes, draft.kind)).get(draft.kind)
        try:
            draft = replace(draft, kept=forms.unseal(services.keys.seals, fields.get("sealed"), caller.id, services.clock()))
            draft = forms.hide(schema, draft, list(fields.starting("drop.")))
            if step.startswith(_TO_KIND):
                return await show(request, caller, replace(draft, kind=step[len(_TO_KIND) :]), None)
            if step == "edit":
                return await show(request, caller, draft, None)
            if schema is None:
                raise BadInput(f"type: {draft.kind[:40]!r} is unknown; choose another kind", field="type")
            draft = replace(draft, dry=forms.can_try(schema) and step in ("try", "dry"))
            content = forms.content_of(schema, draft)
            draft = await freeze(draft)
            fit = await services.kinds.fitting(draft.frozen, draft.kind, content)
            if step not in ("go", "dry"):
                return await preview(request, caller, draft, fit, [], None)
            names = fields.all("confirm")
            try:
                done = await submit(request, caller, draft, content, names)
            except Conflict as refused:
                if refused.field != "confirm":
                    raise
                return await preview(request, caller, draft, fit, names, refused)
        except BadInput as found:
            problem = _at_place(found)
            return await show(request, caller, forms.hide(schema, draft, [problem.field]), problem)
        if len(done.commands) == 1:
            return RedirectResponse(f"/commands/{next(iter(done.commands.values()))}", 303)
        return RedirectResponse(address("/commands", task=done.task_id), 303)

    async def submit(request: Request, caller: Caller, draft: Draft, content: dict[str, Any], names: list[str]) -> Submitted:
        """A second click on the button, or a page that is sent again, leads to what the first one made."""
        now = services.clock()

        def run(along: Along[Submitted] | None) -> Awaitable[Submitted]:
            return services.commands.run(caller, draft.frozen, draft.kind, content, draft.name, now, names, along, wait_s=draft.wait)

        return await once(services, request, caller, Submitted, run)

    async def freeze(draft: Draft) -> Draft:
        """With the ids of all that are meant: what matches the selector later is not among them. Raises BadInput."""
        if draft.frozen:
            return draft
        meant = await services.selections.nodes_of(draft.select) if draft.select else []
        if not draft.nodes and not meant:
            raise BadInput("choose at least one node", field="nodes")
        return replace(draft, frozen=list(dict.fromkeys([*draft.nodes, *meant])))

    async def preview(request: Request, caller: Caller, draft: Draft, fit: Fitting, typed: list[str], problem: OpsError | None) -> Response:
        chosen = set(draft.frozen)
        nodes = [row for row in await services.nodes.matching(q="", state="") if row["id"] in chosen]
        if len(nodes) < len(chosen):
            known = {row["id"] for row in nodes}
            raise BadInput(f"there is no node {next(i for i in draft.frozen if i not in known)[:40]!r}", field="nodes")
        now = services.clock()
        openings = await services.holding.check(draft.frozen, fit.timeout * 1000, draft.wait, now) if draft.wait else {}
        shown = readable(fit.content, fit.secret)
        gettext = pages.language(request).gettext
        facts = contents.facts(draft.kind, shown, fit.secret, fit.schema, gettext)
        values = {
            "draft": draft,
            "schema": fit.schema,
            "builtin": KINDS,
            "facts": facts,
            "timeout": fit.timeout,
            "can_try": forms.can_try(fit.schema) and tryable(fit.schema, draft),
            "sealed": forms.seal(services.keys.seals, draft, caller.id, services.clock()),
            "nodes": nodes,
            "openings": [(opening, wall(opening.starts_at, opening.zone)) for opening in soonest(list(openings.values()))],
            "offline": [row for row in nodes if row["state"] in (OFFLINE, UNKNOWN)],
            "blocked": [row for row in nodes if row["state"] == QUARANTINED],
            "ttl": services.config.command_ttl,
            "meaning": (await services.selections.read(draft.select)).explained(pages.language(request).code) if draft.select else "",
            "guards": targets.confirming(await services.groups.guarding(draft.frozen), typed),
            "problem": problem,
            "field": problem.field if problem else "",
        }
        return pages.render(request, "run_preview", values, status=problem.status if problem else 200)

    return [door.route("/run", form, COMMAND_RUN), door.route("/run", send, COMMAND_RUN, ["POST"])]


def soonest(openings: list[Opening]) -> list[Opening]:
    """Each window that some of them wait for, once, the first to open first."""
    return sorted({(one.window_id, one.starts_at): one for one in openings}.values(), key=lambda one: one.starts_at)


def tryable(schema: Schema, draft: Draft) -> bool:
    """Whether what was typed could be a dry run: some kinds can only try some of their actions."""
    try:
        forms.content_of(schema, replace(draft, dry=True))
    except BadInput:
        return False
    return True


def typed(fields: Form) -> Draft:
    return Draft(
        nodes=list(dict.fromkeys(node for node in fields.all("node") if node)),
        name=fields.get("name"),
        kind=fields.get("kind", Script.KIND)[:64],
        typed=fields.starting("f."),
        select=targets.text_of(fields.get("select")),
        frozen=[] if fields.get("step") == "edit" else list(dict.fromkeys(node for node in fields.get("frozen").split(",") if node)),
        wait=int(fields.get("wait")) if fields.get("wait") in WAITS else 0,
    )


def again(command: Row, schema: Schema | None, nodes: list[str]) -> Draft:
    """The draft of a command that was given before. A dry run is not tried again but made to be run: the button says which."""
    content = json.loads(command["task_content"] or "{}")
    text = forms.typed_again(schema, content) if schema else {}
    kind = command["kind"] if command["task_id"] else Script.KIND
    return Draft(nodes, command["task_name"] or "", kind, text, empty=[name for name in withheld(command) if content.get(name, {}) != {}])


def _at_place(problem: BadInput) -> BadInput:
    """The same with the field as the form calls it."""
    problem.field = problem.field.removeprefix("content.")
    problem.message = problem.message.removeprefix("content.")
    return problem
