"""Which nodes are meant, for pages that do something to them: what a selector means in words and numbers, and what guards them.

`/targets?select=…` is the piece that a form asks for while somebody types; it answers as a page of its own too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.auth import NODE_READ, Caller
from server.door import Door
from server.errors import BadInput, BadSelector
from server.service.groups import KINDS
from server.service.protection import Guarded
from server.service.selections import Preview
from server.services import Services
from server.web.groups import selector_of
from server.web.render import Pages

LONGEST = 2_000
"""Characters of a selector, as the language has it; a little more comes through, so that it is refused and not cut."""


@dataclass(frozen=True)
class Meant:
    """`problem` where the text cannot be read; `preview` where it can; neither where it is empty. `ids` take commands."""

    select: str
    preview: Preview | None = None
    problem: BadSelector | None = None
    ids: Sequence[str] = ()
    guards: Sequence[Guarded] = ()


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    async def show(request: Request, caller: Caller) -> Response:
        found = await meant(services, text_of(request.query_params.get("select", "")), pages.language(request).code)
        # While it is typed, wrong text is no error yet: htmx would leave the answer out.
        typing = request.headers.get("hx-request") == "true"
        return pages.render(request, "targets", {"meant": found}, block="matched", status=400 if found.problem and not typing else 200)

    return [door.route("/targets", show, NODE_READ)]


def text_of(text: str) -> str:
    return text[: LONGEST + 100].strip()


async def meant(services: Services, select: str, language: str) -> Meant:
    """What a selector means now, of nodes that take commands."""
    if not select:
        return Meant("")
    try:
        await services.selections.read(select)  # refuses it under the name that the field has on a page
        preview = await services.selections.preview(select, language)
        ids = await services.selections.nodes_of(select) if preview.commandable else []
    except BadSelector as problem:
        return Meant(select, problem=problem)
    except BadInput:
        ids = []  # more than one command is for: the number that is shown says so
    return Meant(select, preview, None, ids, await services.groups.guarding(ids))


async def offers(services: Services) -> dict[str, list[tuple[str, str]]]:
    """What can be put into the field at a click: `filters` and each kind of group → (words, selector)."""
    found = {"filters": [(row["name"], row["selector"]) for row in await services.selections.filters()]}
    tree = await services.groups.tree()
    return found | {kind: [(f"{row['path']} ({row['total']})", selector_of(row)) for row in tree if row["kind"] == kind] for kind in KINDS}


def combined(select: str, state: str) -> str:
    """One selector for a list that is narrowed by a selector and a state; `all` for neither."""
    parts = [f"({select})" if select and state else select, f"state={state}" if state else ""]
    return " and ".join(part for part in parts if part) or "all"


def confirming(guards: Sequence[Guarded], typed: Sequence[str]) -> list[dict[str, Any]]:
    """Each guard's name once, with what was typed for it, and whether that is right."""
    found: dict[str, dict[str, Any]] = {}
    for one in guards:
        row = found.setdefault(one.name, {"name": one.name, "paths": [], "nodes": 0, "typed": ""})
        row["paths"].append((one.kind, one.path, one.nodes))
        row["nodes"] += one.nodes
    for row, text in zip(found.values(), typed, strict=False):
        row["typed"] = text
    return list(found.values())
