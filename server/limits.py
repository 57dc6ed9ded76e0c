"""What a sender may cost: the size of a body, and the time it takes to arrive. Pure ASGI, around each application."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from host.wire.headers import REQUEST_ID, is_request_id
from server.ids import new_id
from server.logs import REQUEST

log = logging.getLogger("server.limits")
BODY_S = 30.0


class Limits:
    """Answers 413 past `max_bytes` and 408 when a body has not arrived whole within BODY_S.

    Bodies are gathered before anybody asks who sends them, so on the node link `strangers` bounds those that come
    without a certificate: a few of them must not fill the memory.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, strangers: int | None = None) -> None:
        self._app, self._known_bytes = app, max_bytes
        self._stranger_bytes = max_bytes if strangers is None else strangers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        max_bytes = self._known_bytes if scope.get("ops.certificate") else self._stranger_bytes
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not length.isdigit() or int(length) > max_bytes:
            await _refuse(scope, send, 413, "the body is larger than this address takes")
            return
        chunks: list[bytes] = []
        size, more = 0, True
        loop = asyncio.get_running_loop()
        until = loop.time() + BODY_S
        while more:
            try:
                message = await asyncio.wait_for(receive(), max(until - loop.time(), 0.001))
            except asyncio.TimeoutError:
                await _refuse(scope, send, 408, "the body did not arrive in time")
                return
            if message["type"] != "http.request":
                return
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            more = message.get("more_body", False)
            if size > max_bytes:
                await _refuse(scope, send, 413, "the body is larger than this address takes")
                return
        body: bytes | None = b"".join(chunks)

        async def replay() -> MutableMapping[str, Any]:
            nonlocal body
            if body is not None:
                whole, body = body, None
                return {"type": "http.request", "body": whole, "more_body": False}
            return await receive()

        await self._app(scope, replay, send)


async def _refuse(scope: Scope, send: Send, status: int, text: str) -> None:
    """With a request id, as every other answer (server/door.py), and a line about it: nobody else has seen this request."""
    given = next((value.decode("latin-1") for name, value in scope["headers"] if name == REQUEST_ID.lower().encode()), "")
    request = given if is_request_id(given) else new_id(int(time.time() * 1000))
    REQUEST.set(request)
    log.info("%s %s was answered %d: %s", scope["method"], scope["path"][:200], status, text)
    body = text.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    headers.append((REQUEST_ID.lower().encode(), request.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
