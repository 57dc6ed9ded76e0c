"""The two listeners: uvicorn in this process, on sockets that were bound before anything else was started.

Node link: TLS with the client's certificate asked for and checked against our CA; it reaches the handlers as
`scope["ops.certificate"]` (DER). Forwarded headers are not believed there, or anywhere.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.errors import ConfigError

KEEP_ALIVE_S = 75
STOP_S = 10
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class Connection(HttpToolsProtocol):
    """uvicorn's, and two things that it does not do: show the certificate that the client proved, and end at once."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        tls = self.transport.get_extra_info("ssl_object")
        self.scope["ops.certificate"] = tls.getpeercert(True) if tls else None  # type: ignore[typeddict-unknown-key]

    def shutdown(self) -> None:
        """The manager stops. A kept connection that is idle is cut: a polite TLS goodbye would wait for a peer that is
        not reading, and hosts repeat what was cut."""
        idle = self.cycle is None or self.cycle.response_complete
        if idle and self.transport.get_write_buffer_size() == 0:
            self.transport.abort()
        else:
            super().shutdown()


class Listener(uvicorn.Server):
    """A uvicorn that leaves signals to the manager."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(host: str, port: int, what: str) -> socket.socket:
    """A listening socket. Raises ConfigError when the port is taken or the address is not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named, or asyncio leaves Nagle on: 40 ms for an answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as problem:
        listener.close()
        raise ConfigError(f"{what}: cannot listen on {host}:{port}: {problem.strerror}; free the port or change {what}") from problem
    listener.setblocking(False)
    return listener


def tls(certificate: Path, key: Path, client_ca: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or newer, forward secrecy only. With `client_ca`, a client may show a certificate, of that CA only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.load_cert_chain(certificate, key)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(client_ca)
    return context


def listener(app: ASGIApp, context: ssl.SSLContext | None) -> Listener:
    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_S,
        ssl_context_factory=(lambda *_: context) if context is not None else None,
    )
    return Listener(config)
