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

from host.lib.errors import AgentError

KEEP_ALIVE_S = 3600
"""The daemon keeps its connection: a new one would cost each command a TLS handshake."""
MOST_CONNECTIONS = 64


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
    config = uvicorn.Config(
        app,
        loop="none",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=1,
        ssl_context_factory=lambda config, default: context,
    )
    return Server(config)


def bind(address: tuple[str, int]) -> socket.socket:
    """A listening-ready socket. Raises AgentError D3001 where the port is taken."""
    # The protocol is named because asyncio turns Nagle's delay (40 ms an answer) off only where it reads "TCP".
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
        bound.listen(MOST_CONNECTIONS)
    except OSError as problem:
        bound.close()
        mend = "another program has it: free it, or change listen" if problem.errno == errno.EADDRINUSE else "change listen"
        text = f"cannot listen on {address[0]}:{address[1]}: {os.strerror(problem.errno or 0)}"
        raise AgentError("D3001", text, mend) from problem
    return bound
