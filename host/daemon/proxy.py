"""The proxy between this host and the manager (D5): where it is, and its CONNECT, which every call goes through.

Promised: without the proxy nothing is connected; a password is in no message, status or repr. TLS goes through the
tunnel untouched, so a proxy sees the manager's name and nothing else.
"""

from __future__ import annotations

import base64
import http.client
import io
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from host.daemon.link_errors import LinkFailure, retry_after_of
from host.lib.errors import ConfigError

MAX_HEAD = 16 * 1024
MASK = "***"


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy, and whom it is told that we are."""

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def where(self) -> str:
        """To show: without user and password."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """With the credentials, for `requests`; never to be shown."""
        account = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@" if self.user else ""
        return f"http://{account}{self.where}"


def parse(url: str, password: str = "") -> Proxy | None:
    """`http://[user[:password]@]host:port`; None for no proxy. Raises ValueError, whose text holds no password."""
    if not url:
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or not port or parts.scheme != "http" or parts.path not in ("", "/") or parts.query or not url.isascii():
        raise ValueError("it is not http://host:port or http://user:password@host:port")
    return Proxy(host, port, unquote(parts.username or ""), password or unquote(parts.password or ""))


def of(url: str, password_file: str) -> Proxy | None:
    """The proxy of a configuration that was checked. Raises ConfigError D1002 when the password's file cannot be read."""
    password = ""
    if password_file:
        try:
            password = Path(password_file).read_text(encoding="utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError) as problem:
            what = getattr(problem, "strerror", None) or "not UTF-8 text"
            raise ConfigError("D1002", f"manager.proxy_password_file: {password_file}: {what}", "write the password into it") from problem
    return parse(url, password)


def masked(url: str) -> str:
    """`url` with its password hidden, whatever it looks like: for everything that is shown or sent."""
    head, at, tail = url.rpartition("@")
    scheme, slashes, account = head.rpartition("//")
    user, colon, _ = account.partition(":")
    return f"{scheme}{slashes}{user}{colon}{MASK if colon else ''}{at}{tail}"


def connect(plain: socket.socket, proxy: Proxy, target: str, deadline: float, monotonic: Callable[[], float], now: int) -> None:
    """Asks for a tunnel to `target` (host:port) on a connection to the proxy. `now`: UTC ms, for a Retry-After.

    Raises LinkFailure for a refusal, TimeoutError past `deadline`, OSError.
    """
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.user:
        account = base64.b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {account}")
    plain.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
    head = bytearray()
    while b"\r\n\r\n" not in head:
        left = deadline - monotonic()
        if left <= 0:  # one that drips its answer may not hold this thread for ever
            raise TimeoutError
        plain.settimeout(left)
        # Looked at before it is taken: what follows the head belongs to TLS.
        part = plain.recv(4096, socket.MSG_PEEK)
        if not part or len(head) > MAX_HEAD:
            raise LinkFailure("D2001", f"the proxy at {proxy.where} broke off, or does not speak HTTP", "check manager.proxy")
        end = (head + part).find(b"\r\n\r\n")
        head += plain.recv(len(part) if end < 0 else end + 4 - len(head))
    status = head[9:12]
    if not head.startswith(b"HTTP/1.") or not status.isdigit():
        raise LinkFailure("D2001", f"the proxy at {proxy.where} does not speak HTTP", "check manager.proxy")
    if status[:1] != b"2":
        headers = http.client.parse_headers(io.BytesIO(bytes(head).partition(b"\r\n")[2]))
        raise refusal(int(status), proxy, target, retry_after_of(headers.get("Retry-After"), now / 1000))


def refusal(status: int, proxy: Proxy, target: str, retry_after: float = 0.0) -> LinkFailure:
    """What a proxy means by an HTTP status that is no 2xx."""
    at = f"the proxy at {proxy.where}"
    if status == 407:
        known = "does not take the user and password given" if proxy.user else "wants a user and a password"
        return LinkFailure("D2001", f"{at} {known} (407)", "correct manager.proxy or manager.proxy_password_file", retry_after)
    if status in (401, 403, 405):
        return LinkFailure("D2001", f"{at} does not allow a connection to {target} ({status})", "have it allowed there", retry_after)
    if status in (502, 503, 504):
        return LinkFailure("D2001", f"{at} cannot reach {target} ({status})", "check manager.address, and the way from there", retry_after)
    return LinkFailure("D2001", f"{at} refused a connection to {target} ({status})", "check manager.proxy", retry_after)
