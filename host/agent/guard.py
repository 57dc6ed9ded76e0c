"""What stands before every route of the agent's API: is the caller on this host, is the request signed.

`Host` must be the agent's own address, so no web page can reach it under another name; a browser's
`Origin` is refused whatever it says. Signatures are those of `host.wire.signing`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from host.agent.identity import Identity
from host.lib.clock import Clock
from host.wire import envelope, signing

MAX_BODY_BYTES = 1024 * 1024
BODY_WAIT_S = 10.0


class ApiError(Exception):
    """Becomes an envelope: HTTP status, code of `host.wire.envelope`, message."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True)
class Signed:
    """A genuine request. `expired` says why it is too late for anything new, or is empty."""

    nonce: str
    expires: int
    body: bytes
    expired: str


class Guard:
    """Checks requests; raises ApiError."""

    def __init__(self, identity: Identity, port: int, clock: Clock) -> None:
        self._identity, self._clock = identity, clock
        self._hosts = (f"127.0.0.1:{port}", f"localhost:{port}")

    def local(self, request: Request) -> None:
        """403 unless it was meant for this agent and does not come from a web page."""
        if request.headers.get("host", "").lower() not in self._hosts:
            raise ApiError(403, envelope.NOT_ALLOWED, "the Host header does not name this agent")
        if "origin" in request.headers:
            raise ApiError(403, envelope.NOT_ALLOWED, "requests from web pages are not allowed")

    async def signed(self, request: Request, kind: str = "application/json") -> Signed:
        """The request, proven to come from the manager; an expired one only with `expired` set. `kind`: its content type.

        A command that is known already must be answered as known however late it comes again, or the
        daemon would report it as refused. So the caller looks at `expired` after its ledger.
        """
        self.local(request)
        body = await self._body(request, kind)
        headers, now = request.headers, self._clock.now()
        if headers.get(signing.KEY_ID, self._identity.node_id) != self._identity.node_id:
            raise ApiError(403, envelope.NOT_ALLOWED, "signed for another node")
        expired = ""
        try:
            nonce = self._verify(request, body, 0)
            if now > int(headers[signing.EXPIRES]):
                expired = f"expired {(now - int(headers[signing.EXPIRES])) // 1000} s ago by this host's clock"
        except signing.SignatureError as problem:
            raise ApiError(401, envelope.NOT_AUTHENTICATED, str(problem)) from problem
        if proven := request.scope.get("ops.proven"):
            proven()
        return Signed(nonce, int(headers[signing.EXPIRES]), body, expired)

    def _verify(self, request: Request, body: bytes, now: int) -> str:
        path = request.scope.get("raw_path", b"").decode("latin-1")
        query = request.scope.get("query_string", b"").decode("latin-1")
        key, node = self._identity.dispatch_key, self._identity.node_id
        return signing.verify(key, request.headers, key_id=node, now=now, method=request.method, path=path, query=query, body=body)

    async def _body(self, request: Request, kind: str) -> bytes:
        if request.method == "POST" and request.headers.get("content-type", "").partition(";")[0].strip().lower() != kind:
            raise ApiError(415, envelope.BAD_PARAMETER, f"the content type must be {kind}")
        try:
            return await asyncio.wait_for(_read(request), BODY_WAIT_S)
        except asyncio.TimeoutError as problem:
            raise ApiError(408, envelope.BAD_PARAMETER, f"the body did not arrive within {BODY_WAIT_S:g} s") from problem
        except ClientDisconnect as problem:
            raise ApiError(400, envelope.BAD_PARAMETER, "the body was cut off") from problem


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise ApiError(413, envelope.BAD_PARAMETER, f"the body is larger than {MAX_BODY_BYTES} bytes")
    return bytes(body)
