"""Enrolment: makes this host a node (D4, DESIGN §4). A short-lived process; the daemon itself never imports this.

    token, or none → CA (configured, or fetched and checked against the token's pin) → key → request → identity files

Without a token the host asks, and waits until somebody has approved it; that needs the CA in the configuration. A host that
the manager sent to enrol anew (`anew`) always asks: the token of its configuration is that of the host it was copied from.

Promised: the private key never leaves the host; it is on disk before the request, so that a repeated one after a lost
answer is for the same key; nothing is sent to a manager whose CA is not the pinned one.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
import warnings
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import requests
import tenacity
import urllib3

from host.daemon import anew, enroll_keys, facts, identity, proxy
from host.daemon.config import Config, Manager
from host.daemon.enrolling import TEMPORARY
from host.daemon.link_errors import retry_after_of
from host.lib.errors import LinkError
from host.lib.files import make_private_folder, write_atomically
from host.wire import codec
from host.wire.messages import EnrollAnswer, EnrollRequest
from host.wire.protocol import CA_PATH, ENROLL_PATH, PROTOCOL

_TOKEN = re.compile(r"ops1\.[A-Za-z0-9_-]+\.([0-9a-f]{64})")
ATTEMPTS = 3
LONGEST_WAIT = 10.0
"""Seconds of a `Retry-After` that this process waits for; a longer one is the daemon's to wait."""


class Temporary(LinkError):
    """Trying again later may help: the manager cannot be reached, or says so itself."""

    exit_code = TEMPORARY

    def __init__(self, code: str, what: str, mend: str = "", retry_after: float = 0.0) -> None:
        super().__init__(code, what, mend)
        self.retry_after = retry_after


class Waiting(Temporary):
    """The manager has heard: somebody there decides. Other addresses of it need not be asked."""


@dataclass(frozen=True)
class Edge:
    """Where to ask, and how: `base` is https://host:port."""

    base: str
    timeout: float
    proxy: proxy.Proxy | None = None


def enroll(config: Config) -> identity.Identity:
    """Enrols this host and gives its identity; an identity that is there already is kept and nothing asked.

    Raises LinkError D2002 (refused, or the token is no use), Temporary D2001 or D2002.
    """
    known = identity.load(config.daemon.work_dir)
    if known:
        return known
    folder = identity.folder_of(config.daemon.work_dir)
    try:
        known_ca = anew.known_ca(config.daemon.work_dir)
        token = "" if known_ca else read_token(config.manager)
        make_private_folder(folder, 0o700)
        key = enroll_keys.load_or_make_key(folder / "node.key")
        about = facts.gather(config.manager.labels)
        request = EnrollRequest(PROTOCOL, token, enroll_keys.request_for(key, about.hostname), about, facts.fingerprint())
        answer, ca = _ask_one_of(config.manager, token, request, known_ca)
        _check(answer, key, ca)
        return _write(folder, answer)
    except OSError as problem:
        raise LinkError("D2002", f"the identity cannot be written: {problem}", "check daemon.work_dir and the free space") from problem


def _ask_one_of(manager: Manager, token: str, request: EnrollRequest, known_ca: str) -> tuple[EnrollAnswer, str]:
    """The answer and the CA of the first address that has one; a refusal speaks for all of them. `known_ca` (PEM) if any."""
    problem: Temporary | None = None
    for one in manager.address.split(","):
        edge = Edge(f"https://{one.strip()}", manager.timeout, proxy.of(manager.proxy, manager.proxy_password_file))
        try:
            ca = known_ca or trusted_ca(manager, token, edge)
            return _ask(edge, request, ca), ca
        except Waiting:
            raise
        except Temporary as again:
            problem = again
    assert problem is not None, "a configuration has an address"
    raise problem


def read_token(manager: Manager) -> str:
    """The enrolment token. Raises LinkError D2002 when there is none, or it has not the form of one."""
    token = manager.enrolment_token
    if manager.enrolment_token_file:
        try:
            token = Path(manager.enrolment_token_file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as problem:
            raise LinkError("D2002", f"{manager.enrolment_token_file}: {problem}", "write the enrolment token into that file") from problem
    token = token.strip()
    if not token and manager.ca_file:
        return ""  # it asks, and somebody at the manager decides; whom it asks is certain by the configured CA
    if not token:
        raise LinkError(
            "D2002",
            "this host is not enrolled and there is no enrolment token",
            "make one on the manager and set manager.enrolment_token, or set manager.ca_file to wait for approval",
        )
    if not _TOKEN.fullmatch(token):
        raise LinkError("D2002", "the enrolment token has not the form ops1.<secret>.<64 hex digits>", "copy it whole from the manager")
    return token


def trusted_ca(manager: Manager, token: str, edge: Edge) -> str:
    """The manager's CA (PEM): the configured file, else fetched unverified and held against the token's pin."""
    if manager.ca_file:
        try:
            return Path(manager.ca_file).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as problem:
            raise LinkError("D2002", f"manager.ca_file: {problem}", "give the PEM file of the manager's CA") from problem
    base = edge.base
    response = _send("GET", edge, CA_PATH, verify=False)
    pem = _pem_in(response)
    match = _TOKEN.fullmatch(token)
    try:
        pin = enroll_keys.pin_of(pem)
    except ValueError as problem:
        raise LinkError("D2002", f"{base} gave no CA certificate", "check manager.address") from problem
    if match is None or pin != match[1]:
        raise LinkError(
            "D2002", f"the CA of {base} is not the one that the token names", "check manager.address, or make a new token there"
        )
    return pem


def _pem_in(response: requests.Response) -> str:
    """The certificate in an answer: bare, or as `ca` in an envelope's data."""
    if "BEGIN CERTIFICATE" in response.text and not response.text.lstrip().startswith("{"):
        return response.text
    try:
        data = response.json()["data"]
        return str(data["ca"] if isinstance(data, dict) else data)
    except (ValueError, KeyError, TypeError):
        return ""  # no certificate: the caller refuses it


def _ask(edge: Edge, request: EnrollRequest, ca: str) -> EnrollAnswer:
    # requests wants the CA as a file; it is not yet proved to belong to an identity, so it goes elsewhere first.
    with tempfile.NamedTemporaryFile("w", suffix=".pem", encoding="ascii") as file:
        file.write(ca)
        file.flush()
        response = _send("POST", edge, ENROLL_PATH, verify=file.name, data=codec.dumps(request))
    if response.status_code == 202:
        wait = retry_after_of(response.headers.get("Retry-After"), time.time())
        key = enroll_keys.key_hash(request.csr)
        raise Waiting("D2002", f"this host waits for approval at {edge.base}; its key is {key}", "compare the key there, and approve", wait)
    try:
        return codec.build(EnrollAnswer, response.json()["data"])
    except (ValueError, KeyError, TypeError) as problem:
        raise LinkError(
            "D2002", f"the manager's answer to the enrolment makes no sense: {problem}", "check that daemon and manager fit each other"
        ) from problem


def _send(method: str, edge: Edge, path: str, *, verify: bool | str, data: bytes | None = None) -> requests.Response:
    """One request, with a few tries while the reason is temporary; gives an answer of HTTP 2xx."""
    retry = tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda problem: isinstance(problem, Temporary) and problem.retry_after <= LONGEST_WAIT),
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=_patience,
        reraise=True,
    )
    return retry(_send_once, method, edge, path, verify, data)


def _patience(state: tenacity.RetryCallState) -> float:
    problem = state.outcome.exception() if state.outcome else None
    return _JITTER(state) + (problem.retry_after if isinstance(problem, Temporary) else 0.0)


_JITTER = tenacity.wait_random_exponential(multiplier=0.3, max=3)


def _send_once(method: str, edge: Edge, path: str, verify: bool | str, data: bytes | None) -> requests.Response:
    headers = {"Content-Type": "application/json"}
    where, url, timeout = edge.base, edge.base + path, edge.timeout
    try:
        with warnings.catch_warnings(), requests.Session() as session:
            # Unverified is meant here, and only for a CA that is then held against the pin.
            warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
            session.trust_env = False  # the CA bundle of an environment must not replace the pinned one
            if edge.proxy:
                session.proxies = {"https": edge.proxy.url}
            response = session.request(method, url, data=data, headers=headers, timeout=timeout, verify=verify, allow_redirects=False)
    except requests.exceptions.ProxyError as problem:
        raise _by_proxy(edge, problem) from problem
    except requests.exceptions.SSLError as problem:
        text = str(problem)
        if "match" in text or "not valid for" in text:
            raise LinkError(
                "D2001", f"{where} has a certificate for another name", "write manager.address as its certificate has it"
            ) from problem
        if "not yet valid" in text or "expired" in text:
            raise Temporary("D2001", f"the certificate of {where} is not valid at this host's time", "set this host's clock") from problem
        raise LinkError("D2001", f"{where} has a certificate of an unknown CA", "check manager.address and manager.ca_file") from problem
    except requests.exceptions.Timeout as problem:
        raise Temporary("D2001", f"{where} gave no answer within {timeout:g} s", "check the network between") from problem
    except requests.exceptions.RequestException as problem:
        raise Temporary(
            "D2001", f"{where} cannot be reached ({_cause(problem)})", "check manager.address, and that the manager runs"
        ) from problem
    if response.status_code // 100 == 2:
        return response
    reason = _message(response)
    wait = retry_after_of(response.headers.get("Retry-After"), time.time())
    if response.status_code in (408, 425, 429) or response.status_code >= 500:
        raise Temporary("D2002", f"{where} cannot enrol this host now: {reason}", retry_after=wait)
    raise LinkError(
        "D2002", f"{where} refused the enrolment: {reason}", "make a new token on the manager" if response.status_code in (401, 403) else ""
    )


def _by_proxy(edge: Edge, problem: BaseException) -> Temporary:
    assert edge.proxy is not None
    target = edge.base.removeprefix("https://")
    status = re.search(r"Tunnel connection failed: (\d{3})", str(problem))
    if status:
        said = proxy.refusal(int(status[1]), edge.proxy, target)
        return Temporary(said.code, said.what, said.mend)
    return Temporary("D2001", f"the proxy at {edge.proxy.where} cannot be reached ({_cause(problem)})", "check manager.proxy")


def _cause(problem: BaseException) -> str:
    """The innermost reason: the outer ones are pages long."""
    inner = problem
    while inner.__context__ is not None or inner.__cause__ is not None:
        inner = inner.__cause__ or inner.__context__  # type: ignore[assignment]
    return str(getattr(inner, "strerror", None) or inner)[:200]


def _message(response: requests.Response) -> str:
    try:
        body: Any = response.json()
        return str(body["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return f"HTTP {response.status_code}"


def _check(answer: EnrollAnswer, key: Any, ca: str) -> None:
    """Nothing of an answer is kept before all of it fits."""
    try:
        fits = enroll_keys.fits(answer.certificate, key) and enroll_keys.pin_of(answer.ca) == enroll_keys.pin_of(ca)
    except ValueError as problem:
        raise LinkError("D2002", f"the manager's answer holds no certificate: {problem}") from problem
    if not fits:
        raise LinkError("D2002", "the manager's answer is for another key or names another CA", "check manager.address and manager.ca_file")
    if not re.fullmatch(r"[0-9a-f]{64}", answer.dispatch_key) or not answer.node_id:
        raise LinkError(
            "D2002", "the manager's answer lacks the node id or the dispatch key", "check that daemon and manager fit each other"
        )


def _write(folder: Path, answer: EnrollAnswer) -> identity.Identity:
    enroll_keys.make_agent_certificate(folder / "agent.key", folder / "agent.crt", datetime.now(timezone.utc))
    write_atomically(folder / "ca.crt", answer.ca.encode(), 0o644)
    write_atomically(folder / "dispatch.key", answer.dispatch_key.encode())
    write_atomically(folder / "node.crt", answer.certificate.encode(), 0o644)
    write_atomically(folder / "node.json", json.dumps({"node_id": answer.node_id, "name": answer.name}).encode())
    anew.enrolled(folder)
    return identity.Identity(folder, answer.node_id, answer.name)
