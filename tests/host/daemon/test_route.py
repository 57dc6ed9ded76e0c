"""Several addresses, false managers and wrong clocks, over real TLS: the right one is found, the others are told nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from host.daemon import config_file
from host.daemon.config import addresses
from host.daemon.identity import Identity
from host.daemon.link import Link
from host.daemon.link_errors import LinkFailure
from host.daemon.outbox import open_outbox
from host.daemon.report import Reporter
from host.daemon.route import ManagerRoute
from host.daemon.timeline import Timeline, difference
from host.lib.backoff import Backoff
from host.lib.clock import SystemClock
from host.lib.errors import ConfigError
from host.wire.records import Event
from tests.host.daemon.conftest import Pki
from tests.host.daemon.fake_manager import FakeManager, Reply, free_port, refusal
from tests.host.daemon.pki import Authority, Pair

DAY = 86_400_000
Make = Callable[..., Identity]
MakeLink = Callable[..., Link]


@pytest.fixture
def servers(pki: Pki) -> Iterator[Callable[..., FakeManager]]:
    made: list[FakeManager] = []

    def make(pair: Pair | None = None, authority: Authority | None = None) -> FakeManager:
        made.append(FakeManager(authority or pki.authority, pair or pki.server, lambda call: Reply(data={"stored": 9, "now": 5})))
        return made[-1]

    yield make
    for one in made:
        one.close()


def route_to(identity: Identity, *ports: int, timeline: Timeline | None = None) -> ManagerRoute:
    known = timeline or Timeline(SystemClock(), identity.validity().not_before)
    return ManagerRoute([("127.0.0.1", port) for port in ports], None, identity, known)


def refused(link: Link) -> str:
    with pytest.raises(LinkFailure) as caught:
        link.call("POST", "/x", b"{}", repeatable=True)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_address_that_works_is_kept_and_after_a_failure_the_next_one_is_tried(
    servers: Callable[..., FakeManager], identity_of: Make, by_route: MakeLink
) -> None:
    first, second = servers(), servers()
    route = route_to(identity_of(), first.port, second.port)
    poll, report = by_route(route), by_route(route)
    for link in (poll, report, poll):
        link.call("POST", "/x", b"{}", repeatable=True)
    assert (len(first.calls), len(second.calls)) == (3, 0), "the first one as long as it works"
    first.answer = lambda call: Reply(500)
    refused(poll)
    assert route.where == f"127.0.0.1:{second.port}"
    for link in (report, poll, report):
        link.call("POST", "/x", b"{}", repeatable=True)
    assert (len(first.calls), len(second.calls)) == (4, 3), "all links move together, and stay"
    second.answer = lambda call: Reply(fault="drop")
    first.answer = lambda call: Reply(data={})
    refused(report)
    assert report.call("POST", "/x", b"{}").data == {}
    assert route.where == f"127.0.0.1:{first.port}", "after the last one comes the first"
    assert route.failures == 2


def test_two_links_that_fail_at_the_same_address_do_not_skip_the_next(identity_of: Make, by_route: MakeLink) -> None:
    ports = [free_port() for _ in range(3)]
    route = route_to(identity_of(), *ports)
    plan = route.plan()
    for _ in range(2):
        route.failed(plan, LinkFailure("D2001", "gone"))
    assert route.where == f"127.0.0.1:{ports[1]}"
    assert "nothing listens" in refused(by_route(route))
    assert route.where == f"127.0.0.1:{ports[2]}"


def test_a_manager_that_says_no_or_when_to_come_again_is_not_left(
    servers: Callable[..., FakeManager], identity_of: Make, by_route: MakeLink
) -> None:
    first = servers()
    route = route_to(identity_of(), first.port, free_port())
    for reply in (
        refusal(503, 1001, "busy", Retry_After="7"),
        refusal(403, 1003, "this node is in quarantine"),
        refusal(400, 1001, "too new"),
    ):
        first.answer = lambda call, reply=reply: reply  # type: ignore[misc]
        assert "said no" in refused(by_route(route))
        assert route.where == f"127.0.0.1:{first.port}"


def test_addresses_are_one_or_a_list_or_with_commas(tmp_path: Path) -> None:
    file = tmp_path / "daemon.yaml"
    for text in ("a:1, b:2", ["a:1", "b:2"]):
        file.write_text(f"manager:\n  address: {text}\n")
        assert addresses(config_file.load(file).manager.address) == [("a", 1), ("b", 2)]
    for text in ("a:1,", "[]", "[1]", "a:1 b:2", "['a']"):
        file.write_text(f"manager:\n  address: {text}\n")
        with pytest.raises(ConfigError, match=r"D1002.*manager.address"):
            config_file.load(file)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("unknown CA", "unknown CA"),
        ("self-signed", "has a self-signed certificate"),
        ("another name", "a certificate for another name"),
        ("ended", "ended on"),
        ("not begun", "begins on"),
        ("a node's", "not for a manager, but for a host"),
    ],
)
def test_a_false_manager_is_told_nothing_and_what_waits_goes_on_waiting(
    servers: Callable[..., FakeManager], identity_of: Make, by_route: MakeLink, pki: Pki, tmp_path: Path, kind: str, says: str
) -> None:
    made = {
        "unknown CA": lambda: pki.stranger.pair("false"),
        "self-signed": lambda: pki.authority.pair("false", self_signed=True),
        "another name": lambda: pki.other_name,
        "ended": lambda: pki.authority.pair("false", days=(-40, -10)),
        "not begun": lambda: pki.authority.pair("false", days=(10, 40)),
        "a node's": lambda: pki.authority.pair("false", purpose=ExtendedKeyUsageOID.CLIENT_AUTH),
    }
    server = servers(made[kind]())
    outbox, _ = open_outbox(tmp_path / "outbox.db", 10**7, 10**6, 5)
    outbox.append("event", 5, Event("a", "result"))
    link = by_route(route_to(identity_of(), server.port))
    reporter = Reporter("urgent", link, outbox, SystemClock(), Backoff(1.0, 30.0, lambda: 0.0))
    assert reporter.step() > 0
    assert says in reporter.problem
    assert "\n" not in reporter.problem
    assert outbox.stats().urgent == 1
    assert [call for call in server.calls if call.body or call.certificate] == [], "no certificate was shown, nothing said"
    outbox.close()


@pytest.mark.parametrize("days", [-3650, -1, 300])
def test_a_clock_that_is_wrong_by_years_is_aligned_to_the_managers(
    servers: Callable[..., FakeManager], identity_of: Make, by_route: MakeLink, pki: Pki, days: int
) -> None:
    """`days`: by how much the host's clock is ahead; the certificates are moved instead, as OpenSSL asks the real clock."""
    server = servers(pki.authority.pair("elsewhen", days=(-days - 0.5, -days + 0.4)))
    server.ahead = -days * 86400
    # The server looks at the node's certificate by the real clock, so that one is good at both times.
    node = identity_of((min(-days, 0) - 0.6, max(-days, 0) + 9) if days > 0 else (-0.6, -days + 9))
    timeline = Timeline(SystemClock(), node.validity().not_before)
    link = by_route(route_to(node, server.port, timeline=timeline))
    assert link.call("POST", "/x", b"{}").data == {"stored": 9, "now": 5}
    assert timeline.ahead == pytest.approx(-days * DAY, abs=5000)
    where = "behind" if days < 0 else "ahead of"
    assert difference(timeline.ahead).startswith(f"this host's clock is {abs(days) if abs(days) > 1 else 24}")
    assert difference(timeline.ahead).endswith(f"{where} the manager's")
    link.close()
    dates = len([call for call in server.calls if call.method == "GET"])
    link.call("POST", "/x", b"{}")
    assert len([call for call in server.calls if call.method == "GET"]) == dates == 1, "the time is asked for once"


def test_nobody_may_claim_a_time_that_is_past(servers: Callable[..., FakeManager], identity_of: Make, by_route: MakeLink, pki: Pki) -> None:
    """A stolen key of a manager's old certificate, and a `Date` to fit: this host's own certificate is younger."""
    server = servers(pki.authority.pair("stolen", days=(-400, -100)))
    server.ahead = -200 * 86400
    link = by_route(route_to(identity_of((-1, 30)), server.port))
    assert "but that day is past" in refused(link)
    assert [call for call in server.calls if call.certificate] == []


def test_the_known_time_goes_on_when_this_hosts_clock_is_set(clock) -> None:  # type: ignore[no-untyped-def]
    timeline = Timeline(clock, floor=7)
    assert (timeline.now(), timeline.floor) == (clock.now(), 7)
    timeline.learn(clock.now() + 5 * DAY)
    clock.wall -= 3650 * DAY
    clock.mono += 60
    assert timeline.now() == clock.wall + 3655 * DAY + 60_000
    assert timeline.floor == timeline.now() - 300_000
    assert difference(90_000) == "this host's clock is 90 seconds behind the manager's"


def test_a_manager_that_drips_its_answer_is_given_up_in_time(
    servers: Callable[..., FakeManager], identity_of: Make, by_route: MakeLink
) -> None:
    server = servers()
    server.answer = lambda call: Reply(fault="drip")
    began = time.monotonic()
    assert "no answer within 0.5 s" in refused(by_route(route_to(identity_of(), server.port), timeout=0.5))
    assert time.monotonic() - began < 2
