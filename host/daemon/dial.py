"""Opens one TLS connection: TCP, the proxy's tunnel, handshake.

Promised: every wait is bounded and ends when `watch` raises; the certificate is checked against the pinned CA and for
its name. What to do where this host's clock is wrong is `aligned`'s.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from host.daemon import proxy as proxies
from host.daemon.link_errors import LinkFailure, from_exception
from host.daemon.proxy import Proxy
from host.daemon.timeline import Timeline
from host.lib.clock import Clock

_SLICE_MS = 100
_NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME: all checks but that of the time."""

Watch = Callable[[socket.socket], None]
"""Is told of each socket as soon as there is one, and again while waiting; raises LinkFailure when the call was ended."""


class PatientSocket(ssl.SSLSocket):
    """Reads until `until` (seconds of `monotonic`) and no longer: one that drips its answer may not hold a thread for ever."""

    until: float = 0.0
    monotonic: Callable[[], float]

    def recv_into(self, buffer, nbytes=None, flags=0):  # type: ignore[no-untyped-def]
        left = self.until - self.monotonic()
        if left <= 0:
            raise TimeoutError
        self.settimeout(left)
        return super().recv_into(buffer, nbytes, flags)


class _Context(ssl.SSLContext):
    """Names are ASCII here (`config.split_address`), so the codec for others, a megabyte of tables, is never loaded."""

    sslsocket_class = PatientSocket

    def _encode_hostname(self, hostname: str) -> str:
        return hostname


def tls_context(ca: Path, certificate: Path | None = None, key: Path | None = None, *, any_time: bool = False) -> ssl.SSLContext:
    """A client's context that trusts `ca` (PEM) and nothing else. Raises LinkFailure when a file is no use.

    `any_time` leaves out the check of the times, and of nothing else: whoever uses it has to judge them, see `aligned`.
    """
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if any_time:
        context.verify_flags = ssl.VerifyFlags(int(context.verify_flags) | _NO_CHECK_TIME)
    try:
        context.load_verify_locations(cafile=str(ca))
        if certificate:
            context.load_cert_chain(str(certificate), str(key or certificate))
    except (OSError, ssl.SSLError) as problem:
        files = ", ".join(str(path) for path in (ca, certificate, key) if path)
        raise LinkFailure(
            "D2001", f"the identity cannot be read ({problem.strerror or problem}): {files}", "enrol this host again"
        ) from problem
    return context


@dataclass(frozen=True)
class Plan:
    """Where to connect, and how. `ca` and `chain` (our certificate and its key) are there for the manager only: with them
    a wrong clock is seen for what it is. `generation` counts the host's certificates; `timeline` knows the manager's time."""

    who: str
    host: str
    port: int
    context: ssl.SSLContext
    proxy: Proxy | None = None
    ca: Path | None = None
    chain: tuple[Path, Path] | None = None
    timeline: Timeline | None = None
    generation: int = 0

    @property
    def where(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def secured(plan: Plan, context: ssl.SSLContext, timeout: float, clock: Clock, watch: Watch) -> PatientSocket:
    """A connection whose other side has proved itself to `context`. `timeout` in seconds is for each step.

    Raises LinkFailure, OSError, ssl.SSLError.
    """
    way = plan.proxy
    plain = _through(plan, way, timeout, clock, watch) if way else _tcp(plan.host, plan.port, timeout, clock, watch)
    try:
        # The handshake comes after `watch` knows the new object: wrapping took the socket out of the old one.
        connection = context.wrap_socket(plain, server_hostname=plan.host, do_handshake_on_connect=False)
    except BaseException:
        plain.close()
        raise
    assert isinstance(connection, PatientSocket)
    try:
        connection.monotonic = clock.monotonic
        watch(connection)
        connection.settimeout(timeout)
        connection.do_handshake()
    except BaseException:
        connection.close()
        raise
    return connection


def _through(plan: Plan, proxy: Proxy, timeout: float, clock: Clock, watch: Watch) -> socket.socket:
    try:
        plain = _tcp(proxy.host, proxy.port, timeout, clock, watch)
        try:
            proxies.connect(plain, proxy, plan.where, clock.monotonic() + timeout, clock.monotonic, clock.now())
        except BaseException:
            plain.close()
            raise
    except OSError as problem:
        raise from_exception(problem, "proxy", proxy.where, timeout) from problem
    return plain


def _tcp(host: str, port: int, timeout: float, clock: Clock, watch: Watch) -> socket.socket:
    """As `socket.create_connection`, but it can be ended while it waits."""
    problem: OSError = socket.gaierror(socket.EAI_NONAME, "no address")
    # A name given as bytes is not run through the codec for international names either.
    for family, kind, protocol, _, address in socket.getaddrinfo(host.encode("ascii"), port, 0, socket.SOCK_STREAM):
        plain = socket.socket(family, kind, protocol)
        try:
            plain.setblocking(False)
            result = plain.connect_ex(address)
            if result == errno.EINPROGRESS:
                result = _wait(plain, clock.monotonic() + timeout, clock, watch)
            if result:
                raise OSError(result, os.strerror(result))
            plain.settimeout(timeout)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            watch(plain)
            return plain
        except OSError as one:
            plain.close()
            problem = one
        except BaseException:
            plain.close()
            raise
    raise problem


def _wait(plain: socket.socket, deadline: float, clock: Clock, watch: Watch) -> int:
    """The error number with which connecting ended, 0 for none."""
    poll = select.poll()
    poll.register(plain, select.POLLOUT)
    while True:
        watch(plain)
        if poll.poll(_SLICE_MS):
            return plain.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if clock.monotonic() > deadline:
            raise TimeoutError
