"""Taking hosts in: make a token, show once what to do with it, and watch the hosts arrive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.auth import NODE_ENROL, Caller
from server.config import address
from server.door import Door
from server.errors import BadInput, OpsError
from server.service.enrolment import MAX_HOURS, Token
from server.services import Services
from server.web import session
from server.web.render import Pages

RECENT_MS = 3_600_000


@dataclass(frozen=True)
class Draft:
    uses: str = "1"
    hours: str = "1"
    note: str = ""
    tags: str = ""
    name: str = ""


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    async def show(request: Request, caller: Caller) -> Response:
        return await page(request, Draft(), None, None)

    async def make(request: Request, caller: Caller) -> Response:
        fields = await session.form_of(request)
        draft = Draft(*(fields.get(name).strip() for name in ("uses", "hours", "note", "tags", "name")))
        try:
            token = await services.enrolment.create_token(
                caller, _whole(draft.uses), _hours(draft.hours), draft.note, _tags(draft.tags), services.clock(), draft.name
            )
        except BadInput as problem:
            return await page(request, draft, None, problem)
        return await page(request, draft, token, None)

    async def page(request: Request, draft: Draft, token: Token | None, problem: OpsError | None) -> Response:
        now = services.clock()
        since = _since(request.query_params.get("since", ""), now if token else now - RECENT_MS)
        _, port = address(services.config.node_listen, "node_listen")
        host = services.config.public_names[0]
        values: dict[str, Any] = {
            "draft": draft,
            "token": token,
            "problem": problem,
            "field": problem.field if problem else "",
            "since": since,
            "arrivals": await services.nodes.enrolled_since(since),
            "manager": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            "max_hours": MAX_HOURS,
            "waiting": token is not None or "since" in request.query_params,
        }
        return pages.render(request, "enrol", values, block="arrivals", status=problem.status if problem else 200)

    return [door.route("/enrol", show, NODE_ENROL), door.route("/enrol", make, NODE_ENROL, ["POST"])]


def _since(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else otherwise


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
