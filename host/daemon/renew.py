"""Renewal: a new key and certificate for a node (DESIGN §4). A short-lived process; the daemon itself never imports this.

    key on disk → request over the old certificate → answer checked → new pair in force in one step

The key is on disk before anybody is asked, so that a repeated request after a lost answer is for the same key and gets
the same certificate. After a crash at any step the pair in force is whole: the old one or the new one.
"""

from __future__ import annotations

from datetime import datetime, timezone

from cryptography.hazmat.primitives import serialization

from host.daemon import enroll_keys, facts, identity, proxy
from host.daemon.config import Config, addresses
from host.daemon.enrolling import TEMPORARY
from host.daemon.identity import Identity
from host.daemon.link import Link
from host.daemon.link_errors import LinkFailure, Rejected
from host.daemon.machine import Machine
from host.daemon.route import ManagerRoute
from host.daemon.timeline import Timeline
from host.lib.clock import Clock
from host.lib.errors import LinkError
from host.wire import codec
from host.wire.messages import RenewAnswer, RenewRequest
from host.wire.protocol import RENEW_PATH

PENDING = "renewal.key"


class Temporary(LinkError):
    """Trying again later may help."""

    exit_code = TEMPORARY

    def __init__(self, code: str, what: str, mend: str = "", retry_after: float = 0.0) -> None:
        super().__init__(code, what, mend)
        self.retry_after = retry_after


def renew(config: Config, clock: Clock) -> datetime:
    """Gives this host a new certificate and says when that ends. Raises LinkError D2002 (refused), Temporary."""
    found = identity.load(config.daemon.work_dir)
    if found is None:
        raise LinkError("D2002", "this host is not enrolled", "run ops-daemon enroll")
    path = found.folder / PENDING
    try:
        if path.exists() and _in_use(found, path.read_bytes()):
            path.unlink()  # a crash after the last renewal left it
        key = enroll_keys.load_or_make_key(path)
        answer = _ask(config, found, clock, enroll_keys.request_for(key, found.name))
        _check(answer, key, found)
        found.replace(answer.certificate, path.read_text(encoding="ascii"))
        path.unlink()
    except OSError as problem:
        raise Temporary("D2002", f"the identity cannot be written: {problem}", "check daemon.work_dir and the free space") from problem
    return datetime.fromtimestamp(found.validity().not_after / 1000, timezone.utc)


def _in_use(found: Identity, pending: bytes) -> bool:
    try:
        keys = [serialization.load_pem_private_key(data, None).public_key() for data in (pending, found.chain[1].read_bytes())]
    except (ValueError, TypeError) as problem:
        raise LinkError("D2002", f"{found.folder / PENDING} is no private key", "remove it; a new one will be made") from problem
    return keys[0] == keys[1]


def _ask(config: Config, found: Identity, clock: Clock, csr: str) -> RenewAnswer:
    """Each address once, until one answers."""
    manager = config.manager
    where = addresses(manager.address)
    timeline = Timeline(clock, found.validity().not_before)
    route = ManagerRoute(where, proxy.of(manager.proxy, manager.proxy_password_file), found, timeline)
    link = Link(route, manager.timeout, clock, Machine(facts.fingerprint, clock).headers)
    try:
        for left in reversed(range(len(where))):
            try:
                data = link.call("POST", RENEW_PATH, codec.dumps(RenewRequest(csr)), repeatable=True).data
                return codec.build(RenewAnswer, data["data"])
            except Rejected as problem:
                if problem.status < 500 and problem.status not in (408, 425, 429):
                    raise LinkError("D2002", problem.what, problem.mend) from problem
                if not left or problem.retry_after:
                    raise Temporary(problem.code, problem.what, problem.mend, problem.retry_after) from problem
            except LinkFailure as problem:
                if not left:
                    raise Temporary(problem.code, problem.what, problem.mend, problem.retry_after) from problem
    except (ValueError, KeyError, TypeError) as problem:
        raise LinkError(
            "D2002", f"the manager's answer to the renewal makes no sense: {problem}", "check that daemon and manager fit each other"
        ) from problem
    finally:
        link.close()
    raise AssertionError("there is at least one address")


def _check(answer: RenewAnswer, key: enroll_keys.Key, found: Identity) -> None:
    """Nothing of an answer is kept before all of it fits."""
    try:
        fits = enroll_keys.fits(answer.certificate, key)
        same = enroll_keys.pin_of(answer.ca) == enroll_keys.pin_of(found.ca.read_text(encoding="ascii"))
    except ValueError as problem:
        raise LinkError("D2002", f"the manager's answer holds no certificate: {problem}") from problem
    if not fits or not same:
        raise LinkError("D2002", "the manager's answer is for another key or names another CA", "look which manager answers there")
