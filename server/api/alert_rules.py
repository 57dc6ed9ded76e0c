"""`/api/v1/alert-rules`: what is watched, and what a rule would have done (M5). A change needs `If-Match`."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.alerting.rules import KINDS, SEVERITIES
from server.answers import good
from server.api.calls import Answer, Call, Listed, body, cut, query
from server.api.groups import Results, results
from server.api.once import created
from server.api.parameters import Query, Short, arranged, one_of, sorts
from server.api.versions import version_of
from server.auth import ALERT_EDIT, ALERT_READ, Caller
from server.db import Row
from server.door import Door
from server.service.alert_drafts import Draft, draft_of
from server.service.alert_preview import DAYS, MOST_DAYS, AlertPreview
from server.service.page import sifted
from server.services import Services

_SAME = ("id", "name", "kind", "metric", "subject", "selector", "comparison", "severity", "command_limit", "enabled", "unit", "problem")
_MORE = ("command_kind", "author", "version", "created_at", "updated_at", "updated_by")


class Started(msgspec.Struct, forbid_unknown_fields=True):
    """A task for the node that raised the alert, as `POST /api/v1/tasks` takes it."""

    kind: str
    content: dict[str, Any]


class NewRule(msgspec.Struct, forbid_unknown_fields=True):
    """`threshold` and `clear` with their unit (`90%`, `10GiB`, `5m`); without `clear` it is the threshold. Times in seconds."""

    name: str
    kind: str
    selector: str
    metric: str = ""
    subject: str = ""
    comparison: str = "above"
    threshold: str = ""
    clear: str = ""
    hold: int = 0
    clear_after: int = 0
    span: int = 3600
    severity: str = "warning"
    enabled: bool = True
    command: Started | None = None
    command_limit: int = 10

    def draft(self) -> Draft:
        return Draft(**msgspec.structs.asdict(self) | {"command": msgspec.to_builtins(self.command)})


class RuleChange(msgspec.Struct, forbid_unknown_fields=True):
    """What is left out stays as it is; `command: null` takes it away."""

    name: str | UnsetType = UNSET
    kind: str | UnsetType = UNSET
    selector: str | UnsetType = UNSET
    metric: str | UnsetType = UNSET
    subject: str | UnsetType = UNSET
    comparison: str | UnsetType = UNSET
    threshold: str | UnsetType = UNSET
    clear: str | UnsetType = UNSET
    hold: int | UnsetType = UNSET
    clear_after: int | UnsetType = UNSET
    span: int | UnsetType = UNSET
    severity: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    command: Started | UnsetType | None = UNSET
    command_limit: int | UnsetType = UNSET

    def onto(self, draft: Draft) -> Draft:
        given = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not UNSET}
        if "command" in given:
            given["command"] = msgspec.to_builtins(given["command"])
        return replace(draft, **given)


class Switched(msgspec.Struct, forbid_unknown_fields=True):
    """`rules` are ids; 1 to 500. Switched off, their alerts are resolved."""

    rules: list[str]
    enabled: bool


class Rule(Answer):
    """`threshold` and `clear` as they can be sent again, `threshold_value` and `clear_value` in `unit`; times in seconds.

    `open`: how many of its alerts are not resolved. `problem`: why it evaluates nothing. `command_kind`: of the task that it starts.
    """

    id: str
    name: str
    kind: str
    metric: str
    subject: str
    selector: str
    comparison: str
    threshold: str
    threshold_value: float
    clear: str
    clear_value: float
    unit: str
    hold: int
    clear_after: int
    span: int
    severity: str
    enabled: bool
    problem: str
    open: int
    command_kind: str
    command_limit: int
    author: str
    version: int
    created_at: int
    updated_at: int
    updated_by: str


class RuleCommand(Answer):
    """Without the values of secret fields. `broken`: it was changed outside the manager, and is not started."""

    kind: str
    content: dict[str, Any]
    broken: bool


class OneRule(Rule):
    """`command`: what it starts on the node that raised the alert."""

    command: RuleCommand | None


class RuleList(Short, frozen=True, kw_only=True):
    """All of them narrow down together."""

    q: Annotated[str, Meta(description="is looked for in name, metric, subject and selector")] = ""
    kind: Annotated[str, one_of(*KINDS)] = ""
    severity: Annotated[str, one_of(*SEVERITIES)] = ""
    enabled: Annotated[bool, Meta(description="only those that are on, or off")] | None = None
    sort: Annotated[str, sorts("name", "kind", "metric", "severity", "enabled", "open", "updated_at")] = "name"


class Rules(Listed[Rule]):
    """`kinds` and `severities` are those that a rule can have."""

    kinds: list[str]
    severities: list[str]


class MadeRule(Answer):
    """`warnings`: what it cannot find at present."""

    id: str
    version: int
    warnings: list[str]


class ChangedRule(Answer):
    version: int
    warnings: list[str]


class DaysBack(Query, frozen=True, kw_only=True):
    days: Annotated[int, Meta(ge=1, le=MOST_DAYS, description="so many days back")] = DAYS


def routes(door: Door, services: Services) -> list[Route]:
    rules = services.alert_rules

    async def every(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), query(request, RuleList)
        items = [_shown(row) for row in await rules.all(now)]
        fit = sifted(
            items,
            wanted.q,
            ("name", "metric", "subject", "selector"),
            kind=wanted.kind,
            severity=wanted.severity,
            enabled=wanted.enabled,
        )
        return good(now, cut(wanted, arranged(fit, wanted.sort, severity=SEVERITIES)) | {"kinds": KINDS, "severities": SEVERITIES})

    async def one(request: Request, caller: Caller) -> Response:
        now = services.clock()
        row = await rules.get(request.path_params["id"], now)
        response = good(now, _shown(row) | {"command": await rules.order_shown(row)})
        response.headers["ETag"] = f'"{row["version"]}"'
        return response

    async def make(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, NewRule)
        return await created(
            services,
            request,
            caller,
            now,
            tuple[str, list[str]],
            lambda along: rules.make(caller, wanted.draft(), now, along),
            lambda made: {"id": made[0], "version": 1, "warnings": made[1]},
        )

    async def change(request: Request, caller: Caller) -> Response:
        now, wanted, rule_id = services.clock(), await body(request, RuleChange), request.path_params["id"]
        version = version_of(request)
        draft = wanted.onto(await rules.draft(rule_id, now))
        changed, warnings = await rules.change(caller, rule_id, version, draft, now)
        return good(now, {"version": changed, "warnings": warnings})

    async def switch(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, Switched)
        return good(now, results(await rules.switch_each(caller, wanted.rules, wanted.enabled, now)))

    async def delete(request: Request, caller: Caller) -> Response:
        now = services.clock()
        await rules.delete(caller, request.path_params["id"], version_of(request), now)
        return good(now, None)

    async def preview(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, NewRule)
        return good(now, await services.alert_previews.look(wanted.draft(), now, query(request, DaysBack).days))

    async def preview_of(request: Request, caller: Caller) -> Response:
        now = services.clock()
        draft = await rules.draft(request.path_params["id"], now)
        return good(now, await services.alert_previews.look(draft, now, query(request, DaysBack).days))

    return [
        door.route("/api/v1/alert-rules", every, ALERT_READ, call=Call("Alert rules", query=RuleList, answer=Rules)),
        door.route("/api/v1/alert-rules", make, ALERT_EDIT, ("POST",), Call("Make a rule", body=NewRule, answer=MadeRule, status=201)),
        door.route(
            "/api/v1/alert-rules/preview",
            preview,
            ALERT_READ,
            ("POST",),
            Call("What a rule would have done", body=NewRule, query=DaysBack, answer=AlertPreview),
        ),
        door.route(
            "/api/v1/alert-rules/switch", switch, ALERT_EDIT, ("POST",), Call("Switch rules on or off", body=Switched, answer=Results)
        ),
        door.route("/api/v1/alert-rules/{id}", one, ALERT_READ, call=Call("One rule with its command", answer=OneRule, etag=True)),
        door.route(
            "/api/v1/alert-rules/{id}",
            change,
            ALERT_EDIT,
            ("PATCH",),
            Call("Change a rule, or switch it on or off", body=RuleChange, answer=ChangedRule, versioned=True),
        ),
        door.route("/api/v1/alert-rules/{id}", delete, ALERT_EDIT, ("DELETE",), Call("Delete a rule", versioned=True)),
        door.route(
            "/api/v1/alert-rules/{id}/preview",
            preview_of,
            ALERT_READ,
            call=Call("What this rule would have done", query=DaysBack, answer=AlertPreview),
        ),
    ]


def _shown(row: Row) -> dict[str, Any]:
    # Its unit is known already: a plugin's metric needs no second look.
    draft = draft_of(row, {row["metric"]: row["unit"]})
    same = {name: row[name] for name in (*_SAME, *_MORE)}
    text = {"threshold": draft.threshold, "clear": draft.clear or draft.threshold, "open": row["open"]}
    clear = row["threshold"] if row["clear_threshold"] is None else row["clear_threshold"]
    figures = {"threshold_value": row["threshold"], "clear_value": clear}
    return same | text | figures | {"hold": draft.hold, "clear_after": draft.clear_after, "span": row["span_ms"] // 1000}
