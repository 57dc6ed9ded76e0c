"""Where the manager may connect to on its own: a name is looked up once, every address is judged, and that very one is used.

So a name that answers differently the next time gains nothing. Addresses behind which clouds give out credentials are refused
whatever the configuration says; private ones and this machine are allowed as `receiver_networks` says (ATTACKS 8).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NEVER = tuple(
    ipaddress.ip_network(one)
    for one in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "100.100.100.200/32", "192.0.0.192/32", "0.0.0.0/8", "::/128")
)
"""Link-local and metadata services of clouds, and "this network"."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
LOOK_UP_S = 5.0
MAX_URL = 2000


class Refused(Exception):
    """The manager will not connect there. `str()` says why, and what would allow it."""


@dataclass(frozen=True)
class Policy:
    """`networks`: addresses that are not public, and allowed; `http`: also without TLS beyond this machine."""

    networks: tuple[Network, ...] = ()
    http: bool = False

    def judge(self, text: str, host: str) -> None:
        """Raises Refused unless `text`, a numeric address of `host`, may be connected to."""
        address = _inner(ipaddress.ip_address(text.partition("%")[0]))
        named = f"{host} ({address})" if host != str(address) else host
        if any(address.version == one.version and address in one for one in NEVER) or address.is_multicast:
            raise Refused(f"{named} is a link-local, metadata or multicast address; the manager never connects there")
        if not address.is_global and not any(address.version == one.version and address in one for one in self.networks):
            raise Refused(
                f"{named} is not a public address; to allow it, add its network to receiver_networks in the manager's configuration"
            )


def networks_of(texts: Sequence[str]) -> tuple[Network, ...]:
    """Raises ValueError naming the one that is no network."""
    return tuple(ipaddress.ip_network(text) for text in texts)


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, if it does."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return inner if inner is not None else address
    return address


async def look_up(policy: Policy, host: str, port: int) -> list[str]:
    """Numeric addresses of `host`, every one of them allowed. Raises Refused, OSError, asyncio.TimeoutError."""
    found = await asyncio.wait_for(asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM), LOOK_UP_S)
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    for address in addresses:
        policy.judge(address, host)
    return addresses


@dataclass(frozen=True)
class Target:
    """An address of HTTP in its parts. `path` has the query with it; `host` is ASCII, without brackets."""

    secure: bool
    host: str
    port: int
    path: str

    @property
    def header(self) -> str:
        """What `Host` says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


def target_of(url: str, policy: Policy) -> Target:
    """Raises Refused: no URL that can be used, or without TLS where that is not allowed."""
    if not 1 <= len(url) <= MAX_URL or not url.isprintable() or any(c.isspace() for c in url):
        raise Refused(f"an address of 1 to {MAX_URL} characters without spaces is needed, such as https://alerts.example.com/hook")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode() if ":" not in (parts.hostname or "") else str(parts.hostname)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        path.encode("ascii")
    except ValueError as problem:
        raise Refused("the address cannot be read; write it like https://alerts.example.com/hook, other characters as %XX") from problem
    if parts.scheme not in ("https", "http") or not host or port == 0:
        raise Refused("the address must begin with https:// and name a host")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise Refused("the address must have no name, password or # in it; give a token or a password in its own field")
    secure = parts.scheme == "https"
    if not secure and not policy.http and not _this_machine(host):
        raise Refused("the address must begin with https://; receiver_http in the manager's configuration allows http")
    return Target(secure, host, port or (443 if secure else 80), path)


def _this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
