"""Taking hosts in: make a token, show once what to do with it, and watch the hosts arrive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from host.wire.states import PENDING
from server.auth import NODE_ENROL, Caller
from server.config import address
from server.door import Door
from server.errors import BadInput, OpsError
from server.service.arrivals import WAITING, Arrived
from server.service.enrolment import MAX_HOURS, Token
from server.services import Services
from server.web import session
from server.web.once import once
from server.web.render import Pages

RECENT_MS = 3_600_000


@dataclass(frozen=True)
class Draft:
    uses: str = "1"
    hours: str = "1"
    note: str = ""
    tags: str = ""
    name: str = ""
    node: str = ""
    """The known node whose machine was installed anew."""


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    async def show(request: Request, caller: Caller) -> Response:
        """With `?token=` what became of that one."""
        now, token = services.clock(), request.query_params.get("token", "")[:64]
        draft = Draft(node=request.query_params.get("node", "")[:64])
        return await page(request, draft, None, await services.arrivals.look(token, now) if token else None, None)

    async def make(request: Request, caller: Caller) -> Response:
        fields = await session.form_of(request)
        draft = Draft(*(fields.get(name).strip() for name in ("uses", "hours", "note", "tags", "name", "node")))
        now, verb = services.clock(), services.enrolment.create_token
        try:
            wanted = (_whole(draft.uses), _hours(draft.hours), draft.note, _tags(draft.tags), now, draft.name)
            # Loaded anew, the page shows the same token again.
            token = await once(services, request, caller, Token, lambda along: verb(caller, *wanted, along, node=draft.node))
        except BadInput as problem:
            return await page(request, draft, None, None, problem)
        return await page(request, draft, token, await services.arrivals.look(token.id, now), None)

    async def page(request: Request, draft: Draft, token: Token | None, watched: Arrived | None, problem: OpsError | None) -> Response:
        now = services.clock()
        _, port = address(services.config.node_listen, "node_listen")
        host = services.config.public_names[0]
        values: dict[str, Any] = {
            "draft": draft,
            "known": await services.nodes.get(draft.node) if draft.node else None,
            "token": token,
            "watched": watched,
            "settled": watched is not None and _settled(watched),
            "arrivals": await services.nodes.enrolled_since(now - RECENT_MS) if watched is None else [],
            "pending": (await services.nodes.counts()).get(PENDING, 0),
            "problem": problem,
            "field": problem.field if problem else "",
            "manager": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            "max_hours": MAX_HOURS,
        }
        return pages.render(request, "enrol", values, block="arrivals", status=problem.status if problem else 200)

    return [door.route("/enrol", show, NODE_ENROL), door.route("/enrol", make, NODE_ENROL, ["POST"])]


def _settled(watched: Arrived) -> bool:
    """Nobody else can come with it, and all who came have told of themselves."""
    return watched.state != WAITING and all(one.first_at is not None for one in watched.hosts)


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise BadInput(f"uses: {text[:20]!r} is not a whole number", field="uses")
    return int(text)


def _hours(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise BadInput(f"hours: {text[:20]!r} is not a number", field="hours") from None


def _tags(text: str) -> dict[str, str]:
    tags = {}
    for line in text.split("\n"):
        if line.strip():
            name, sign, value = line.partition("=")
            if not sign or not name.strip():
                raise BadInput("tags: write each as name=value, one a line", field="tags")
            tags[name.strip()] = value.strip()
    return tags
