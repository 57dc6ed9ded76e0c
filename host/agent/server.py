"""uvicorn as the agent uses it: on a socket that is bound already, without its signals and its ticking."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from host.lib.errors import AgentError

KEEP_ALIVE_S = 3600
"""The daemon keeps its connection: a new one would cost each command a TLS handshake."""
MOST_STRANGERS = 32
"""Connections that have brought no signed request yet; one more ends the oldest. Any user of this host can open them, so
they must not be able to keep the daemon out: its connection is none of them from its first command on."""


class Config(uvicorn.Config):
    """With the connections that have proven nothing yet, oldest first."""

    strangers: dict[Connection, None]


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

    def connection_lost(self, exc: Exception | None) -> None:
        self.config.strangers.pop(self, None)
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["ops.proven"] = self._proven  # type: ignore[typeddict-unknown-key]

    def _proven(self) -> None:
        """A request on this connection was signed with this node's key."""
        self.config.strangers.pop(self, None)


class Server(uvicorn.Server):
    """Ends when `close()` is called. Signals belong to the process' own code."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._closing = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        # uvicorn wakes ten times a second for things that are not used here; an idle agent sleeps.
        await self.on_tick(0)
        await self._closing.wait()

    def close(self) -> None:
        """Stop listening, let requests that are under way end."""
        self.should_exit = True
        self._closing.set()


def make_server(app: ASGIApp, context: ssl.SSLContext) -> Server:
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
    return Server(config)


def bind(address: tuple[str, int]) -> socket.socket:
    """A listening-ready socket. Raises AgentError D3001 where the port is taken."""
    # The protocol is named because asyncio turns Nagle's delay (40 ms an answer) off only where it reads "TCP".
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
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
