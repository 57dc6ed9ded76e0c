"""What a sender may cost before it is known who it is."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from server.limits import Limits


async def status_of(size: int, certificate: bytes | None, announced: bool) -> int:
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        await Response(str(len(body)))(scope, receive, send)

    async def receive() -> Message:
        return {"type": "http.request", "body": bytes(size), "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-length", str(size).encode())] if announced else []
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers, "ops.certificate": certificate}
    await Limits(app, 1000, strangers=100)(scope, receive, send)
    return int(sent[0]["status"])


@pytest.mark.parametrize("announced", [True, False])
async def test_who_shows_no_certificate_may_send_less(announced: bool) -> None:
    assert await status_of(100, None, announced) == 200
    assert await status_of(101, None, announced) == 413
    assert await status_of(1000, b"certificate", announced) == 200
    assert await status_of(1001, b"certificate", announced) == 413


async def test_what_is_refused_before_anybody_looked_at_it_has_a_request_id_too(caplog: pytest.LogCaptureFixture) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("nothing is read of it")

    async def send(message: Message) -> None:
        sent.append(message)

    async def app(*_: object) -> None:
        raise AssertionError("it is not let through")

    headers = [(b"content-length", b"11"), (b"x-request-id", b"trace-0123456789")]
    with caplog.at_level("INFO", "server.limits"):
        await Limits(app, 10)({"type": "http", "method": "POST", "path": "/api/v1/tags", "headers": headers}, receive, send)
    assert (sent[0]["status"], dict(sent[0]["headers"])[b"x-request-id"]) == (413, b"trace-0123456789")
    assert "POST /api/v1/tags was answered 413" in caplog.text
