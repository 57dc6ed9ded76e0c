"""Alerts: the open ones and those that were, each with its chart, what happened to it and who was told; acknowledging."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from server.auth import ALERT_ACKNOWLEDGE, ALERT_READ, Caller
from server.door import Door
from server.errors import BadInput, BadSelector, NotFound, OpsError
from server.service.alerts import OPEN, SEVERITIES, STATES
from server.service.outcomes import Outcome
from server.service.page import Page
from server.services import Services
from server.web import marks, session
from server.web.alert_chart import chart_of, span_around
from server.web.once import once
from server.web.render import Pages, address

PAGE = 50
DELIVERED = 20
_FILTERS = ("state", "severity", "node", "rule", "storm", "q", "select")


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    alerts = services.alerts

    async def show(request: Request, caller: Caller) -> Response:
        return await listing(request, dict(request.query_params), session.page_of(request))

    async def listing(
        request: Request,
        query: dict[str, str],
        number: int,
        done: Sequence[Outcome] = (),
        problem: OpsError | None = None,
        comment: str = "",
    ) -> Response:
        wanted = {name: query.get(name, "").strip()[:2100] for name in _FILTERS}
        history, wrong, read = bool(query.get("history")), None, None
        try:
            read = await services.selections.read(wanted["select"]) if wanted["select"] else None
            page = await alerts.page(
                history=history,
                state=wanted["state"],
                severity=wanted["severity"],
                rule_id=wanted["rule"],
                node_id=wanted["node"],
                group_id=wanted["storm"],
                q=wanted["q"],
                selected=read.condition if read else None,
                limit=PAGE,
                offset=(number - 1) * PAGE,
            )
        except BadSelector as found:
            wrong, page = found, Page([], 0)
        kept = {**wanted, "history": 1 if history else ""}
        values: dict[str, Any] = {
            "rows": page.rows,
            "total": page.total,
            "page": number,
            "page_size": PAGE,
            "history": history,
            "wanted": wanted,
            "kept": kept,
            "here_again": address("/alerts", page=number if number > 1 else 0, **kept),
            "counts": await alerts.counts(),
            "severities": SEVERITIES,
            "states": STATES if history else STATES[:2],
            "node_name": await name_of(wanted["node"]) if wanted["node"] else "",
            "rule_name": await rule_of(wanted["rule"]) if wanted["rule"] else "",
            "explanation": read.explained(pages.language(request).code) if read else "",
            "wrong": wrong,
            "problem": problem,
            "field": problem.field if problem else "",
            "failed": [one for one in done if not one.ok],
            "changed": sum(one.ok for one in done),
            "comment": comment,
        }
        status = (wrong or problem).status if wrong or problem else 200  # type: ignore[union-attr]
        return pages.render(request, "alerts", values, block="list", status=status)

    async def name_of(node_id: str) -> str:
        try:
            return str((await services.nodes.get(node_id))["name"])
        except NotFound:
            return node_id

    async def rule_of(rule_id: str) -> str:
        try:
            return str((await services.alert_rules.get(rule_id, services.clock()))["name"])
        except NotFound:
            return rule_id

    async def one(request: Request, caller: Caller) -> Response:
        return await one_page(request, request.path_params["id"])

    async def one_page(request: Request, alert_id: str, problem: OpsError | None = None, comment: str = "") -> Response:
        now, alert = services.clock(), await alerts.get(alert_id)
        told = await services.deliveries.of_alert(alert_id, DELIVERED)
        values: dict[str, Any] = {
            "alert": alert,
            "alert_id": alert_id,
            "events": await alerts.events(alert_id),
            "delivered": told.rows,
            "delivered_total": told.total,
            "chart": await chart_of(services, alert, now),
            **marks.told(await services.marks.of_node(alert["node_id"], *span_around(alert, now), now), alert_id),
            "takes": alert["state"] == OPEN and request.state.caller.may(ALERT_ACKNOWLEDGE),
            "problem": problem,
            "field": problem.field if problem else "",
            "comment": comment,
        }
        return pages.render(request, "alert", values, block="live", status=problem.status if problem else 200)

    async def acknowledged(request: Request, caller: Caller, ids: list[str], comment: str, now: int) -> list[Outcome]:
        return await once(services, request, caller, list[Outcome], lambda along: alerts.acknowledge(caller, ids, comment, now, along))

    async def acknowledge(request: Request, caller: Caller) -> Response:
        form, now = await session.form_of(request), services.clock()
        query = {name: form.get(f"kept.{name}") for name in (*_FILTERS, "history")}
        try:
            done = await acknowledged(request, caller, form.all("alert"), form.get("comment"), now)
        except BadInput as problem:
            return await listing(request, query, 1, problem=problem, comment=form.get("comment"))
        if all(one.ok for one in done):
            return RedirectResponse(address("/alerts", **query, notice="acknowledged"), 303)
        return await listing(request, query, 1, done)

    async def acknowledge_one(request: Request, caller: Caller) -> Response:
        form, alert_id = await session.form_of(request), request.path_params["id"]
        await alerts.get(alert_id)
        try:
            [done] = await acknowledged(request, caller, [alert_id], form.get("comment"), services.clock())
            if not done.ok:
                raise BadInput(done.message)
        except BadInput as problem:
            return await one_page(request, alert_id, problem, form.get("comment"))
        return RedirectResponse(f"/alerts/{alert_id}?notice=acknowledged", 303)

    return [
        door.route("/alerts", show, ALERT_READ),
        door.route("/alerts/acknowledge", acknowledge, ALERT_ACKNOWLEDGE, ["POST"]),
        door.route("/alerts/{id}", one, ALERT_READ),
        door.route("/alerts/{id}/acknowledge", acknowledge_one, ALERT_ACKNOWLEDGE, ["POST"]),
    ]
