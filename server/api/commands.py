"""`/api/v1/commands`: run something on nodes, see what became of it, stop it (M4)."""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from host.wire.states import COMMAND, COMMAND_REASON, QUEUED
from server.answers import good
from server.api.calls import Answer, Call, Listed, body, listed, query
from server.api.once import created
from server.api.parameters import Paged, one_of, order_of, sorts
from server.auth import COMMAND_CANCEL, COMMAND_READ, COMMAND_RUN, Caller
from server.db import Along, Row
from server.door import Door
from server.errors import BadInput
from server.service.commands import SORTS, Submitted
from server.service.contents import withheld
from server.service.holding import WAITING_REASON, WAITS
from server.services import Services

_LISTED = (
    "id",
    "node_id",
    "node_name",
    "task_id",
    "task_name",
    "kind",
    "state",
    "queued_at",
    "accepted_at",
    "started_at",
    "finished_at",
    "exit_code",
    "exit_signal",
    "opens_at",
    "stdout_bytes",
    "stderr_bytes",
    "cpu_ms",
    "memory_bytes",
)
_ONE = (*_LISTED, "node_state", "target_id", "expires_at", "created_by", "request_id")


UNKNOWN = ((404, "One of the nodes is unknown; none gets it (code 2001)"),)
EXAMPLE = {"select": "env=prod", "type": "script", "content": {"script": "uptime"}, "name": "how long"}


class NewTask(msgspec.Struct, forbid_unknown_fields=True):
    """`nodes` are ids; `select` stands in their place, and is resolved now. `type` is the kind of task; `name` is how people
    find it again, else it is made of the content. `confirm`: the names of protected groups that some of the nodes are in."""

    content: dict[str, Any]
    nodes: list[str] = []
    select: str | None = None
    type: str = "script"
    name: str = ""
    wait_for_window: int = 0
    """Seconds that it may wait for a maintenance window of its node; 0: it runs at once."""
    confirm: list[str] = []


class CommandList(Paged, frozen=True, kw_only=True):
    node: Annotated[str, Meta(description="the id of a node")] = ""
    task: Annotated[str, Meta(description="the id of a task")] = ""
    state: Annotated[str, one_of(*COMMAND)] = ""
    kind: Annotated[str, Meta(description="the kind of task, or the verb of an order")] = ""
    sort: Annotated[str, sorts(*SORTS)] = "-queued_at"


class HeldFor(Answer):
    """The window that a command waits, or waited, for; `why` none is in sight. `start_by`: later it would not fit in. `local`: `opens_at`
    on the clocks of `zone`."""

    waits: bool
    id: str
    name: str
    opens_at: int | None
    start_by: int | None
    zone: str
    why: str
    local: str | UnsetType = UNSET


class CommandRow(Answer):
    """`reason` says in words why it is in its state. Sizes in bytes, `cpu_ms` and `memory_bytes` where the agent told."""

    id: str
    node_id: str
    node_name: str
    task_id: str | None
    task_name: str | None
    kind: str
    state: str
    reason: str
    queued_at: int
    accepted_at: int | None
    started_at: int | None
    finished_at: int | None
    exit_code: int | None
    exit_signal: int | None
    stdout_bytes: int
    stderr_bytes: int
    truncated: bool
    waits_for_window: bool
    opens_at: int | None
    cpu_ms: int | None
    memory_bytes: int | None


class ListedCommand(CommandRow):
    has_result: bool


class Command(CommandRow):
    """`content`: of its secret fields only the names are given of maps, of others null. `target_id`: the command that it stops."""

    node_state: str
    target_id: str | None
    expires_at: int
    created_by: str
    request_id: str
    window: HeldFor | None
    content: dict[str, Any] | None
    result: Any


class CommandState(Answer):
    state: str


def routes(door: Door, services: Services) -> list[Route]:
    async def run(request: Request, caller: Caller) -> Response:
        now = services.clock()
        wanted = await body(request, NewTask)

        async def submit(along: Along[Submitted] | None) -> Submitted:
            nodes = await chosen(services, wanted.nodes, wanted.select)
            return await services.commands.run(
                caller, nodes, wanted.type, wanted.content, wanted.name, now, wanted.confirm, along, wait_s=wanted.wait_for_window
            )

        return await created(services, request, caller, now, Submitted, submit)

    async def page(request: Request, caller: Caller) -> Response:
        wanted = query(request, CommandList)
        found = await services.commands.page(
            node_id=wanted.node,
            task_id=wanted.task,
            state=wanted.state,
            kind=wanted.kind,
            limit=wanted.size,
            offset=wanted.offset,
            order=order_of(wanted.sort),
        )
        items = [_shown(row, _LISTED) | {"has_result": bool(row["has_result"])} for row in found.rows]
        return good(services.clock(), listed(wanted, items, found.total))

    async def one(request: Request, caller: Caller) -> Response:
        row = await services.commands.get(request.path_params["id"])
        result = None if row["result"] is None else json.loads(row["result"])
        return good(
            services.clock(),
            _shown(row, _ONE) | {"content": _content(row), "result": result, "window": await services.holding.told(row, services.clock())},
        )

    async def cancel(request: Request, caller: Caller) -> Response:
        now = services.clock()
        return good(now, {"state": await services.commands.cancel(caller, request.path_params["id"], now)})

    return [
        door.route(
            "/api/v1/commands",
            run,
            COMMAND_RUN,
            ("POST",),
            Call("Run a task on nodes", body=NewTask, answer=Submitted, status=201, also=UNKNOWN, example=EXAMPLE),
        ),
        door.route(
            "/api/v1/commands", page, COMMAND_READ, call=Call("Commands, the newest first", query=CommandList, answer=Listed[ListedCommand])
        ),
        door.route("/api/v1/commands/{id}", one, COMMAND_READ, call=Call("One command", answer=Command)),
        door.route("/api/v1/commands/{id}/cancel", cancel, COMMAND_CANCEL, ("POST",), Call("Stop a command", answer=CommandState)),
    ]


async def chosen(services: Services, nodes: list[str], select: str | None) -> list[str]:
    """The ids of the nodes that were named, or that a selector means now. Raises BadInput: also for both at once."""
    if select is None:
        return nodes
    if nodes:
        raise BadInput("select: give either nodes or select", field="select")
    return await services.selections.nodes_of(select)


def _shown(row: Row, names: tuple[str, ...]) -> dict[str, Any]:
    """Named fields only: the signed request itself must not leave the manager but for its node (S2)."""
    shown = {name: row[name] for name in names}
    waits = row["waits"] == WAITS and row["state"] == QUEUED
    usual = WAITING_REASON if waits else COMMAND_REASON[row["state"]]
    return shown | {"reason": row["reason"] or usual, "waits_for_window": waits, "truncated": bool(row["truncated"])}


def _content(row: Row) -> dict[str, Any] | None:
    """What was asked for, without the values of its secret fields: of a map the names are left, of others null."""
    if row["task_content"] is None:
        return None
    content: dict[str, Any] = json.loads(row["task_content"])
    for name in withheld(row):
        if name in content:
            content[name] = sorted(content[name]) if isinstance(content[name], dict) else None
    return content
