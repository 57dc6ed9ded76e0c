"""The routes of the agent's API, as data: `api` serves them, `openapi` describes them, both from this one table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from host.agent.answers import Health, Printed, Status, Taken, TaskStatus
from host.wire.tasks import ExecuteRequest


@dataclass(frozen=True)
class CancelRequest:
    """The signed body: for which node. The task is named in the path."""

    node_id: str


@dataclass(frozen=True)
class Query:
    """A parameter behind the question mark; it is signed as it stands there."""

    name: str
    type: type
    help: str
    default: Any = None
    choices: tuple[str, ...] = ()
    most: int | None = None


@dataclass(frozen=True)
class Operation:
    """`handler` is a method of `api.Api` or `file_api.FileApi`.
    `answer`: the data in the envelope; `bytes`: a plain body instead; None: any object.
    `command`: its nonce is a command's id, known ids are answered as known; any other signed nonce is good once."""

    method: str
    path: str
    handler: str
    summary: str
    answer: type | None
    body: type | None = None
    signed: bool = True
    command: bool = False
    query: tuple[Query, ...] = field(default=())


MAX_READ = 1024 * 1024
OPERATIONS = (
    Operation("GET", "/api/v1/health", "health", "Whether the agent is there and takes work", Health, signed=False),
    Operation("GET", "/api/v1/openapi.json", "openapi", "This description", None, signed=False),
    Operation("GET", "/api/v1/status", "status", "Figures of the agent", Status),
    Operation("POST", "/api/v1/task/execute", "execute", "Run a task", Taken, body=ExecuteRequest, command=True),
    Operation("GET", "/api/v1/task/{id}/status", "task_status", "What the ledger says of a command", TaskStatus),
    Operation(
        "GET",
        "/api/v1/task/{id}/output",
        "output",
        "What a task printed, as long as it is on this host",
        Printed,
        query=(
            Query("stream", str, "Which of the two.", "stdout", ("stdout", "stderr")),
            Query("offset", int, "The first byte.", 0, most=1 << 50),
            Query("limit", int, "The most bytes.", 65536, most=MAX_READ),
        ),
    ),
    Operation("POST", "/api/v1/task/{id}/cancel", "cancel", "End a task", Taken, body=CancelRequest, command=True),
    Operation(
        "POST",
        "/api/v1/file/upload",
        "upload",
        "Take the next chunk of a file",
        dict,
        body=bytes,
        query=(
            Query("path", str, "Where it goes."),
            Query("offset", int, "Where the chunk begins."),
            Query("total", int, "Size of the whole file."),
            Query("sha256", str, "That of the whole file."),
            Query("mode", str, "Octal; optional."),
            Query("owner", str, "Optional."),
            Query("group", str, "Optional."),
            Query("overwrite", str, "1: what is there may be replaced.", choices=("0", "1")),
        ),
    ),
    Operation(
        "GET",
        "/api/v1/file/download",
        "download",
        "Give a part of a file",
        bytes,
        query=(
            Query("path", str, "Which file."),
            Query("offset", int, "The first byte."),
            Query("length", int, "How many bytes.", most=MAX_READ),
            Query("mark", str, "X-Ops-File-Mark of the first answer; optional."),
        ),
    ),
)
