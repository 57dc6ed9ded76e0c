"""The agent's REST API (A7): decode, one call of the engine, encode. Each answer is an envelope (requirements-zh 6.2).

Which routes there are, and of what types, stands in `operations`. Whether a caller may call at all is the `door`'s to say,
whether a request is genuine `guard`'s.
"""

from __future__ import annotations

import base64
import logging
import re
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import asdict, fields
from ipaddress import ip_address
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from host import __version__
from host.agent import bodies, openapi
from host.agent.answers import ApiError, Health, Printed, Status, Taken, TaskStatus, answer, refusal
from host.agent.engine import Answer, Busy, Engine, NotAllowed
from host.agent.guard import Guard, Signed
from host.agent.identity import Identity
from host.agent.kept import KeptOutput
from host.agent.ledger import Ledger
from host.agent.operations import MAX_READ, OPERATIONS, CancelRequest
from host.agent.output import STREAMS
from host.lib.clock import Clock
from host.wire import codec, envelope, states
from host.wire.headers import REQUEST_ID, is_request_id
from host.wire.schema import Schema
from host.wire.tasks import ExecuteRequest

log = logging.getLogger("agent.api")
_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,79}")
BUSY_S = 1.0
"""What Retry-After says where there is no room for another task."""


class Api:
    """The routes over one engine."""

    def __init__(
        self,
        engine: Engine,
        ledger: Ledger,
        kept: KeptOutput,
        identity: Identity,
        guard: Guard,
        heartbeat: Callable[[], dict[str, Any]],
        schemas: Callable[[], list[Schema]],
        clock: Clock,
    ) -> None:
        self._engine, self._ledger, self._kept, self._identity, self._guard = engine, ledger, kept, identity, guard
        self._heartbeat, self._schemas, self._clock = heartbeat, schemas, clock

    def application(self, *others: object) -> Starlette:
        """The ASGI application; `others` have the handlers of the operations that are not here."""

        def handler(name: str) -> Any:
            return next(getattr(one, name) for one in (self, *others) if hasattr(one, name))

        routes = [Route(one.path, handler(one.handler), methods=[one.method]) for one in OPERATIONS]
        handlers: dict[Any, Callable[[Request, Any], Awaitable[Response]]] = {
            ApiError: self._api_error,
            NotAllowed: self._not_allowed,
            HTTPException: self._http_error,
            sqlite3.Error: self._ledger_error,
            Exception: self._fault,
        }
        application = Starlette(routes=routes, exception_handlers=handlers)
        application.router.redirect_slashes = False
        return application

    async def health(self, request: Request) -> Response:
        if self._engine.stopping:
            raise ApiError(503, envelope.TASK_FAILED, "the agent is being stopped")
        return self._answer(Health("ok", __version__))

    async def openapi(self, request: Request) -> Response:
        if request.client is None or not ip_address(request.client.host).is_loopback:
            await self._guard.fresh(request)
        return Response(codec.dumps(openapi.document(self._schemas())), 200, {"cache-control": "no-store"}, "application/json")

    async def status(self, request: Request) -> Response:
        await self._guard.fresh(request)
        return self._answer(Status(**self._heartbeat(), node_id=self._identity.node_id, undelivered=self._ledger.outgoing.waiting))

    async def execute(self, request: Request) -> Response:
        signed = await self._guard.signed(request)
        known = self._known(signed)
        if known:
            return known
        try:
            body = bodies.decode(ExecuteRequest, bodies.parse_object(signed.body))
            self._for_this_node(body.node_id)
            taken = self._engine.accept(signed.nonce, body.kind, body.content, signed.expires)
        except ValueError as problem:
            raise ApiError(400, envelope.BAD_PARAMETER, str(problem)) from problem
        except Busy as problem:
            raise ApiError(503 if self._engine.stopping else 429, envelope.TASK_FAILED, str(problem), BUSY_S) from problem
        _log_taken(request, signed.nonce)
        return self._accepted(signed.nonce, taken)

    async def cancel(self, request: Request) -> Response:
        signed = await self._guard.signed(request)
        known = self._known(signed)
        if known:
            return known
        try:
            self._for_this_node(bodies.decode(CancelRequest, bodies.parse_object(signed.body)).node_id)
        except ValueError as problem:
            raise ApiError(400, envelope.BAD_PARAMETER, str(problem)) from problem
        taken = self._engine.cancel(signed.nonce, request.path_params["id"], signed.expires)
        _log_taken(request, signed.nonce)
        return self._accepted(signed.nonce, taken)

    async def task_status(self, request: Request) -> Response:
        await self._guard.fresh(request)
        entry = self._ledger.find(request.path_params["id"])
        if entry is None:
            raise ApiError(404, envelope.BAD_PARAMETER, "there is no such task on this host")
        return self._answer(TaskStatus(**{one.name: getattr(entry, one.name) for one in fields(TaskStatus)}))

    async def output(self, request: Request) -> Response:
        await self._guard.fresh(request)
        query = request.query_params
        stream = query.get("stream", "stdout")
        if stream not in STREAMS:
            raise ApiError(400, envelope.BAD_PARAMETER, f"stream: {stream[:20]!r} is unknown; use one of {', '.join(STREAMS)}")
        offset, most = (
            _whole_number(query.get("offset", "0"), "offset", 1 << 50),
            _whole_number(query.get("limit", "65536"), "limit", MAX_READ),
        )
        entry = self._ledger.find(request.path_params["id"])
        found = self._kept.read(entry.id, stream, offset, most) if entry else None
        if entry is None or found is None:
            raise ApiError(404, envelope.BAD_PARAMETER, "there is no output of such a task on this host")
        data, size = found
        text = base64.b64encode(data).decode("ascii")
        return self._answer(Printed(text, offset, size, entry.state in states.COMMAND_FINAL))

    def _known(self, signed: Signed) -> Response | None:
        """The answer to a command that is in the ledger; otherwise it must be fresh and its id one that we can keep."""
        entry = self._ledger.find(signed.nonce)
        if entry:
            return self._accepted(entry.id, Answer(entry.state, True))
        if signed.expired:
            raise ApiError(401, envelope.NOT_AUTHENTICATED, signed.expired)
        if not _ID.fullmatch(signed.nonce):
            raise ApiError(400, envelope.BAD_PARAMETER, "the nonce cannot be a command's id")
        return None

    def _for_this_node(self, node_id: object) -> None:
        if node_id != self._identity.node_id:
            raise ApiError(403, envelope.NOT_ALLOWED, "the command is for another node")

    def _accepted(self, command_id: str, taken: Answer) -> Response:
        return self._answer(Taken(command_id, taken.state, taken.known))

    def _answer(self, data: Any, status: int = 200, code: int = envelope.OK, message: str = "ok") -> Response:
        return answer(self._clock, asdict(data) if data else None, status, code, message)

    async def _api_error(self, request: Request, problem: ApiError) -> Response:
        return refusal(problem, self._clock)

    async def _not_allowed(self, request: Request, problem: NotAllowed) -> Response:
        log.warning("refused: %s", problem)
        return self._answer(None, 403, envelope.NOT_ALLOWED, str(problem))

    async def _http_error(self, request: Request, problem: HTTPException) -> Response:
        words = {404: "there is nothing at this address", 405: "this address does not take that method"}
        return self._answer(None, problem.status_code, envelope.BAD_PARAMETER, words.get(problem.status_code, str(problem.detail)))

    async def _ledger_error(self, request: Request, problem: sqlite3.Error) -> Response:
        log.error("the ledger cannot be written: %s", problem)
        return self._answer(None, 503, envelope.TASK_FAILED, "the ledger cannot be written; nothing was taken")

    async def _fault(self, request: Request, problem: Exception) -> Response:
        return self._answer(None, 500, envelope.TASK_FAILED, "the agent failed; its log has the reason")


def _log_taken(request: Request, command_id: str) -> None:
    given = request.headers.get(REQUEST_ID, "")
    log.info("command %s was taken%s", command_id, f" (request {given})" if is_request_id(given) else "")


def _whole_number(text: str, name: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= most):
        raise ApiError(400, envelope.BAD_PARAMETER, f"{name}: {text[:20]!r} is not a whole number up to {most}")
    return int(text)
