"""One request with its redirects, and a bounded part of the answer, within a bounded time.

Bodies are read as they are sent (`Accept-Encoding: identity`), so nothing can swell. Headers of the task may be secret:
they go to the address that the task names, and on to another only where scheme, host and port stay the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import signal
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from host.agent.tasks.base import TaskProblem
from host.agent.tasks.http.guard import Seen, session
from host.wire.tasks import Http
from host.wire.tasks.http import url_problem

MAX_BODY = 8 * 1024 * 1024
REDIRECTS = (301, 302, 303, 307, 308)
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Answer:
    """`body`: at most MAX_BODY bytes, `complete` when that is all; `redirects`: the addresses that were gone to after the first."""

    status: int
    body: bytes
    complete: bool
    took_ms: int
    certificate: bytes | None
    redirects: list[str] = field(default_factory=list)

    @property
    def sha256(self) -> str | None:
        return hashlib.sha256(self.body).hexdigest() if self.complete else None


class TooSlow(BaseException):
    """The time is over. Not an Exception, so that no library takes it for one of its own."""


@contextlib.contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Raises TooSlow in the main thread when the time is over, wherever it is: in a read, a handshake, a regular expression."""

    def over(number: int, frame: Any) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def fetch(content: Http, allow_link_local: bool) -> Answer:
    """The answer. Raises TaskProblem A7001, A7002, A7006, A7007; TooSlow when used in `bounded`."""
    seen, start = Seen(allow_link_local), time.monotonic()
    url, method, body, headers = content.url, content.method, content.body.encode(), dict(content.headers)
    gone: list[str] = []
    with session(seen, content.max_time) as client:
        while True:
            with _ask(client, content, method, url, headers, body) as response:
                target = response.headers.get("Location", "")
                if response.status_code not in REDIRECTS or not target or not content.follow_redirects:
                    read, complete = _read(response)
                    took = int((time.monotonic() - start) * 1000)
                    certificate = seen.certificate if url.startswith("https:") else None
                    return Answer(response.status_code, read, complete, took, certificate, gone)
                status = response.status_code
            if len(gone) >= content.follow_redirects:
                raise TaskProblem(
                    "A7006", f"more than {content.follow_redirects} redirects, the last to {target[:200]!r}", "name the last one"
                )
            target = urljoin(url, target)
            if problem := url_problem(target):
                raise TaskProblem("A7006", f"a redirect leads to where no check goes: {problem}", "correct the redirect")
            if status == 303 or (status in (301, 302) and method == "POST"):
                method, body = ("HEAD" if method == "HEAD" else "GET"), b""
            if _origin(target) != _origin(url):
                if body:
                    raise TaskProblem("A7006", f"a redirect would carry the body to another host: {target[:200]!r}", "name that address")
                headers = {}
            url = target
            gone.append(url)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or PORTS.get(parts.scheme)


def _ask(client: requests.Session, content: Http, method: str, url: str, headers: dict[str, str], body: bytes) -> requests.Response:
    sent = {"User-Agent": "ops-scaffold", "Accept": "*/*", **headers, "Accept-Encoding": "identity"}
    verify: bool | str = (content.ca_file or True) if content.verify_tls else False
    try:
        with warnings.catch_warnings():
            # Not to verify was the task's own word.
            warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
            return client.request(
                method, url, headers=sent, data=body or None, stream=True, allow_redirects=False, timeout=content.max_time, verify=verify
            )
    except requests.exceptions.SSLError as problem:
        raise TaskProblem(
            "A7002", f"{_where(url)}: {_reason(problem)}", "renew or correct the certificate, or name its ca_file"
        ) from problem
    except requests.exceptions.Timeout as problem:
        raise TooSlow from problem
    except requests.exceptions.ConnectionError as problem:
        raise TaskProblem(
            "A7001", f"{_where(url)} cannot be reached: {_reason(problem)}", "is it running, and its name right?"
        ) from problem
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, ValueError) as problem:
        raise TaskProblem("A7001", f"{_where(url)} cannot be asked: {_reason(problem)}", "correct the address") from problem
    except OSError as problem:  # how requests tells of a CA file that is not there
        raise TaskProblem("A7002", f"the CA file {content.ca_file} cannot be used: {problem}", "name a PEM file of this host") from problem


def _read(response: requests.Response) -> tuple[bytes, bool]:
    read = bytearray()
    try:
        for chunk in response.raw.stream(65536, decode_content=False):
            read += chunk
            if len(read) > MAX_BODY:
                return bytes(read[:MAX_BODY]), False
    except urllib3.exceptions.ReadTimeoutError as problem:
        raise TooSlow from problem
    except (urllib3.exceptions.HTTPError, OSError) as problem:
        raise TaskProblem("A7001", f"the answer broke off after {len(read)} bytes: {_reason(problem)}", "see the server's log") from problem
    return bytes(read), True


def _where(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"  # without what a query may hold


def _reason(problem: BaseException) -> str:
    """The innermost words: the libraries wrap theirs into several layers."""
    inner: Any = problem
    while True:
        reason = getattr(inner, "reason", None)
        argument = reason if isinstance(reason, BaseException) else next((a for a in inner.args if isinstance(a, BaseException)), None)
        if argument is None:
            break
        inner = argument
    text = str(getattr(inner, "verify_message", "") or getattr(inner, "strerror", "") or inner)
    return text.rpartition(">: ")[2].rpartition("): ")[2][:300] or text[:300]
