"""Is a request signed, is it fresh, does it come again: what stands before every route but the public ones.

Signatures are those of `host.wire.signing`. Who may call at all was `door`'s to say.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from host.agent.answers import ApiError
from host.agent.identity import Identity
from host.agent.nonces import Nonces
from host.agent.rates import Bucket, Rates
from host.lib.clock import Clock
from host.wire import envelope, signing

MAX_BODY_BYTES = 1024 * 1024
BODY_WAIT_S = 10.0


@dataclass(frozen=True)
class Signed:
    """A genuine request. `expired` says why it is too late for anything new, or is empty."""

    nonce: str
    timestamp: int
    expires: int
    body: bytes
    expired: str


class Guard:
    """Checks requests; raises ApiError."""

    def __init__(self, identity: Identity, nonces: Nonces, rates: Rates, clock: Clock) -> None:
        self._identity, self._nonces, self._rates, self._clock = identity, nonces, rates, clock

    async def fresh(self, request: Request, kind: str = "application/json") -> Signed:
        """A genuine request that is no command: in time, and never seen before. Raises sqlite3.Error as well."""
        signed = await self.signed(request, kind)
        reason = signed.expired or self._nonces.refusal(signed.nonce, signed.timestamp, signed.expires, self._clock.now())
        if reason:
            raise ApiError(401, envelope.NOT_AUTHENTICATED, reason)
        return signed

    async def signed(self, request: Request, kind: str = "application/json") -> Signed:
        """The request, proven to come from the manager; an expired one only with `expired` set. `kind`: its content type.

        A command that is known already must be answered as known however late it comes again, or the
        daemon would report it as refused. So the caller looks at `expired` after its ledger.
        """
        body = await self._body(request, kind)
        headers, now = request.headers, self._clock.now()
        if headers.get(signing.KEY_ID, self._identity.node_id) != self._identity.node_id:
            raise self._not_genuine(request, 403, envelope.NOT_ALLOWED, "signed for another node")
        expired = ""
        try:
            nonce = self._verify(request, body, 0)
            if now > int(headers[signing.EXPIRES]):
                expired = f"expired {(now - int(headers[signing.EXPIRES])) // 1000} s ago by this host's clock"
        except signing.SignatureError as problem:
            raise self._not_genuine(request, 401, envelope.NOT_AUTHENTICATED, str(problem)) from problem
        if proven := request.scope.get("ops.proven"):
            proven()
        bucket: Bucket | None = request.scope.get("ops.bucket")
        if bucket and (wait := bucket.take()):
            raise ApiError(429, envelope.TASK_FAILED, "too many requests on this connection; wait", wait)
        return Signed(nonce, int(headers[signing.TIMESTAMP]), int(headers[signing.EXPIRES]), body, expired)

    def _not_genuine(self, request: Request, status: int, code: int, message: str) -> ApiError:
        """The answer to a signature that proves nothing. One left out was counted at the door."""
        address = request.client.host if request.client else ""
        wait = self._rates.stranger(address) if signing.SIGNATURE in request.headers else 0.0
        return ApiError(429, envelope.TASK_FAILED, "too many requests; wait", wait) if wait else ApiError(status, code, message)

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
