"""Run a script: write it, look at what will happen and where, then go. Nothing that was typed is lost on the way."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from host.wire.states import OFFLINE, ONLINE, QUARANTINED
from host.wire.tasks import INTERPRETERS, MAX_TIMEOUT_S, Script
from server.auth import COMMAND_RUN, Caller
from server.db import Row
from server.door import Door
from server.errors import BadInput, OpsError
from server.service.commands import MAX_NODES
from server.services import Services
from server.web import session
from server.web.render import Pages, address
from server.web.session import Form

OFFERED = 200
"""Nodes to choose from on the page itself; for more there is the list of nodes with its filter."""


@dataclass(frozen=True)
class Draft:
    """The form as it was typed: all text, valid or not."""

    nodes: list[str] = field(default_factory=list)
    name: str = ""
    interpreter: str = "shell"
    script: str = ""
    arguments: str = ""
    timeout: str = "300"
    working_folder: str = ""
    environment: str = ""


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    async def all_nodes() -> list[Row]:
        return (await services.nodes.page(q="", state="", limit=MAX_NODES, offset=0)).rows

    async def form(request: Request, caller: Caller) -> Response:
        query = request.query_params
        draft = Draft(nodes=query.getlist("node"))
        if query.get("again"):
            command = await services.commands.get(query["again"])
            draft = again(command, draft.nodes or [command["node_id"]])
        elif query.get("match"):
            found = await services.nodes.page(q=query.get("q", ""), state=query.get("state", ""), limit=MAX_NODES, offset=0)
            draft = Draft(nodes=[row["id"] for row in found.rows])
        return await show(request, draft, None)

    async def show(request: Request, draft: Draft, problem: OpsError | None) -> Response:
        rows = await all_nodes()
        chosen = set(draft.nodes)
        # Those that are chosen stand first, so that they are seen without a search.
        rows.sort(key=lambda row: (row["id"] not in chosen, row["state"] != ONLINE, row["name"]))
        values: dict[str, Any] = {
            "draft": draft,
            "again": bool(request.query_params.get("again")),
            "chosen": chosen,
            "offered": rows[: max(OFFERED, len(chosen))],
            "total": len(rows),
            "problem": problem,
            "field": problem.field if problem else "",
            "interpreters": INTERPRETERS,
            "max_timeout": MAX_TIMEOUT_S,
        }
        return pages.render(request, "run", values, status=problem.status if problem else 200)

    async def send(request: Request, caller: Caller) -> Response:
        fields = await session.form_of(request)
        draft = typed(fields)
        if fields.get("step") == "edit":
            return await show(request, draft, None)
        try:
            script = script_of(draft)
            if not draft.nodes:
                raise BadInput("choose at least one node", field="nodes")
            if fields.get("step") != "go":
                return await preview(request, draft, script)
            done = await services.commands.run_script(caller, draft.nodes, script, draft.name, services.clock())
        except BadInput as problem:
            return await show(request, draft, problem)
        if len(done.commands) == 1:
            return RedirectResponse(f"/commands/{next(iter(done.commands.values()))}", 303)
        return RedirectResponse(address("/commands", task=done.task_id), 303)

    async def preview(request: Request, draft: Draft, script: Script) -> Response:
        chosen = set(draft.nodes)
        nodes = [row for row in await all_nodes() if row["id"] in chosen]
        if len(nodes) < len(chosen):
            known = {row["id"] for row in nodes}
            raise BadInput(f"there is no node {next(i for i in draft.nodes if i not in known)[:40]!r}", field="nodes")
        values = {
            "draft": draft,
            "script": script,
            "nodes": nodes,
            "offline": [row for row in nodes if row["state"] == OFFLINE],
            "blocked": [row for row in nodes if row["state"] == QUARANTINED],
            "ttl": services.config.command_ttl,
        }
        return pages.render(request, "run_preview", values)

    return [door.route("/run", form, COMMAND_RUN), door.route("/run", send, COMMAND_RUN, ["POST"])]


def typed(fields: Form) -> Draft:
    return Draft(
        nodes=list(dict.fromkeys(node for node in fields.all("node") if node)),
        name=fields.get("name"),
        interpreter=fields.get("interpreter", "shell"),
        script=fields.get("script"),
        arguments=fields.get("arguments"),
        timeout=fields.get("timeout").strip(),
        working_folder=fields.get("working_folder").strip(),
        environment=fields.get("environment"),
    )


def again(command: Row, nodes: list[str]) -> Draft:
    """The draft of a command that was given before."""
    content = json.loads(command["task_content"] or "{}")
    return Draft(
        nodes=nodes,
        name=command["task_name"] or "",
        interpreter=content.get("interpreter", "shell"),
        script=content.get("script", ""),
        arguments="\n".join(content.get("arguments", [])),
        timeout=str(content.get("timeout", 300)),
        working_folder=content.get("working_folder", ""),
        environment="\n".join(f"{name}={value}" for name, value in content.get("environment", {}).items()),
    )


def script_of(draft: Draft) -> Script:
    """The script that the wire takes. Raises BadInput with the field."""
    if not draft.timeout.isascii() or not draft.timeout.isdigit() or len(draft.timeout) > 9:
        raise BadInput(f"timeout: {draft.timeout[:20]!r} is not a whole number of seconds", field="timeout")
    environment = {}
    for line in draft.environment.split("\n"):
        if line.strip():
            name, sign, value = line.partition("=")
            if not sign:
                raise BadInput("environment: write each as NAME=value, one a line", field="environment")
            environment[name.strip()] = value
    try:
        return Script(
            script=draft.script,
            interpreter=draft.interpreter,
            arguments=draft.arguments.rstrip("\n").split("\n") if draft.arguments.strip("\n") else [],
            environment=environment,
            working_folder=draft.working_folder,
            timeout=int(draft.timeout),
        )
    except ValueError as problem:
        raise BadInput(str(problem), field=str(problem).partition(":")[0]) from problem
