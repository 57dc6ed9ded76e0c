"""Alert rules: the list, and one as a form of its kind, with what it would have done in the last days."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from server.alerting import rules as known
from server.alerting.metrics import SECONDS, read_figure, written
from server.auth import ALERT_EDIT, ALERT_READ, COMMAND_RUN, Caller
from server.db import Row
from server.door import Door
from server.errors import BadInput, OpsError
from server.service.alert_drafts import Draft
from server.service.page import sifted
from server.services import Services
from server.web import rule_task, session
from server.web.filters import choice, switch
from server.web.once import once
from server.web.render import Pages, address
from server.web.session import Form

_TEXTS = ("name", "selector", "metric", "subject", "comparison", "threshold", "clear", "severity")
_SPANS = {"hold": "0", "clear_after": "0", "span": "1h"}
_START = {"comparison": known.ABOVE, "severity": "warning", "selector": "all", "metric": "cpu_usage"}
NONE, KEEP, TASK = "none", "keep", "task"


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    rules = services.alert_rules

    async def show(request: Request, caller: Caller) -> Response:
        query, every = request.query_params, await rules.all(services.clock())
        kept = {"q": query.get("q", "").strip()[:200], "kind": choice(query, "kind", known.KINDS)}
        kept |= {"severity": choice(query, "severity", known.SEVERITIES), "enabled": query.get("enabled", "").strip()}
        among = ("name", "metric", "subject", "selector")
        rows = sifted(every, kept["q"], among, kind=kept["kind"], severity=kept["severity"], enabled=switch(query, "enabled"))
        values = {"rows": rows, "any": bool(every), "kept": kept, "kinds": known.KINDS, "severities": known.SEVERITIES}
        return pages.render(request, "rules", values, block="list")

    async def new(request: Request, caller: Caller) -> Response:
        kind = request.query_params.get("kind", known.METRIC)
        kind = kind if kind in known.KINDS else known.METRIC
        blank = {name: _START.get(name, "") for name in _TEXTS} | _SPANS
        return await form_page(
            request, None, blank | {"kind": kind, "enabled": True, "starts": NONE, "task": rule_task.blank(), "command_limit": "10"}
        )

    async def form_page(request: Request, rule: Row | None, typed: Row, problem: OpsError | None = None, **more: Any) -> Response:
        values: dict[str, Any] = {
            "rule": rule,
            "draft": typed,
            "kind": typed["kind"],
            "kinds": known.KINDS,
            "severities": known.SEVERITIES,
            "by_metric": typed["kind"] in known.BY_METRIC,
            "fixed": typed["kind"] in known.FIXED and known.FIXED[typed["kind"]][1].low == known.FIXED[typed["kind"]][1].high,
            "spans": typed["kind"] in known.SPANS,
            "metrics": await rules.metrics(services.clock()) if typed["kind"] in known.BY_METRIC else [],
            "order": await rules.order_shown(rule) if rule else None,
            "may_start": request.state.caller.may(COMMAND_RUN),
            "preview": None,
            "means": None,
            "warnings": [],
            "problem": problem,
            "field": problem.field if problem else "",
            "task_problem": None,
            **await rule_task.values(services, pages, request, typed["task"]),
        }
        return pages.render(request, "rule", values | more, status=problem.status if problem else 200)

    async def one(request: Request, caller: Caller) -> Response:
        now = services.clock()
        rule = await rules.get(request.path_params["id"], now)
        return await form_page(request, rule, _typed_of(await rules.draft(rule["id"], now), rule))

    async def make(request: Request, caller: Caller) -> Response:
        form = await session.form_of(request)
        typed = await read(form, form.get("kind"), caller)
        if typed["kind"] not in known.KINDS:
            raise BadInput(f"kind: {typed['kind'][:20]!r} is unknown; use one of {', '.join(known.KINDS)}", field="kind")
        return await saved(request, caller, None, typed, form)

    async def change(request: Request, caller: Caller) -> Response:
        form = await session.form_of(request)
        rule = await rules.get(request.path_params["id"], services.clock())
        if form.get("step") in ("on", "off"):
            await rules.switch(caller, rule["id"], _version(form), form.get("step") == "on", services.clock())
            return RedirectResponse("/rules?notice=saved", 303)
        return await saved(request, caller, rule, await read(form, rule["kind"], caller), form)

    async def read(form: Form, kind: str, caller: Caller) -> Row:
        """The form as it was typed, to be shown again as it is."""
        task = await rule_task.hidden(services, rule_task.typed(services, form, caller), form)
        typed = _typed(form, kind) | {"task": task}
        return typed | {"starts": TASK} if form.get("step").startswith(rule_task.TO_KIND) else typed

    async def saved(request: Request, caller: Caller, rule: Row | None, typed: Row, form: Form) -> Response:
        now = services.clock()
        if form.get("step").startswith(rule_task.TO_KIND):
            return await form_page(request, rule, typed)
        command: Any = {NONE: None, KEEP: KEEP}.get(typed["starts"])
        if typed["starts"] == TASK:
            try:
                command = await rule_task.command(services, typed["task"])
            except BadInput as problem:
                return await form_page(request, rule, typed, problem, field="command", task_problem=problem)
        try:
            draft = _draft(typed, command)
            if form.get("step") == "preview":
                looked: dict[str, Any] = {
                    "preview": await services.alert_previews.look(draft, now),
                    "means": await services.selections.preview(draft.selector, pages.language(request).code),
                    "warnings": await rules.warnings(draft, now),
                }
                return await form_page(request, rule, typed, **looked)
            if rule is None:
                rule_id, _ = await once(
                    services, request, caller, tuple[str, list[str]], lambda along: rules.make(caller, draft, now, along)
                )
            else:
                rule_id = rule["id"]
                await rules.change(caller, rule_id, _version(form), draft, now)
        except BadInput as problem:
            if problem.field.startswith("content."):
                problem.message, problem.field = problem.message.removeprefix("content."), problem.field.removeprefix("content.")
                return await form_page(request, rule, typed, problem, field="command", task_problem=problem)
            return await form_page(request, rule, typed, problem)
        return RedirectResponse(f"/rules/{rule_id}?notice=saved", 303)

    async def confirm(request: Request, caller: Caller) -> Response:
        return pages.render(request, "rule_delete", {"rule": await rules.get(request.path_params["id"], services.clock())})

    async def delete(request: Request, caller: Caller) -> Response:
        form = await session.form_of(request)
        await rules.delete(caller, request.path_params["id"], _version(form), services.clock())
        return RedirectResponse(address("/rules", notice="rule-deleted"), 303)

    return [
        door.route("/rules", show, ALERT_READ),
        door.route("/rules", make, ALERT_EDIT, ["POST"]),
        door.route("/rules/new", new, ALERT_EDIT),
        door.route("/rules/{id}", one, ALERT_READ),
        door.route("/rules/{id}", change, ALERT_EDIT, ["POST"]),
        door.route("/rules/{id}/delete", confirm, ALERT_EDIT),
        door.route("/rules/{id}/delete", delete, ALERT_EDIT, ["POST"]),
    ]


def _typed(form: Form, kind: str) -> Row:
    """The rule's own fields as they were typed."""
    typed: Row = {name: form.get(name, _START.get(name, "") if name == "comparison" else "") for name in _TEXTS}
    typed |= {name: form.get(name, default) for name, default in _SPANS.items()}
    return typed | {
        "kind": kind,
        "enabled": bool(form.get("enabled")),
        "starts": form.get("starts", NONE),
        "command_limit": form.get("command_limit", "10"),
    }


def _typed_of(draft: Draft, rule: Row) -> Row:
    """A stored rule as it would be typed."""
    typed: Row = {name: getattr(draft, name) for name in _TEXTS}
    typed |= {name: written(getattr(draft, name), SECONDS) if getattr(draft, name) else "0" for name in _SPANS}
    starts = KEEP if rule["command"] else NONE
    return typed | {
        "kind": draft.kind,
        "enabled": draft.enabled,
        "starts": starts,
        "task": rule_task.blank(),
        "command_limit": str(draft.command_limit),
    }


def _draft(typed: Row, command: Any) -> Draft:
    """Raises BadInput at the field whose text is no time or number."""
    seconds: dict[str, Any] = {}
    for name in _SPANS:
        try:
            seconds[name] = int(read_figure(typed[name], SECONDS, 0, known.MOST_HOLD_MS / 1000))
        except ValueError as problem:
            raise BadInput(f"{name}: {problem}", field=name) from problem
    limit = typed["command_limit"].strip()
    if not limit.isascii() or not limit.isdigit() or len(limit) > 9:
        raise BadInput(f"command_limit: {limit[:20]!r} is not a whole number", field="command_limit")
    return Draft(
        kind=typed["kind"],
        enabled=typed["enabled"],
        command=command,
        command_limit=int(limit),
        **{name: typed[name] for name in _TEXTS},
        **seconds,
    )


def _version(form: Form) -> int:
    text = form.get("version")
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise BadInput("the form lacks the version that it was made of; load the page again")
    return int(text)
