"""Calls of the API over HTTP: the data of a good answer, a Problem for everything else."""

from __future__ import annotations

import hashlib
import ssl
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies

from host import __version__
from host.wire.envelope import OK
from server.ctl.problems import Missing, Problem, Refused, Unreachable, Usage
from server.ctl.setup import Setup

CONNECT_S = 10.0
READ_S = 60.0
"""More than twice as long as the API holds a call."""

RETRY_PAUSES_S = (0.5, 1.5)
_AWAY = (502, 503, 504)


class Client:
    """Not for several threads at once: each takes its own, see `another()`."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._session = requests.Session()
        # Not by itself: it would let ~/.netrc replace the token, and add authorities to the one that is trusted here.
        self._session.trust_env = False
        self._session.proxies = get_environ_proxies(setup.url)
        self._session.headers["User-Agent"] = f"opsctl/{__version__}"
        if setup.token:
            self._session.headers["Authorization"] = f"Bearer {setup.token}"
        if setup.ca:
            self._session.mount("https://", _OneAuthority(_context(setup.ca)))

    @property
    def url(self) -> str:
        return self._setup.url

    def another(self) -> Client:
        return Client(self._setup)

    def get(self, path: str, **query: Any) -> Any:
        return self.call("GET", path, params={key: value for key, value in query.items() if value not in ("", None)})

    def post(self, path: str, body: Any = None) -> Any:
        return self.call("POST", path, json=body)

    def create(self, path: str, body: Any) -> Any:
        """POST of what makes something: tried again when the answer is lost, under one key, so that it is made once."""
        key = uuid.uuid4().hex
        for pause in RETRY_PAUSES_S:
            try:
                return self.call("POST", path, json=body, headers={"Idempotency-Key": key})
            except Unreachable:
                time.sleep(pause)
        return self.call("POST", path, json=body, headers={"Idempotency-Key": key})

    def call(self, method: str, path: str, **more: Any) -> Any:
        """The answer's data. Raises Usage (400), Refused (401, 403), Missing (404), Unreachable, Problem."""
        return self._data(self._send(method, path, **more))

    def _data(self, response: requests.Response) -> Any:
        try:
            answer = response.json()
            code, message, data = int(answer["code"]), str(answer["message"]), answer["data"]
        except (ValueError, KeyError, TypeError) as problem:
            raise self._no_manager(response) from problem
        if code == OK and response.ok:
            return data
        if response.status_code == 401 and self._setup.token:
            raise Refused(f"{self.url} does not know this token (any more); run: opsctl login {self.url}")
        kinds: dict[int, type[Problem]] = {400: Usage, 401: Refused, 403: Refused, 404: Missing} | dict.fromkeys(_AWAY, Unreachable)
        raise kinds.get(response.status_code, Problem)(message)

    def stream(self, path: str, headers: dict[str, str]) -> Iterator[bytes]:
        """The bytes of an answer as they come. Raises as `call`; Unreachable also when it breaks off."""
        with self._send("GET", path, headers=headers, stream=True) as response:
            if not response.ok:
                self._data(response)
            try:
                yield from response.iter_content(256 * 1024)
            except requests.exceptions.RequestException as problem:
                raise Unreachable(f"{self.url}: {_why(problem)}") from problem

    def fetch_text(self, path: str) -> str:
        response = self._send("GET", path)
        if not response.ok:
            raise self._no_manager(response)
        return response.text

    def _send(self, method: str, path: str, **more: Any) -> requests.Response:
        """The answer; after a while when the manager finds that too many calls came in a minute."""
        response = self._send_now(method, path, **more)
        while response.status_code == 429 and ";r=0;" in response.headers.get("RateLimit", ""):
            time.sleep(min(float(response.headers.get("Retry-After", 1)), 60.0))
            response = self._send_now(method, path, **more)
        return response

    def _send_now(self, method: str, path: str, **more: Any) -> requests.Response:
        try:
            return self._session.request(
                method, f"{self.url}{path}", timeout=(CONNECT_S, READ_S), allow_redirects=False, verify=True, **more
            )
        except requests.exceptions.SSLError as problem:
            raise Unreachable(f"{self.url}: {_why(problem)}; is the certificate known here? Give --ca FILE or --ca-pin") from problem
        except requests.exceptions.RequestException as problem:
            raise Unreachable(f"{self.url}: {_why(problem)}") from problem

    def _no_manager(self, response: requests.Response) -> Problem:
        return Unreachable(f"{self.url} did not answer like a manager (HTTP {response.status_code}); check the address")


def if_match(found: Mapping[str, Any]) -> dict[str, str]:
    """The header that lets a change through only to the version that was seen."""
    return {"If-Match": f'"{found["version"]}"'}


class _OneAuthority(HTTPAdapter):
    """Trusts the given context and nothing else."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **more: Any) -> Any:
        return super().init_poolmanager(*arguments, **more, ssl_context=self._context)

    def proxy_manager_for(self, *arguments: Any, **more: Any) -> Any:
        return super().proxy_manager_for(*arguments, **more, ssl_context=self._context)

    def cert_verify(self, conn: Any, *_: Any) -> None:
        # The parent's would add the authorities that come with requests.
        conn.cert_reqs = "CERT_REQUIRED"


def pinned_ca(url: str, pin: str) -> str:
    """The manager's CA certificate (PEM), fetched unchecked and then compared with `pin`. Raises Usage, Refused, Unreachable."""
    wanted = pin.strip().lower().replace(":", "").removeprefix("sha256")
    if len(wanted) != 64 or not set(wanted) <= set("0123456789abcdef"):
        raise Usage("--ca-pin: 64 hexadecimal digits are needed, the SHA-256 of the manager's CA certificate")
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    try:
        # Nothing secret goes there, and what comes back counts only if its hash is the pin.
        response = requests.get(f"{url}/api/v1/ca", timeout=(CONNECT_S, READ_S), allow_redirects=False, verify=False)  # noqa: S501
        response.raise_for_status()
        der = ssl.PEM_cert_to_DER_cert(response.text)
    except (requests.exceptions.RequestException, ValueError) as problem:
        raise Unreachable(f"{url}: {_why(problem)}") from problem
    if hashlib.sha256(der).hexdigest() != wanted:
        raise Refused(f"{url} is not the manager with this pin: its CA certificate is another one; nothing was sent to it")
    return response.text


def _context(ca: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cadata=ca)
    except ssl.SSLError as problem:
        raise Usage("the CA certificate cannot be read; sign in again with --ca FILE") from problem
    return context


def _why(problem: BaseException) -> str:
    """The innermost reason, in words: the outer ones repeat it in the library's own."""
    seen: BaseException | None = problem
    best = ""
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"the certificate is not trusted ({seen.verify_message})"
        if isinstance(seen, OSError) and seen.strerror:
            best = seen.strerror.lower()
        inner = next((a for a in (*seen.args, getattr(seen, "reason", None)) if isinstance(a, BaseException)), None)
        seen = inner or seen.__cause__ or seen.__context__
    if best:
        return best
    return "it did not answer in time" if isinstance(problem, requests.exceptions.Timeout) else "the connection was lost"
