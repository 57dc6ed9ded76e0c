"""Renewal: in time, with a new key, whole after a crash at any step, and the old certificate until the new one has worked."""

from __future__ import annotations

import hashlib
import logging
import ssl
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from host.daemon import enroll_keys, renew, validity
from host.daemon.config import Config, Daemon, Manager
from host.daemon.dial import tls_context
from host.daemon.enrolling import Tried
from host.daemon.identity import Identity
from host.daemon.link import Link
from host.daemon.link_errors import LinkFailure
from host.daemon.renewing import LAST_WAIT, Renewal
from host.daemon.route import ManagerRoute
from host.daemon.timeline import Timeline
from host.lib.clock import SystemClock
from host.lib.errors import LinkError
from host.wire.protocol import RENEW_PATH
from tests.host.daemon.conftest import FakeClock, Pki
from tests.host.daemon.fake_manager import Call, FakeManager, Reply, free_port, refusal
from tests.host.daemon.managers import GoodManager

DAY = 86_400_000
Make = Callable[..., Identity]


class Strict(GoodManager):
    """Knows certificates as the real one does: the first use of a newer one revokes the older ones."""

    def __init__(self, pki: Pki) -> None:
        super().__init__(pki.authority, hold=0)
        self.order: list[bytes] = []
        self.revoked: set[bytes] = set()

    def answer(self, call: Call) -> Reply:
        if call.proof in self.revoked:
            return refusal(401, 1002, "this node's certificate was revoked")
        if call.proof not in self.order:
            self.revoked.update(self.order)
            self.order.append(call.proof)
        return super().answer(call)


@pytest.fixture
def strict(manager: FakeManager, pki: Pki) -> Strict:
    one = Strict(pki)
    manager.answer = one.answer
    return one


def config(identity: Identity, *ports: int) -> Config:
    where = ",".join(f"127.0.0.1:{port}" for port in ports)
    return Config(Manager(where, timeout=2.0), Daemon(work_dir=identity.folder.parent))


def route_of(identity: Identity, port: int) -> ManagerRoute:
    return ManagerRoute([("127.0.0.1", port)], None, identity, Timeline(SystemClock()))


def call(link: Link) -> None:
    link.call("POST", "/node/v1/poll", b'{"accepted":[],"refused":[],"holding":[]}', repeatable=True)


def key_in(csr: str) -> bytes:
    key = x509.load_pem_x509_csr(csr.encode()).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def in_force(identity: Identity) -> str:
    """A fingerprint of the pair in force; fails when certificate and key do not fit."""
    tls_context(identity.ca, *identity.chain)
    return hashlib.sha256(identity.chain[0].read_bytes()).hexdigest()


def test_links_go_over_to_the_new_certificate_without_a_failure(
    manager: FakeManager, strict: Strict, identity_of: Make, by_route: Callable[..., Link]
) -> None:
    identity = identity_of()
    proved: list[bool] = []
    route = route_of(identity, manager.port)
    route._proved = lambda: proved.append(True)
    poll, report = by_route(route), by_route(route)
    call(poll), call(report)  # type: ignore[func-returns-value]
    renew.renew(config(identity, manager.port), SystemClock())
    call(poll)
    assert len(strict.order) == 1, "the running daemon has not been told yet: the old one serves"
    route.reload()
    call(poll), call(report), call(poll)  # type: ignore[func-returns-value]
    assert len(strict.order) == 2
    assert route.failures == 0
    assert proved == [True]
    assert {path.name for path in identity.folder.glob("*node*")} == {"node.json", "node.pem"}, "what is of no use any more is gone"
    assert identity.chain[0].stat().st_mode & 0o077 == 0
    in_force(identity)


def test_a_call_that_was_under_way_with_the_old_certificate_is_made_again(
    manager: FakeManager, strict: Strict, identity_of: Make, by_route: Callable[..., Link]
) -> None:
    identity = identity_of()
    route = route_of(identity, manager.port)
    late = by_route(route)
    call(late)

    def in_between(request: Call) -> Reply:
        manager.answer = strict.answer
        renew.renew(config(identity, manager.port), SystemClock())
        route.reload()
        call(by_route(route))  # the new one is used, so the old one ends while this call is on its way
        return strict.answer(request)

    manager.answer = in_between
    call(late)
    assert route.failures == 0


def test_a_new_certificate_that_is_refused_gives_way_to_the_old_one(
    manager: FakeManager, strict: Strict, identity_of: Make, by_route: Callable[..., Link], caplog: pytest.LogCaptureFixture
) -> None:
    identity = identity_of()
    before = in_force(identity)
    route = route_of(identity, manager.port)
    link = by_route(route)
    call(link)
    old = strict.order[0]
    renew.renew(config(identity, manager.port), SystemClock())
    route.reload()
    manager.answer = lambda one: strict.answer(one) if one.proof == old else refusal(401, 1002, "not one of a node here")
    with pytest.raises(LinkFailure, match="not one of a node"):
        call(link)
    call(link)
    assert "the one before it is used again" in caplog.text
    assert not identity.has_old
    assert validity.of_pem(identity.chain[0].read_text()) == validity.of_pem((identity.folder / "node.crt").read_text())
    assert in_force(identity) != before, "the same pair, now in one file"


@pytest.mark.parametrize("step", range(8))
def test_after_a_crash_at_any_step_the_pair_in_force_is_whole(
    manager: FakeManager, strict: Strict, identity_of: Make, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    identity = identity_of()
    settings = config(identity, manager.port)
    left = [step]

    class Crash(BaseException):
        pass

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def one(*arguments: object, **named: object) -> object:
            left[0] -= 1
            if left[0] < 0:
                raise Crash
            done = real(*arguments, **named)
            left[0] -= 1
            if left[0] < 0:
                raise Crash
            return done

        return one

    with monkeypatch.context() as patch:
        patch.setattr("host.daemon.identity.write_atomically", counted(renew.identity.write_atomically))
        patch.setattr("host.daemon.enroll_keys.write_atomically", counted(enroll_keys.write_atomically))
        patch.setattr(Path, "unlink", counted(Path.unlink))
        with pytest.raises(Crash):
            renew.renew(settings, SystemClock())
    in_force(identity)
    renew.renew(settings, SystemClock())
    in_force(identity)
    assert not (identity.folder / renew.PENDING).exists()
    keys = {key_in(csr) for csr in strict.renewals}
    assert len(keys) == (1 if step < 5 else 2), "an answer that was lost is asked for with the same key, one that was kept is not"


def test_a_lost_answer_is_asked_for_again_and_what_does_not_fit_is_not_kept(
    manager: FakeManager, strict: Strict, identity_of: Make, pki: Pki
) -> None:
    identity = identity_of()
    settings = config(identity, manager.port)
    before = in_force(identity)

    def swapped(request: Call) -> Reply:
        reply = strict.answer(request)
        reply.data["data"]["certificate"] = pki.node.certificate.read_text()
        return reply

    for answer, temporary, words in (
        (lambda one: Reply(fault="drop"), True, "closed the connection"),
        (lambda one: refusal(503, 1001, "busy", Retry_After="40"), True, "busy"),
        (lambda one: refusal(403, 1003, "this node is in quarantine"), False, "quarantine"),
        (lambda one: Reply(raw=b"surprise"), True, "not JSON"),
        (lambda one: Reply(data={"data": 5}), False, "makes no sense"),
        (swapped, False, "for another key"),
    ):
        manager.answer = answer  # type: ignore[assignment]
        with pytest.raises(LinkError, match=words) as caught:
            renew.renew(settings, SystemClock())
        assert isinstance(caught.value, renew.Temporary) is temporary
        assert getattr(caught.value, "retry_after", 0) == (40 if words == "busy" else 0)
        assert "\n" not in str(caught.value)
        assert in_force(identity) == before
    manager.answer = strict.answer
    renew.renew(config(identity, free_port(), manager.port), SystemClock())
    assert in_force(identity) != before, "the second address answered"
    requests = [key_in(one.json["csr"]) for one in manager.calls if one.path == RENEW_PATH]
    assert len(set(requests)) == 1


class Simulated:
    """A Renewal whose certificate, process and time are the test's."""

    def __init__(self, identity: Identity, clock: FakeClock) -> None:
        found = identity.validity()
        clock.wall = found.not_before
        self.clock, self.identity, self.found = clock, identity, found
        self.results: list[Tried] = []
        self.tries: list[int] = []
        self.route = ManagerRoute([("127.0.0.1", 1)], None, identity, Timeline(clock))
        self.renewal = Renewal(identity, self.route, self.run, Timeline(clock), lambda: 0.0)

    def run(self) -> Tried:
        self.tries.append(self.clock.wall)
        return self.results.pop(0) if self.results else Tried(75, "D2001 nothing listens")

    def until(self, day: float) -> None:
        while self.clock.wall < self.found.not_before + day * DAY:
            self.clock.pass_(max(0.001, self.renewal.step()))


def test_it_is_due_at_two_thirds_and_a_failure_is_tried_again_and_told_once(
    identity_of: Make, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    one = Simulated(identity_of((0, 90)), clock)
    one.until(59.9)
    assert one.tries == []
    one.until(60.1)
    assert one.tries[0] - one.found.not_before == pytest.approx(60 * DAY, abs=LAST_WAIT * 1000)
    one.until(61)
    assert 24 <= len(one.tries) < 60, "at least each hour, not each second"
    assert one.tries[1] - one.tries[0] <= 60_000
    ends = datetime.fromtimestamp(one.found.not_after / 1000, timezone.utc)
    assert f"could not be renewed: D2001 nothing listens (next try in 60 s; it ends on {ends:%Y-%m-%d}" in caplog.text
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 1
    assert one.renewal.problem == "D2001 nothing listens"


def test_a_wait_that_the_manager_asked_for_is_obeyed(identity_of: Make, clock: FakeClock) -> None:
    one = Simulated(identity_of((0, 90)), clock)
    clock.wall += 61 * DAY
    one.results = [Tried(75, "D2001 busy", 1800.0)]
    assert one.renewal.step() >= 1800


def test_after_a_renewal_the_next_one_is_due_at_two_thirds_of_the_new_life(identity_of: Make, clock: FakeClock, pki: Pki) -> None:
    identity = identity_of((0, 90))
    one = Simulated(identity, clock)
    one.until(59)
    fresh = pki.authority.pair("fresh", days=(59, 149))

    def run() -> Tried:
        one.tries.append(clock.wall)
        identity.replace(fresh.certificate.read_text(), fresh.key.read_text())
        return Tried(0, "")

    one.renewal._run = run
    generation = one.route.plan().generation
    one.until(118)
    assert len(one.tries) == 1
    assert one.route.plan().generation == generation + 1
    assert one.renewal.not_after == identity.validity().not_after > one.found.not_after
    one.until(119.5)
    assert 2 <= len(one.tries) < 60, "one that is no better is not asked for again and again"


def test_a_certificate_that_was_renewed_by_hand_is_taken_up(identity_of: Make, clock: FakeClock, pki: Pki) -> None:
    identity = identity_of((0, 90))
    one = Simulated(identity, clock)
    one.renewal.step()
    fresh = pki.authority.pair("by-hand", days=(0, 91))
    identity.replace(fresh.certificate.read_text(), fresh.key.read_text())
    one.renewal.step()
    assert one.route.plan().generation == 1
    assert one.tries == []


@pytest.mark.parametrize("days", [(-1, 30), (-20000, 12000), (9000, 40000)])
def test_the_times_of_a_certificate_are_read_as_cryptography_reads_them(pki: Pki, days: tuple[float, float]) -> None:
    path = pki.authority.pair("times", days=days).certificate
    real = x509.load_pem_x509_certificate(path.read_bytes())
    found = validity.of_pem("a key before it\n" + path.read_text())
    assert found.not_before == real.not_valid_before_utc.timestamp() * 1000
    assert found.not_after == real.not_valid_after_utc.timestamp() * 1000
    assert found.holds(found.not_after)
    assert not found.holds(found.not_after + 1)


def test_what_is_no_certificate_is_said_and_breaks_nothing(pki: Pki) -> None:
    der = ssl.PEM_cert_to_DER_cert(pki.node.certificate.read_text())
    for length in range(0, len(der), 7):
        if length < 160:
            with pytest.raises(ValueError):
                validity.of_der(der[:length])
    for place in range(0, 200):
        broken = bytes(byte ^ 0x5A if index == place else byte for index, byte in enumerate(der))
        try:
            validity.of_der(broken)
        except ValueError:
            continue
