"""Where a check may connect to, and connections that go there and nowhere else.

The address is looked up once, judged, and that very address is connected to: a name that answers differently the next
time gains nothing. Link-local addresses are refused, for in a cloud the ones behind them give out credentials.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from dataclasses import dataclass, field
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from host.agent.tasks.base import TaskProblem

REFUSED = [
    ipaddress.ip_network(one) for one in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "100.100.100.200/32", "192.0.0.192/32")
]
NAT64 = ipaddress.ip_network("64:ff9b::/96")


def link_local(address: str) -> bool:
    """Whether a numeric address is one of these, also when it is wrapped into an IPv6 one."""
    one = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(one, ipaddress.IPv6Address):
        inner = one.ipv4_mapped or one.sixtofour or (ipaddress.IPv4Address(int(one) & 0xFFFFFFFF) if one in NAT64 else None)
        if inner is not None:
            return link_local(str(inner))
    return any(one.version == network.version and one in network for network in REFUSED)


@dataclass
class Seen:
    """What the connections of one check saw. `certificate`: the newest peer's, DER."""

    allow_link_local: bool
    certificate: bytes | None = None
    addresses: list[str] = field(default_factory=list)

    def look_up(self, host: str, port: int, seconds: float) -> list[str]:
        """Numeric addresses, all of them allowed. Raises TaskProblem A7007, OSError."""
        found: list[Any] = []

        def ask() -> None:
            try:
                found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
            except (OSError, UnicodeError) as problem:
                found.append(problem)

        # In a thread: the C library's lookup cannot be interrupted.
        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(seconds)
        if not found:
            raise OSError(f"the name {host} was not found in time")
        if isinstance(found[0], Exception):
            raise OSError(f"the name {host} was not found: {getattr(found[0], 'strerror', None) or found[0]}")
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found[0]))
        wrong = next((one for one in addresses if link_local(one)), "")
        if wrong and not self.allow_link_local:
            raise TaskProblem(
                "A7007",
                f"{host} is {wrong}, an address that may give out credentials",
                "set http.allow_link_local in agent.yaml if it must",
            )
        return addresses


def session(seen: Seen, seconds: float) -> requests.Session:
    """Nothing of the environment, no retries, no proxy, connections to judged addresses only."""

    class Judged(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(self, seen, seconds)

    class JudgedTls(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(self, seen, seconds)

        def connect(self) -> None:
            super().connect()
            seen.certificate = self.sock.getpeercert(True) if isinstance(self.sock, ssl.SSLSocket) else None

    class Pool(HTTPConnectionPool):
        ConnectionCls = Judged

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = JudgedTls

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
            super().init_poolmanager(*arguments, **more)
            self.poolmanager.pool_classes_by_scheme = {"http": Pool, "https": TlsPool}

    made = requests.Session()
    made.trust_env = False
    made.adapters.clear()
    made.mount("http://", Adapter(max_retries=0))
    made.mount("https://", Adapter(max_retries=0))
    return made


def _connect(connection: HTTPConnection, seen: Seen, seconds: float) -> socket.socket:
    problem: OSError = OSError("no address")
    try:
        for address in seen.look_up(connection.host.strip("[]"), connection.port, seconds):
            try:
                made = socket.create_connection((address, connection.port), seconds)
            except OSError as met:
                problem = met
                continue
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            seen.addresses.append(address)
            return made
    except OSError as met:
        problem = met
    raise NewConnectionError(connection, str(problem)) from problem
