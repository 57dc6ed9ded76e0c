"""`http`: a check of something that answers HTTP, seen from the host."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import urlsplit

from host.wire.schema import fact
from host.wire.tasks.limits import Limits

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_STATUS = re.compile(r"[1-5]xx|[1-5]\d\d|[1-5]\d\d-[1-5]\d\d")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,200}")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True)
class Http(Limits):
    """Succeeds when everything that is expected was found. What is not set is not looked at."""

    KIND: ClassVar[str] = "http"
    LABEL: ClassVar[str] = "HTTP check"
    HELP: ClassVar[str] = "Ask an address from the host and compare the answer."

    url: str = field(metadata=fact("Address", "http:// or https://, as seen from the host."))
    method: str = field(default="GET", metadata=fact("Method", choices=METHODS))
    headers: dict[str, str] = field(default_factory=dict, metadata=fact("Headers", "Not sent on to another host.", secret=True))
    body: str = field(default="", metadata=fact("Body", type="block", secret=True))
    expect_status: list[str] = field(default_factory=lambda: ["2xx"], metadata=fact("Expected status", "200, 2xx or 200-299."))
    expect_text: str = field(default="", metadata=fact("Expected text", "Stands in the body as it is."))
    expect_pattern: str = field(default="", metadata=fact("Expected pattern", "A regular expression that is found in the body."))
    json_path: str = field(default="", metadata=fact("JSON path", "A value of a JSON body: $.checks[0].state."))
    json_equals: str = field(default="", metadata=fact("JSON value", 'What it must be, as text or as JSON: up, 3, true, "3".'))
    max_time: float = field(default=10.0, metadata=fact("Time allowed", "For the whole answer.", least=0.05, most=300, unit="s"))
    follow_redirects: int = field(default=5, metadata=fact("Redirects followed", "0: the redirect itself is the answer.", least=0, most=10))
    verify_tls: bool = field(default=True, metadata=fact("Verify the certificate"))
    ca_file: str = field(default="", metadata=fact("CA file", "On the host; empty: the usual ones.", type="path"))
    certificate_days: int = field(
        default=0,
        metadata=fact("Certificate valid for", "It must last at least so long; 0: not looked at.", least=0, most=3650, unit="days"),
    )
    show_bytes: int = field(default=2048, metadata=fact("Body shown", "Of its beginning.", least=0, most=65536, unit="bytes"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if problem := url_problem(self.url):
            raise ValueError(f"url: {problem}")
        for name, value in self.headers.items():
            if not _HEADER.fullmatch(name) or _CONTROL.search(value) or value != value.strip():
                raise ValueError(f"headers: {name[:64]!r} cannot be sent; a name has no spaces, a value is one line")
        if wrong := next((one for one in self.expect_status if not _STATUS.fullmatch(one)), ""):
            raise ValueError(f"expect_status: {wrong[:64]!r} is no status; write 200, 2xx or 200-299")
        if not self.expect_status:
            raise ValueError("expect_status: is empty; write 200, 2xx or 200-299")
        if problem := _pattern_problem(self.expect_pattern):
            raise ValueError(f"expect_pattern: no regular expression: {problem}")
        if self.json_equals and not self.json_path:
            raise ValueError("json_path: is empty; json_equals needs one")
        if self.json_path and not self.json_path.startswith("$"):
            raise ValueError(f"json_path: {self.json_path[:64]!r} does not begin with $; write $.name or $.list[0]")
        if self.ca_file and (not self.ca_file.startswith("/") or "\0" in self.ca_file):
            raise ValueError(f"ca_file: {self.ca_file[:64]!r} is not an absolute path")


def _pattern_problem(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as problem:
        return str(problem)
    return ""


def url_problem(url: str) -> str:
    """Why this is no address of a check; "" when it is one. Asked again for each redirect."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as problem:
        return f"{url[:200]!r} is no address: {problem}"
    if parts.scheme not in ("http", "https"):
        return f"{url[:200]!r} does not begin with http:// or https://"
    if not parts.hostname or port == 0 or re.search(r"[\s\x00-\x1f\x7f\\]", url):
        return f"{url[:200]!r} names no host, or has spaces"
    if "@" in parts.netloc:
        return "it holds a user or a password; send them as the header Authorization"
    return ""
