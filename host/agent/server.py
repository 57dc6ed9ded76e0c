"""uvicorn as the agent uses it: on a socket that is bound already, without its signals and its ticking, and with bounds for
what a stranger can make it hold: connections, bytes of a head, seconds."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import httptools
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from host.agent.rates import Bucket
from host.lib.errors import AgentError
from host.wire import envelope

MOST_SHAKING = 64
"""Connections whose TLS handshake is under way; one more ends the oldest."""
KEEP_ALIVE_S = 3600
"""The daemon keeps its connection: a new one would cost each command a TLS handshake."""
MOST_STRANGERS = 32
"""Connections that have brought no signed request yet; one more ends the oldest. Any user of this host can open them, so
they must not be able to keep the daemon out: its connection is none of them from its first command on."""
STRANGER_S = 15
"""How long a stranger's connection may be idle."""
HANDSHAKE_S = 10.0
HEAD_S = 10.0
"""From a request's first byte to the end of its head; also from the connection to the first byte."""
BODY_S = 60.0
"""From the end of the head to the end of the body."""
MAX_HEAD_BYTES = 64 * 1024


class Config(uvicorn.Config):
    """With the connections that have proven nothing yet, oldest first, and what makes a bucket for a connection."""

    strangers: dict[Connection, None]
    bucket: Callable[[], Bucket]


class _HeadTooLarge(Exception):
    pass


class Connection(HttpToolsProtocol):
    config: Config

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        strangers = self.config.strangers
        strangers[self] = None
        if len(strangers) > MOST_STRANGERS:
            oldest = next(iter(strangers))
            del strangers[oldest]
            oldest.transport.abort()
        self.timeout_keep_alive = STRANGER_S
        self._bucket = self.config.bucket()
        tls = transport.get_extra_info("ssl_object")
        self._certified = bool(tls and tls.getpeercert())
        self._head, self._in_head = 0, True
        self._timer = self.loop.call_later(HEAD_S, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self.config.strangers.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.cycle.keep_alive = False  # it is answered as what it is without the upgrade, and what follows is not read
        except httptools.HttpParserError as problem:
            large = isinstance(problem.__context__, _HeadTooLarge)
            self._refuse(431, "the request's head is too large") if large else self._refuse(400, "this is no HTTP request")
        else:
            if self._in_head:
                self._head += len(data)
                if self._head > MAX_HEAD_BYTES:
                    self._refuse(431, "the request's head is too large")

    def _refuse(self, status: int, message: str) -> None:
        if self.transport.is_closing():
            return
        body = json.dumps({"code": envelope.BAD_PARAMETER, "message": message, "data": None}).encode()
        phrase = "Bad Request" if status == 400 else "Request Header Fields Too Large"
        head = f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(head.encode() + body)
        self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        facts: dict[str, Any] = {"ops.proven": self._proven, "ops.bucket": self._bucket, "ops.certified": self._certified}
        self.scope.update(facts)  # type: ignore[typeddict-item]
        self._head, self._in_head = 0, True
        self._limit(HEAD_S)

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def _count(self, size: int) -> None:
        self._head += size
        if self._head > MAX_HEAD_BYTES:
            raise _HeadTooLarge

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._limit(BODY_S)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._timer.cancel()
        super().on_message_complete()

    def _limit(self, seconds: float) -> None:
        self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self.transport.abort)

    def _proven(self) -> None:
        """A request on this connection was signed with this node's key."""
        self.config.strangers.pop(self, None)
        self.timeout_keep_alive = KEEP_ALIVE_S


class Server(uvicorn.Server):
    """Ends when `close()` is called. Signals belong to the process' own code."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._closing = asyncio.Event()
        self._accepting: list[asyncio.Task[None]] = []
        self._shaking: dict[asyncio.Task[None], None] = {}

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, but a handshake has to come to its end soon."""
        loop = asyncio.get_running_loop()
        self._accepting = [loop.create_task(self._accept(sock)) for sock in sockets or []]
        self.servers = []
        self.started = True

    async def _accept(self, listening: socket.socket) -> None:
        """Not asyncio's own: that bounds no handshakes, and a thousand that are never finished would take every descriptor."""
        loop = asyncio.get_running_loop()
        listening.setblocking(False)
        while True:
            try:
                accepted, _ = await loop.sock_accept(listening)
            except OSError:
                await asyncio.sleep(0.1)  # no descriptors, or it was gone before it could be taken
                continue
            self._shaking[loop.create_task(self._shake(accepted))] = None
            if len(self._shaking) > MOST_SHAKING:
                oldest = next(iter(self._shaking))
                del self._shaking[oldest]
                oldest.cancel()
            await asyncio.sleep(0)  # a flood that never lets go must not keep the others waiting

    async def _shake(self, accepted: socket.socket) -> None:
        def make() -> Connection:
            return Connection(self.config, self.server_state, {})

        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        try:
            await loop.connect_accepted_socket(make, accepted, ssl=self.config.ssl, ssl_handshake_timeout=HANDSHAKE_S)
        except (OSError, ssl.SSLError, asyncio.CancelledError):
            accepted.close()  # whoever it was, it has no connection to be answered on
        finally:
            if task is not None:
                self._shaking.pop(task, None)

    async def main_loop(self) -> None:
        # uvicorn wakes ten times a second for things that are not used here; an idle agent sleeps.
        await self.on_tick(0)
        await self._closing.wait()
        for task in (*self._accepting, *self._shaking):
            task.cancel()
        await asyncio.gather(*self._accepting, *self._shaking, return_exceptions=True)

    def close(self) -> None:
        """Stop listening, let requests that are under way end."""
        self.should_exit = True
        self._closing.set()


def make_server(app: ASGIApp, context: ssl.SSLContext, bucket: Callable[[], Bucket]) -> Server:
    config = Config(
        app,
        loop="none",
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=1,
        ssl_context_factory=lambda config, default: context,
    )
    config.strangers = {}
    config.bucket = bucket
    return Server(config)


def bind(address: tuple[str, int]) -> socket.socket:
    """A listening-ready socket. Raises AgentError D3001 where the port is taken."""
    # The protocol is named because asyncio turns Nagle's delay (40 ms an answer) off only where it reads "TCP".
    bound = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
        bound.listen(128)
    except OSError as problem:
        bound.close()
        mend = "another program has it: free it, or change listen" if problem.errno == errno.EADDRINUSE else "change listen"
        text = f"cannot listen on {address[0]}:{address[1]}: {os.strerror(problem.errno or 0)}"
        raise AgentError("D3001", text, mend) from problem
    return bound
