"""A bare HTTPS client for a thousand hosts in one process: one request at a time on a kept connection.

It speaks what the manager answers and no more: HTTP/1.1 with `Content-Length`. Errors are OSError and its kin.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from dataclasses import dataclass

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_RETRY = re.compile(rb"\r\nretry-after: *(\d+)", re.IGNORECASE)
PATIENCE_S = 90.0
"""Longer than any poll is held."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    retry_after: float = 0.0


class _Stream(asyncio.Protocol):
    """Gathers one answer after another; `answer` is a future while one is awaited."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.answer: asyncio.Future[Answer] | None = None
        self.closed = False
        self._data = bytearray()
        self._end = 0
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._end:
            cut = self._data.find(b"\r\n\r\n")
            if cut < 0:
                return
            self._head = bytes(self._data[:cut])
            length = _LENGTH.search(self._head)
            self._end = cut + 4 + (int(length[1]) if length else 0)
        if len(self._data) >= self._end:
            body = bytes(self._data[self._data.find(b"\r\n\r\n") + 4 : self._end])
            head, self._head, self._end = self._head, b"", 0
            self._data = bytearray()
            self._give(head, body)

    def _give(self, head: bytes, body: bytes) -> None:
        retry = _RETRY.search(head)
        answer, self.answer = self.answer, None
        if _CLOSE.search(head):
            self.closed = True
            if self.transport is not None:
                self.transport.close()
        if answer is not None and not answer.done():
            answer.set_result(Answer(int(head[9:12]), body, float(retry[1]) if retry else 0.0))

    def connection_lost(self, problem: Exception | None) -> None:
        self.closed = True
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(ConnectionResetError(str(problem or "the manager closed the connection")))
        self.answer = None


class Connection:
    """Opened when it is needed, opened again when it was closed. `context` holds the host's certificate, if it has one."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        self._host, self._port, self._context = host, port, context
        self._stream: _Stream | None = None
        self.handshakes = 0

    async def open(self) -> _Stream:
        if self._stream is None or self._stream.closed:
            loop = asyncio.get_running_loop()
            opening = loop.create_connection(_Stream, self._host, self._port, ssl=self._context, server_hostname=self._host)
            _, self._stream = await asyncio.wait_for(opening, 60)
            self.handshakes += 1
        return self._stream

    async def post(self, path: str, body: bytes, packed: bool = False) -> Answer:
        """Send `body` (JSON, gzipped when `packed`) and wait for the answer, PATIENCE_S at most."""
        return await self.send(request("POST", path, self._host, body, packed))

    async def send(self, whole: bytes) -> Answer:
        """A request that is ready to be written."""
        stream = await self.open()
        assert stream.transport is not None
        answer = stream.answer = asyncio.get_running_loop().create_future()
        stream.transport.write(whole)
        try:
            return await asyncio.wait_for(answer, PATIENCE_S)
        except (asyncio.TimeoutError, asyncio.CancelledError):
            self.close()
            raise

    def close(self) -> None:
        if self._stream is not None and self._stream.transport is not None:
            self._stream.transport.abort()
        self._stream = None


def request(method: str, path: str, host: str, body: bytes, packed: bool = False) -> bytes:
    encoding = "Content-Encoding: gzip\r\n" if packed else ""
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n{encoding}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
