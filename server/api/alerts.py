"""`/api/v1/alerts`: what is wrong, and what was (M5). Acknowledging is of one or of many, each with its result."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.answers import good
from server.api.calls import Answer, Call, Listed, body, listed, query
from server.api.groups import Results, results
from server.api.parameters import Paged, Time, one_of, order_of, sorts
from server.auth import ALERT_ACKNOWLEDGE, ALERT_READ, Caller
from server.db import Row
from server.door import Door
from server.service.alerts import SEVERITIES, SORTS, STATES
from server.services import Services


class AlertList(Paged, frozen=True, kw_only=True):
    """All of them narrow down together; resolved alerts only with `history`, or asked for by `state`."""

    history: bool = False
    state: Annotated[str, one_of(*STATES)] = ""
    severity: Annotated[str, one_of(*SEVERITIES)] = ""
    node: Annotated[str, Meta(description="the id of a node")] = ""
    rule: Annotated[str, Meta(description="the id of a rule")] = ""
    storm: Annotated[str, Meta(description="the group_id of alerts that came together")] = ""
    q: Annotated[str, Meta(description="is looked for in the sentence and the names of node and rule")] = ""
    since: Annotated[Time, Meta(description="opened then or later, UTC milliseconds")] | None = None
    until: Annotated[Time, Meta(description="opened before, UTC milliseconds")] | None = None
    sort: Annotated[str, sorts(*SORTS)] = "-opened_at"
    select: Annotated[str, Meta(description="a selector: only alerts of nodes that it means now")] | None = None


class Alert(Answer):
    """`summary`: one English sentence. `value` opened it; both figures are in `unit`. Times in UTC ms, 0: not yet.

    `silent`: nothing is seen of it any more, its state is unknown. `silenced`: a maintenance window keeps it quiet.
    `group_id`: the storm that it came with. `command_state`: of the rule's command, empty where there is none.
    """

    id: str
    rule_id: str
    rule_name: str
    rule_kind: str
    metric: str
    severity: str
    node_id: str
    node_name: str
    subject: str
    state: str
    silent: bool
    flapping: bool
    silenced: bool
    summary: str
    value: float | None
    threshold: float | None
    unit: str
    opened_at: int
    acknowledged_at: int
    acknowledged_by: str
    comment: str
    resolved_at: int
    resolved_why: str
    group_id: str
    command_state: str
    command_task: str
    command_note: str


class Happened(Answer):
    """`kind`: opened, acknowledged, resolved, reminded or grouped. `told`: receivers were told of it. `who` did it and said `note`."""

    id: str
    kind: str
    at: int
    summary: str
    told: bool
    who: str
    note: str


class OneAlert(Alert):
    """With what happened to it, in order."""

    events: list[Happened]


class Acknowledgement(msgspec.Struct, forbid_unknown_fields=True):
    comment: str = ""


class ManyAcknowledged(msgspec.Struct, forbid_unknown_fields=True):
    """`alerts` are ids."""

    alerts: list[str]
    comment: str = ""


def routes(door: Door, services: Services) -> list[Route]:
    alerts = services.alerts

    async def page(request: Request, caller: Caller) -> Response:
        wanted = query(request, AlertList)
        read = None if wanted.select is None else await services.selections.read(wanted.select)
        found = await alerts.page(
            history=wanted.history,
            state=wanted.state,
            severity=wanted.severity,
            rule_id=wanted.rule,
            node_id=wanted.node,
            group_id=wanted.storm,
            q=wanted.q,
            since=wanted.since,
            until=wanted.until,
            order=order_of(wanted.sort),
            selected=read.condition if read else None,
            limit=wanted.size,
            offset=wanted.offset,
        )
        return good(services.clock(), listed(wanted, [_shown(row) for row in found.rows], found.total))

    async def one(request: Request, caller: Caller) -> Response:
        row = await alerts.get(request.path_params["id"])
        events = [{name: event[name] for name in Happened.__struct_fields__} for event in await alerts.events(row["id"])]
        return good(services.clock(), _shown(row) | {"events": events})

    async def acknowledge(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, Acknowledgement)
        row = await alerts.get(request.path_params["id"])
        return good(now, results(await alerts.acknowledge(caller, [row["id"]], wanted.comment, now)))

    async def acknowledge_many(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, ManyAcknowledged)
        return good(now, results(await alerts.acknowledge(caller, wanted.alerts, wanted.comment, now)))

    return [
        door.route("/api/v1/alerts", page, ALERT_READ, call=Call("Alerts, the newest first", query=AlertList, answer=Listed[Alert])),
        door.route(
            "/api/v1/alerts/acknowledge",
            acknowledge_many,
            ALERT_ACKNOWLEDGE,
            ("POST",),
            Call("Acknowledge many alerts", body=ManyAcknowledged, answer=Results),
        ),
        door.route("/api/v1/alerts/{id}", one, ALERT_READ, call=Call("One alert with what happened to it", answer=OneAlert)),
        door.route(
            "/api/v1/alerts/{id}/acknowledge",
            acknowledge,
            ALERT_ACKNOWLEDGE,
            ("POST",),
            Call("Acknowledge an alert", body=Acknowledgement, answer=Results),
        ),
    ]


def _shown(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in Alert.__struct_fields__}
