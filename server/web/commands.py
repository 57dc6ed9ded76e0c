"""Commands: the history, and one command with its output as it comes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from host.wire.orders import CONFIGURE, DIAGNOSE
from host.wire.protocol import DAEMON_PREFIX
from host.wire.states import COMMAND, COMMAND_FINAL
from host.wire.tasks import KINDS, Output
from server.auth import COMMAND_CANCEL, COMMAND_READ, COMMAND_RUN, Caller
from server.db import Row
from server.door import Door
from server.service.commands import Submitted
from server.service.contents import withheld
from server.service.output import Part
from server.services import Services
from server.web import contents, session
from server.web.ansi import Screen
from server.web.forms import DRY_RUN
from server.web.once import once
from server.web.render import Pages

PAGE = 50
CHANGING = (CONFIGURE, "config")
"""Kinds whose output is a difference even when it was carried out."""

_UNSAFE = re.compile(r"[^A-Za-z0-9.-]")
WAIT_S = 20.0
"""How long a browser's question for more output is held: below the 30 s after which proxies tend to cut."""

FRAGMENT_BYTES = 256 * 1024
"""The most output in one answer; a browser shows the first of a large output while it asks for the rest."""


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    async def history(request: Request, caller: Caller) -> Response:
        query = request.query_params
        state, node_id, task_id = (query.get(name, "")[:64] for name in ("state", "node", "task"))
        number = session.page_of(request)
        page = await services.commands.page(node_id=node_id, task_id=task_id, state=state, limit=PAGE, offset=(number - 1) * PAGE)
        values: dict[str, Any] = {
            "rows": page.rows,
            "total": page.total,
            "page": number,
            "page_size": PAGE,
            "state": state,
            "states": list(COMMAND),
            "task_id": task_id,
            "node": await services.nodes.get(node_id) if node_id else None,
            "node_id": node_id,
            "first": page.rows[0] if task_id and page.rows else None,
            "busy": any(row["state"] not in COMMAND_FINAL for row in page.rows),
        }
        return pages.render(request, "commands", values, block="list")

    async def show(request: Request, caller: Caller) -> Response:
        part = await services.output.read(request.path_params["id"], 0, 0.0)
        values = _values(part, Screen(), 0) | await told(request, part.command)
        return pages.render(request, "command", values, block="live")

    async def output(request: Request, caller: Caller) -> Response:
        """What came since `after`; waits for news when nothing did. `seen` is the state that the browser shows."""
        query = request.query_params
        after = int(query["after"]) if query.get("after", "").isdigit() and len(query["after"]) < 10 else 0
        asked = request.headers.get("hx-request") == "true"
        seen = query.get("seen", "")
        part = await services.output.read(request.path_params["id"], after, WAIT_S if asked and seen else 0.0, seen)
        values = _values(part, Screen(query.get("carry", "")[:600]), after) | await told(request, part.command)
        return pages.render(request, "command", values, block="news")

    async def told(request: Request, command: Row) -> dict[str, Any]:
        """What was asked for and what came of it, as people read it."""
        content, secret = json.loads(command["task_content"] or "{}"), withheld(command)
        schema = await services.kinds.schema_of(command["node_id"], command["kind"]) if command["task_id"] else None
        returned = contents.result(json.loads(command["result"]) if command["result"] else None)
        dry = content.get(DRY_RUN) is True
        lines = contents.changes(returned.text)
        changing = dry or command["kind"] in CHANGING
        if not lines and changing and command["state"] in COMMAND_FINAL and command["stdout_bytes"] <= FRAGMENT_BYTES:
            lines = contents.changes((await services.output.whole(command["id"], "stdout")).decode("utf-8", "replace"))
        return {
            "content": content,
            "facts": contents.facts(command["kind"], content, secret, schema, pages.language(request).gettext),
            "schema": schema,
            "builtin": KINDS,
            "result": returned,
            "dry": dry,
            "waits": await services.holding.told(command, services.clock()),
            "changes": lines,
            "stored": await services.command_files.filled_by(command["id"]),
        }

    async def download(request: Request, caller: Caller) -> Response:
        stream, command_id = request.path_params["stream"], request.path_params["id"]
        data = await services.output.whole(command_id, stream)
        command = await services.commands.get(command_id)
        name = f"{command_id}.{stream}.txt"
        if command["kind"] == DIAGNOSE and stream == "stdout":
            name = f"diagnostics-{_UNSAFE.sub('_', command['node_name'])[:80]}-{command_id}.tar.gz"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(data, headers=headers, media_type="application/octet-stream")

    async def cancel(request: Request, caller: Caller) -> Response:
        command_id, now = request.path_params["id"], services.clock()
        await once(services, request, caller, str, lambda along: services.commands.cancel(caller, command_id, now, along))
        return RedirectResponse(f"/commands/{request.path_params['id']}?notice=canceled", 303)

    async def whole(request: Request, caller: Caller) -> Response:
        """Have the host send all that a task printed; its own page shows how that goes."""
        command, stream = await services.commands.get(request.path_params["id"]), (await session.form_of(request)).get("stream", "stdout")
        content = {"command": command["id"], "stream": stream}
        run, nodes, now = services.commands.run, [command["node_id"]], services.clock()
        done = await once(services, request, caller, Submitted, lambda along: run(caller, nodes, Output.KIND, content, "", now, (), along))
        return RedirectResponse(f"/commands/{done.commands[command['node_id']]}", 303)

    return [
        door.route("/commands", history, COMMAND_READ),
        door.route("/commands/{id}", show, COMMAND_READ),
        door.route("/commands/{id}/output", output, COMMAND_READ),
        door.route("/commands/{id}/output/{stream}", download, COMMAND_READ),
        door.route("/commands/{id}/whole", whole, COMMAND_RUN, ["POST"]),
        door.route("/commands/{id}/cancel", cancel, COMMAND_CANCEL, ["POST"]),
    ]


def _values(part: Part, screen: Screen, after: int) -> dict[str, Any]:
    chunks, cut = _portion(part.chunks)
    done = part.done and not cut
    command = part.command
    # A diagnostics bundle is no text: it is for downloading.
    shown = [] if command["kind"] == DIAGNOSE else chunks
    return {
        "command": command,
        "final": command["state"] in COMMAND_FINAL,
        "order": command["path"].startswith(DAEMON_PREFIX),
        # Safe by server/web/ansi.py: all text in it is escaped there.
        "output": Markup(screen.html(shown, done)),  # noqa: S704
        "carry": screen.carry(),
        "next": chunks[-1]["chunk"] + 1 if chunks else after,
        "more": cut,
        "done": done,
    }


def _portion(chunks: Sequence[Row]) -> tuple[Sequence[Row], bool]:
    """As many of the first chunks as one answer holds, at least one; and whether that left some out."""
    size = 0
    for index, chunk in enumerate(chunks):
        size += len(chunk["data"])
        if size > FRAGMENT_BYTES and index:
            return chunks[:index], True
    return chunks, False
