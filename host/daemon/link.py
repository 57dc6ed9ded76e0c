"""One keep-alive HTTPS connection with JSON calls: to the manager (client certificate) or to the agent.

Promised: TLS 1.2 or newer, the other side's certificate checked against the one pinned CA and for its name; every
wait is bounded, every answer limited in size; a failure is a `LinkFailure` of one line. A call that finds its idle
connection dropped is made once more on a new one, if the caller says that it is safe to repeat.
One call at a time; `abort` may come from another thread.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host.daemon.link_errors import LinkFailure, from_exception, from_status, retry_after_of
from host.lib.clock import Clock

MAX_ANSWER = 8 * 1024 * 1024
_KEEPALIVE = (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
"""A silent network is noticed within 45 s, also while a poll is held."""


@dataclass(frozen=True)
class Answer:
    """`data` is the decoded JSON; None when there was none (204)."""

    status: int
    data: Any


class _Context(ssl.SSLContext):
    """Names are ASCII here (`config.split_address`), so the codec for others, a megabyte of tables, is never loaded."""

    def _encode_hostname(self, hostname: str) -> str:
        return hostname


def tls_context(ca: Path, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """A client's context that trusts `ca` (PEM) and nothing else. Raises LinkFailure when a file is no use."""
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cafile=str(ca))
        if certificate and key:
            context.load_cert_chain(str(certificate), str(key))
    except (OSError, ssl.SSLError) as problem:
        files = ", ".join(str(path) for path in (ca, certificate, key) if path)
        raise LinkFailure(
            "D2001", f"the identity cannot be read ({problem.strerror or problem}): {files}", "enrol this host again"
        ) from problem
    return context


def gzipped(body: bytes) -> bytes:
    """`body` in gzip's format, without importing gzip."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()


class Link:
    """`who` is "manager" or "agent", for messages. `timeout` in seconds, for connecting and for each answer."""

    def __init__(self, who: str, host: str, port: int, context: ssl.SSLContext, timeout: float, clock: Clock) -> None:
        self._who, self._host, self._port, self._context, self._timeout, self._clock = who, host, port, context, timeout, clock
        self._where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._connection: http.client.HTTPSConnection | None = None
        self._socket: socket.socket | None = None
        self._aborted = self._shut = False

    def call(
        self,
        method: str,
        path: str,
        body: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        extra_wait: float = 0.0,
        repeatable: bool = False,
    ) -> Answer:
        """One request and its answer of HTTP 2xx; `extra_wait` is how long the other side may think, beyond the timeout.

        Raises LinkFailure; Rejected for a status of 400 and above.
        """
        self._aborted = False
        if self._shut:
            raise LinkFailure("D2001", f"the connection to the {self._who} is closed for good")
        patience = self._timeout + extra_wait
        sent = {"Content-Type": "application/json", **(headers or {})}
        try:
            response = self._send(method, path, body, sent, patience, repeatable)
            data = self._read(response, patience)
        except LinkFailure:
            self.close()
            raise
        except (OSError, ValueError, http.client.HTTPException) as problem:
            # ValueError: the socket was shut down under a read by `abort`.
            self.close()
            raise from_exception(problem, self._who, self._where, patience) from problem
        if response.will_close:
            self.close()
        return self._judge(response, data)

    def limit(self, timeout: float) -> None:
        """From now on at most this timeout, in seconds: the process is about to end."""
        self._timeout = min(self._timeout, timeout)

    @property
    def is_shut(self) -> bool:
        return self._shut

    def shut(self) -> None:
        """Ends a call that is under way in another thread, and lets no other begin: for the end of the process."""
        self._shut = True
        self.abort()

    def abort(self) -> None:
        """Ends a call that is under way in another thread, with a LinkFailure there."""
        self._aborted = True
        current = self._socket
        if current is not None:
            try:
                # Past SSLSocket.shutdown, which would pull the TLS object from under the reading thread.
                socket.socket.shutdown(current, socket.SHUT_RDWR)
            except OSError:
                return  # it is closed already, which is what was wanted

    def close(self) -> None:
        connection, self._connection, self._socket = self._connection, None, None
        if connection is not None:
            connection.close()

    def _send(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], patience: float, repeatable: bool
    ) -> http.client.HTTPResponse:
        connection, fresh = self._connection, False
        if connection is None:
            connection, fresh = self._connect(), True
        try:
            return self._exchange(connection, method, path, body, headers, patience)
        except (ConnectionError, http.client.RemoteDisconnected, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            if fresh or not repeatable or self._aborted:
                raise
            # The other side closed an idle connection before it saw this request, or with it.
            self.close()
            return self._exchange(self._connect(), method, path, body, headers, patience)

    def _connect(self) -> http.client.HTTPSConnection:
        connection = http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=self._context)
        # A name given as bytes is not run through the codec for international names either.
        plain = socket.create_connection((self._host.encode("ascii"), self._port), self._timeout)  # type: ignore[arg-type]
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sock = self._context.wrap_socket(plain, server_hostname=self._host)
        except BaseException:
            plain.close()
            raise
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE:
            if hasattr(socket, name):
                connection.sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        self._connection, self._socket = connection, connection.sock
        return connection

    @staticmethod
    def _exchange(
        connection: http.client.HTTPSConnection, method: str, path: str, body: bytes, headers: Mapping[str, str], patience: float
    ) -> http.client.HTTPResponse:
        connection.sock.settimeout(patience)
        connection.request(method, path, body=body, headers=dict(headers))
        return connection.getresponse()

    def _read(self, response: http.client.HTTPResponse, patience: float) -> bytes:
        deadline = self._clock.monotonic() + patience
        parts: list[bytes] = []
        size = 0
        while part := response.read(65536):
            size += len(part)
            if size > MAX_ANSWER:
                raise LinkFailure("D2001", f"the {self._who} at {self._where} answered more than {MAX_ANSWER} bytes")
            if self._clock.monotonic() > deadline:  # one that drips its answer may not hold this thread for ever
                raise TimeoutError
            parts.append(part)
        if response.length:
            raise http.client.IncompleteRead(b"", response.length)
        return b"".join(parts)

    def _judge(self, response: http.client.HTTPResponse, body: bytes) -> Answer:
        try:
            data = json.loads(body) if body else None
        except (ValueError, RecursionError):
            data = _NOT_JSON
        if response.status >= 400:
            envelope = data if isinstance(data, dict) else {}
            code, message = envelope.get("code"), envelope.get("message")
            wait = retry_after_of(response.headers.get("Retry-After"), self._clock.now() / 1000)
            words = message if isinstance(message, str) else ""
            raise from_status(response.status, code if isinstance(code, int) else None, words, self._who, self._where, wait)
        if response.status >= 300 or data is _NOT_JSON or (data is None and response.status != 204):
            what = f"HTTP {response.status}" if response.status >= 300 else "something that is not JSON"
            raise LinkFailure(
                "D2001", f"the {self._who} at {self._where} answered {what}", "check the address: another program may listen there"
            )
        return Answer(response.status, data)


_NOT_JSON = object()
