"""One keep-alive HTTPS connection with JSON calls: to the manager (client certificate) or to the agent.

Promised: TLS 1.2 or newer, the other side's certificate checked against the one pinned CA and for its name; every
wait is bounded, every answer limited in size; a failure is a `LinkFailure` of one line. A call that finds its idle
connection dropped is made once more on a new one, if the caller says that it is safe to repeat.
Where the connection leads is the `Route`'s, which also learns how it went.
One call at a time; `abort` and `shut` may come from another thread at any moment.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from host.daemon import aligned
from host.daemon.dial import PatientSocket
from host.daemon.link_errors import LinkFailure, from_exception, from_status, retry_after_of
from host.daemon.route import Route
from host.lib.clock import Clock

MAX_ANSWER = 8 * 1024 * 1024
_KEEPALIVE = (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
"""A silent network is noticed within 45 s, also while a poll is held."""


@dataclass(frozen=True)
class Answer:
    """`data` is the decoded JSON; None when there was none (204)."""

    status: int
    data: Any


def gzipped(body: bytes) -> bytes:
    """`body` in gzip's format, without importing gzip."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()


class Link:
    """`timeout` in seconds, for connecting and for each answer; `always()` are headers that go with every call."""

    def __init__(self, route: Route, timeout: float, clock: Clock, always: Callable[[], Mapping[str, str]] = lambda: {}) -> None:
        self._route, self._timeout, self._clock, self._always = route, timeout, clock, always
        self._plan = route.plan()
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
        sent = {"Content-Type": "application/json", **self._always(), **(headers or {})}
        patience = self._timeout + extra_wait
        try:
            answer = self._call(method, path, body, sent, patience, repeatable)
        except LinkFailure as problem:
            if self._aborted or self._shut:
                raise
            plan, renewed = self._plan, not self._route.is_current(self._plan)
            if not (problem.certificate and renewed and repeatable):
                self._route.failed(plan, problem)
                raise
            # A new certificate came into use while this was under way with the one before it, which ended by that.
            self.close()
            answer = self._call(method, path, body, sent, patience, repeatable)
        self._route.worked(self._plan)
        return answer

    def _call(self, method: str, path: str, body: bytes, headers: Mapping[str, str], patience: float, repeatable: bool) -> Answer:
        try:
            response = self._send(method, path, body, headers, patience, repeatable)
            data = self._read(response)
        except LinkFailure:
            self.close()
            raise
        except (OSError, ValueError, http.client.HTTPException) as problem:
            # ValueError: the socket was shut down under a read by `abort`.
            self.close()
            raise from_exception(problem, self._plan.who, self._plan.where, patience) from problem
        if response.will_close:
            self.close()
        return self._judge(response, data)

    def arm(self) -> None:
        """Forgets an `abort` so far: what comes from now on ends the next call, also when that has not begun yet."""
        self._aborted = False

    @property
    def was_aborted(self) -> bool:
        return self._aborted or self._shut

    def limit(self, timeout: float) -> None:
        """From now on at most this timeout, in seconds: the process is about to end."""
        self._timeout = min(self._timeout, timeout)

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
        if connection is not None and not self._route.is_current(self._plan):
            self.close()
            connection = None
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
        plan = self._plan = self._route.plan()
        connection = http.client.HTTPSConnection(plan.host, plan.port, timeout=self._timeout, context=plan.context)
        secured = aligned.connect(plan, self._timeout, self._clock, self._watch)
        connection.sock = secured
        secured.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE:
            if hasattr(socket, name):
                secured.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        self._connection = connection
        self._watch(secured)
        return connection

    def _watch(self, current: socket.socket) -> None:
        """Ends the call when it was aborted. The socket is shown first and then looked at: `abort` does it the other way
        round, so whichever comes second sees the other."""
        self._socket = current
        if self._aborted or self._shut:
            how = "is closed for good" if self._shut else "was ended from this side"
            raise LinkFailure("D2001", f"the connection to the {self._plan.who} {how}")

    def _exchange(
        self, connection: http.client.HTTPSConnection, method: str, path: str, body: bytes, headers: Mapping[str, str], patience: float
    ) -> http.client.HTTPResponse:
        secured = connection.sock
        assert isinstance(secured, PatientSocket)
        self._watch(secured)
        secured.settimeout(patience)
        secured.until = self._clock.monotonic() + patience
        connection.request(method, path, body=body, headers=dict(headers))
        return connection.getresponse()

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        parts: list[bytes] = []
        size = 0
        while part := response.read(65536):
            size += len(part)
            if size > MAX_ANSWER:
                raise LinkFailure("D2001", f"the {self._plan.who} at {self._plan.where} answered more than {MAX_ANSWER} bytes")
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
            raise from_status(response.status, code if isinstance(code, int) else None, words, self._plan.who, self._plan.where, wait)
        if response.status >= 300 or data is _NOT_JSON or (data is None and response.status != 204):
            what = f"HTTP {response.status}" if response.status >= 300 else "something that is not JSON"
            raise LinkFailure(
                "D2001",
                f"the {self._plan.who} at {self._plan.where} answered {what}",
                "check the address: another program may listen there",
            )
        return Answer(response.status, data)


_NOT_JSON = object()
