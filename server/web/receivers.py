"""Receivers of alerts: the list with their health, one with its form, its test and what was told to it lately."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from server.auth import RECEIVER_EDIT, RECEIVER_READ, Caller
from server.db import Along, Row
from server.door import Door
from server.errors import BadInput, OpsError
from server.outbound.smtp import SECURITY
from server.outbound.wording import LANGUAGES
from server.service.alert_events import KINDS as EVENT_KINDS
from server.service.page import sifted
from server.service.receiver_rows import SEVERITIES
from server.service.receiver_settings import DEFAULTS, KINDS, MAIL, SECRETS, WEBHOOK
from server.service.receivers import HEALTH, Change
from server.services import Services
from server.web import session
from server.web.filters import choice, switch
from server.web.once import once
from server.web.render import Pages
from server.web.session import Form

RECENT = 10


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    receivers, deliveries = services.receivers, services.deliveries

    async def show(request: Request, caller: Caller) -> Response:
        query, every = request.query_params, await receivers.all()
        kept = {"q": query.get("q", "").strip()[:200], "kind": choice(query, "kind", KINDS)}
        kept |= {"health": choice(query, "health", HEALTH), "enabled": query.get("enabled", "").strip()}
        same = {"kind": kept["kind"], "health": kept["health"], "enabled": switch(query, "enabled")}
        values = {"rows": sifted(every, kept["q"], ("name", "selector"), **same), "any": bool(every), "kept": kept}
        values |= {"kinds": KINDS, "healths": HEALTH, "attention": await receivers.attention(services.clock())}
        return pages.render(request, "receivers", values, block="list")

    async def new(request: Request, caller: Caller) -> Response:
        kind = request.query_params.get("kind", WEBHOOK)
        return await blank(request, kind if kind in KINDS else WEBHOOK, Form({}), None)

    async def blank(request: Request, kind: str, form: Form, problem: OpsError | None) -> Response:
        start = {"name": "", "enabled": True, "min_severity": "warning", "selector": "", "events": list(EVENT_KINDS), "secrets": []}
        draft = _typed(form, kind) if form.get("kind") else {**start, "settings": dict(DEFAULTS[kind])}
        return pages.render(request, "receiver_new", _page(kind, draft, problem), status=problem.status if problem else 200)

    async def make(request: Request, caller: Caller) -> Response:
        form = await session.form_of(request)
        kind = form.get("kind")
        if kind not in KINDS:
            raise BadInput(f"kind: {kind[:20]!r} is unknown; use one of {', '.join(KINDS)}", field="kind")
        try:
            wanted, now = _change(form, kind), services.clock()
            # Loaded anew, the page shows the same secret of the same receiver.
            receiver_id, secret = await once(
                services, request, caller, tuple[str, str], lambda along: receivers.make(caller, kind, wanted, now, along)
            )
        except BadInput as problem:
            return await blank(request, kind, form, problem)
        if secret:
            return await one_page(request, receiver_id, secret=secret)
        return RedirectResponse(f"/receivers/{receiver_id}?notice=saved", 303)

    async def one(request: Request, caller: Caller) -> Response:
        receiver_id, tested = request.path_params["id"], request.query_params.get("tested", "")[:64]
        sent = await deliveries.get(tested) if tested else None
        return await one_page(request, receiver_id, tested=sent if sent and sent["receiver_id"] == receiver_id else None)

    async def one_page(
        request: Request, receiver_id: str, form: Form | None = None, problem: OpsError | None = None, **more: Any
    ) -> Response:
        row = await receivers.get(receiver_id)
        draft = _typed(form, row["kind"]) | {"secrets": row["secrets"]} if form else row
        recent = await deliveries.page(receiver_id, "", RECENT, 0)
        values = _page(row["kind"], draft, problem) | {
            "receiver": row,
            "recent": recent.rows,
            "total": recent.total,
            "secret": "",
            "tested": None,
        }
        return pages.render(request, "receiver", values | more, status=problem.status if problem else 200)

    async def change(request: Request, caller: Caller) -> Response:
        form, receiver_id = await session.form_of(request), request.path_params["id"]
        row, now = await receivers.get(receiver_id), services.clock()
        try:
            version = _version(form)
            if form.get("step") == "delete":
                await receivers.delete(caller, receiver_id, version, now)
                return RedirectResponse("/receivers?notice=receiver-deleted", 303)
            if form.get("step") == "rotate":
                made = await once(services, request, caller, str, lambda along: receivers.rotate(caller, receiver_id, version, now, along))
                return await one_page(request, receiver_id, secret=made)
            await receivers.change(caller, receiver_id, version, _change(form, row["kind"]), now)
        except BadInput as problem:
            return await one_page(request, receiver_id, form if form.get("name") else None, problem)
        return RedirectResponse(f"/receivers/{receiver_id}?notice=saved", 303)

    async def test(request: Request, caller: Caller) -> Response:
        """Sent once: a second press waits for nothing and is led to the first one's outcome, or to its page while it is under way."""
        receiver_id, now = request.path_params["id"], services.clock()

        async def send(along: Along[str] | None) -> str:
            return (await services.delivery_turns.test(caller, receiver_id, now, along))[0]

        return RedirectResponse(f"/receivers/{receiver_id}?tested={await once(services, request, caller, str, send)}", 303)

    return [
        door.route("/receivers", show, RECEIVER_READ),
        door.route("/receivers", make, RECEIVER_EDIT, ["POST"]),
        door.route("/receivers/new", new, RECEIVER_EDIT),
        door.route("/receivers/{id}", one, RECEIVER_READ),
        door.route("/receivers/{id}", change, RECEIVER_EDIT, ["POST"]),
        door.route("/receivers/{id}/test", test, RECEIVER_EDIT, ["POST"]),
    ]


def _page(kind: str, draft: Mapping[str, Any], problem: OpsError | None) -> dict[str, Any]:
    return {
        "kind": kind,
        "draft": draft,
        "problem": problem,
        "field": problem.field if problem else "",
        "severities": SEVERITIES,
        "event_kinds": EVENT_KINDS,
        "security": SECURITY,
        "tongues": LANGUAGES,
        "secret_names": SECRETS[kind],
    }


def _typed(form: Form, kind: str) -> Row:
    """What was typed, to be shown again; secrets are not."""
    settings = {name: form.get(f"s.{name}") for name in DEFAULTS[kind]}
    if kind == MAIL:
        settings["to"] = [line for line in form.get("s.to").split("\n") if line.strip()]  # type: ignore[assignment]
    plain = {name: form.get(name) for name in ("name", "min_severity", "selector")}
    return plain | {"enabled": bool(form.get("enabled")), "events": form.all("event"), "settings": settings, "secrets": []}


def _change(form: Form, kind: str) -> Change:
    """Raises BadInput for numbers that are none. A secret that is left empty stays as it is; `drop` takes it away."""
    typed = _typed(form, kind)
    settings: dict[str, Any] = dict(typed["settings"])
    for name, default in DEFAULTS[kind].items():
        if isinstance(default, int):
            text = settings[name].strip()
            if not text.isascii() or not text.isdigit() or len(text) > 9:
                raise BadInput(f"{name}: {text[:20]!r} is not a whole number", field=name)
            settings[name] = int(text)
    if kind == MAIL:
        settings["to"] = [one.strip() for one in settings["to"]]
    secrets = {name: form.get(f"secret.{name}").strip() for name in SECRETS[kind] if form.get(f"secret.{name}").strip()}
    secrets |= {name: "" for name in form.all("drop") if name in SECRETS[kind]}
    return Change(typed["name"], typed["enabled"], typed["min_severity"], typed["selector"], typed["events"], settings, secrets)


def _version(form: Form) -> int:
    text = form.get("version")
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise BadInput("the form lacks the version that it was made of; load the page again")
    return int(text)
