"""What the agent's API answers: the data of each route, and the envelope around it (requirements-zh 6.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from host.lib.clock import Clock
from host.wire import codec, envelope


class ApiError(Exception):
    """Becomes an envelope: HTTP status, code of `host.wire.envelope`, message; `wait`: seconds, told as Retry-After."""

    def __init__(self, status: int, code: int, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.wait = status, code, message, wait


@dataclass(frozen=True)
class Health:
    """`GET /api/v1/health`."""

    status: str
    version: str


@dataclass(frozen=True)
class Status:
    """`GET /api/v1/status`: what a heartbeat says, whose node this is, and how many records wait for the daemon."""

    pid: int
    version: str
    state: str
    cpu_percent: float
    memory_bytes: int
    running: int
    queued: int
    node_id: str
    undelivered: int


@dataclass(frozen=True)
class Taken:
    """A command is in the ledger: its state there, and whether it was before this call."""

    id: str
    state: str
    known: bool


@dataclass(frozen=True)
class TaskStatus:
    """What the ledger says of a command. Times in UTC milliseconds, null where it has not come so far."""

    id: str
    kind: str
    state: str
    reason: str
    accepted_at: int
    expires_at: int
    started_at: int | None
    ended_at: int | None
    pid: int | None
    exit_code: int | None
    signal: int | None
    stdout_bytes: int
    stderr_bytes: int
    truncated: bool
    priority: int


@dataclass(frozen=True)
class Printed:
    """Output of a task from byte `offset` on, as base64; `size` is all that is there, `done` whether more can come."""

    data: str
    offset: int
    size: int
    done: bool


def answer(clock: Clock, data: Any, status: int = 200, code: int = envelope.OK, message: str = "ok") -> Response:
    content = codec.dumps(envelope.envelope(clock.now(), code, message, data))
    return Response(content, status, {"cache-control": "no-store"}, "application/json")


def refusal(problem: ApiError, clock: Clock) -> Response:
    response = answer(clock, None, problem.status, problem.code, problem.message)
    if problem.wait:
        response.headers["retry-after"] = str(math.ceil(problem.wait))
    return response
