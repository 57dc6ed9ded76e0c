"""The agent's REST API (A7): decode, one call of the engine, encode. Each answer is an envelope (requirements-zh 6.2).

    GET  /api/v1/health                 unsigned: is it there
    GET  /api/v1/status                 signed: figures of the agent
    POST /api/v1/task/execute           signed; the nonce is the command's id
    POST /api/v1/file/upload, GET …/file/download: see `file_api`
    GET  /api/v1/task/{id}/status       signed: what the ledger says
    GET  /api/v1/task/{id}/output       signed: what a task printed, by stream and offset, as long as it is on this host
    POST /api/v1/task/{id}/cancel       signed; the nonce is the cancel command's own id

Whether a caller may call at all is `guard`'s to say.
"""

from __future__ import annotations

import base64
import logging
import re
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from host import __version__
from host.agent import bodies
from host.agent.engine import Answer, Busy, Engine, NotAllowed
from host.agent.guard import ApiError, Guard, Signed
from host.agent.identity import Identity
from host.agent.kept import KeptOutput
from host.agent.ledger import Ledger
from host.agent.output import STREAMS
from host.lib.clock import Clock
from host.wire import codec, envelope, states
from host.wire.tasks import ExecuteRequest

log = logging.getLogger("agent.api")
_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,79}")
MAX_READ = 1024 * 1024


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
        clock: Clock,
    ) -> None:
        self._engine, self._ledger, self._kept, self._identity, self._guard = engine, ledger, kept, identity, guard
        self._heartbeat, self._clock = heartbeat, clock

    def application(self, more: Sequence[Route] = ()) -> Starlette:
        """The ASGI application, with `more` routes of other modules."""
        routes = [
            Route("/api/v1/health", self.health, methods=["GET"]),
            Route("/api/v1/status", self.status, methods=["GET"]),
            Route("/api/v1/task/execute", self.execute, methods=["POST"]),
            Route("/api/v1/task/{id}/status", self.task_status, methods=["GET"]),
            Route("/api/v1/task/{id}/output", self.output, methods=["GET"]),
            Route("/api/v1/task/{id}/cancel", self.cancel, methods=["POST"]),
            *more,
        ]
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
        self._guard.local(request)
        if self._engine.stopping:
            raise ApiError(503, envelope.TASK_FAILED, "the agent is being stopped")
        return self._answer({"status": "ok", "version": __version__})

    async def status(self, request: Request) -> Response:
        await self._fresh(request)
        return self._answer({**self._heartbeat(), "node_id": self._identity.node_id, "undelivered": self._ledger.outgoing.waiting})

    async def execute(self, request: Request) -> Response:
        signed = await self._guard.signed(request)
        known = self._known(signed)
        if known:
            return known
        try:
            body = bodies.decode(ExecuteRequest, bodies.parse_object(signed.body))
            self._for_this_node(body.node_id)
            answer = self._engine.accept(signed.nonce, body.kind, body.content, signed.expires)
        except ValueError as problem:
            raise ApiError(400, envelope.BAD_PARAMETER, str(problem)) from problem
        except Busy as problem:
            raise ApiError(503 if self._engine.stopping else 429, envelope.TASK_FAILED, str(problem)) from problem
        return self._accepted(signed.nonce, answer)

    async def cancel(self, request: Request) -> Response:
        signed = await self._guard.signed(request)
        known = self._known(signed)
        if known:
            return known
        try:
            self._for_this_node(bodies.parse_object(signed.body).get("node_id"))
        except ValueError as problem:
            raise ApiError(400, envelope.BAD_PARAMETER, str(problem)) from problem
        return self._accepted(signed.nonce, self._engine.cancel(signed.nonce, request.path_params["id"], signed.expires))

    async def task_status(self, request: Request) -> Response:
        await self._fresh(request)
        entry = self._ledger.find(request.path_params["id"])
        if entry is None:
            raise ApiError(404, envelope.BAD_PARAMETER, "there is no such task on this host")
        return self._answer({name: value for name, value in asdict(entry).items() if name not in ("content", "start_ticks", "boot_id")})

    async def output(self, request: Request) -> Response:
        await self._fresh(request)
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
        return self._answer({"data": text, "offset": offset, "size": size, "done": entry.state in states.COMMAND_FINAL})

    async def _fresh(self, request: Request) -> None:
        signed = await self._guard.signed(request)
        if signed.expired:
            raise ApiError(401, envelope.NOT_AUTHENTICATED, signed.expired)

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

    def _accepted(self, command_id: str, answer: Answer) -> Response:
        return self._answer({"id": command_id, "state": answer.state, "known": answer.known})

    def _answer(self, data: Any, status: int = 200, code: int = envelope.OK, message: str = "ok") -> Response:
        content = codec.dumps(envelope.envelope(self._clock.now(), code, message, data))
        return Response(content, status, {"cache-control": "no-store"}, "application/json")

    async def _api_error(self, request: Request, problem: ApiError) -> Response:
        return self._answer(None, problem.status, problem.code, problem.message)

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


def _whole_number(text: str, name: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= most):
        raise ApiError(400, envelope.BAD_PARAMETER, f"{name}: {text[:20]!r} is not a whole number up to {most}")
    return int(text)
