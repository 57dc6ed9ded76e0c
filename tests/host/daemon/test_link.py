"""The link over real TLS: every way in which an answer can fail to come is one line, in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from host.daemon.link import Link
from host.daemon.link_errors import LinkFailure, Rejected, retry_after_of
from tests.host.daemon.conftest import Pki
from tests.host.daemon.fake_manager import FakeManager, Reply, free_port, refusal

MakeLink = Callable[..., Link]


def failure(link: Link, **options: object) -> LinkFailure:
    with pytest.raises(LinkFailure) as caught:
        link.call("POST", "/x", b"{}", **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_call_shows_the_nodes_certificate_and_keeps_its_connection(manager: FakeManager, link_to: MakeLink) -> None:
    manager.answer = lambda call: Reply(data={"echo": call.json})
    link = link_to(manager.port)
    assert link.call("POST", "/a", b'{"n":1}').data == {"echo": {"n": 1}}
    assert link.call("POST", "/a", b'{"n":2}').data == {"echo": {"n": 2}}
    assert all(call.certificate for call in manager.calls)
    assert len({call.connection for call in manager.calls}) == 1


def test_nothing_to_say_is_an_answer_without_data(manager: FakeManager, link_to: MakeLink) -> None:
    answer = link_to(manager.port).call("POST", "/a", b"{}")
    assert (answer.status, answer.data) == (204, None)


def test_a_revoked_certificate_is_said_with_the_managers_words(manager: FakeManager, link_to: MakeLink) -> None:
    manager.answer = lambda call: refusal(401, 1002, "this node's certificate was revoked")
    problem = failure(link_to(manager.port))
    assert isinstance(problem, Rejected)
    assert (problem.status, problem.answer) == (401, 1002)
    assert "certificate was revoked" in str(problem)
    assert "enrol" in str(problem)


def test_an_error_of_the_server_carries_the_wait_it_asks_for(manager: FakeManager, link_to: MakeLink) -> None:
    manager.answer = lambda call: refusal(503, 2002, "busy", Retry_After="7")
    assert failure(link_to(manager.port)).retry_after == 7.0
    manager.answer = lambda call: Reply(500, raw=b"<html>oops</html>")
    problem = failure(link_to(manager.port))
    assert problem.retry_after == 0.0
    assert "HTTP 500" in str(problem)


def test_a_retry_after_may_be_a_date_and_nonsense_is_no_wait() -> None:
    assert retry_after_of("Wed, 21 Oct 2026 07:28:00 GMT", 1792567670.0) == pytest.approx(10.0)
    assert [retry_after_of(value, 0.0) for value in (None, "", "soon", "-3")] == [0.0, 0.0, 0.0, 0.0]


def test_what_is_not_json_is_refused(manager: FakeManager, link_to: MakeLink) -> None:
    manager.answer = lambda call: Reply(raw=b"hello")
    assert "not JSON" in str(failure(link_to(manager.port)))
    manager.answer = lambda call: Reply(raw=b"[" * 100_000)
    assert "not JSON" in str(failure(link_to(manager.port)))
    manager.answer = lambda call: Reply(302, headers={"Location": "https://elsewhere"})
    assert "HTTP 302" in str(failure(link_to(manager.port)))


def test_a_manager_that_hangs_is_given_up_after_the_timeout(manager: FakeManager, link_to: MakeLink) -> None:
    manager.answer = lambda call: Reply(fault="hang")
    began = time.monotonic()
    assert "no answer within 0.3 s" in str(failure(link_to(manager.port, timeout=0.2), extra_wait=0.1))
    assert time.monotonic() - began < 3


def test_an_answer_that_breaks_off_is_no_answer(manager: FakeManager, link_to: MakeLink) -> None:
    manager.answer = lambda call: Reply(raw=b'{"a":1}', fault="half")
    assert "broke off" in str(failure(link_to(manager.port)))


def test_an_idle_connection_that_was_dropped_is_renewed_only_for_what_may_be_repeated(manager: FakeManager, link_to: MakeLink) -> None:
    for repeatable in (True, False):
        dropped = iter([Reply(data={}), Reply(fault="drop"), Reply(data={})])
        manager.answer = lambda call, replies=dropped: next(replies)  # type: ignore[misc]
        link = link_to(manager.port)
        link.call("POST", "/a", b"{}")
        if repeatable:
            assert link.call("POST", "/a", b"{}", repeatable=True).data == {}
        else:
            assert "closed the connection" in str(failure(link))


def test_a_first_connection_that_is_dropped_is_not_tried_twice(manager: FakeManager, link_to: MakeLink) -> None:
    manager.answer = lambda call: Reply(fault="drop")
    failure(link_to(manager.port), repeatable=True)
    assert len(manager.calls) == 1


def test_a_manager_of_an_unknown_ca_is_told_nothing(manager: FakeManager, link_to: MakeLink, pki: Pki) -> None:
    problem = failure(link_to(manager.port, ca=pki.stranger.ca))
    assert "unknown CA" in str(problem)
    assert problem.code == "D2001"
    assert manager.calls == []


def test_a_manager_with_another_name_is_told_nothing(pki: Pki, link_to: MakeLink) -> None:
    manager = FakeManager(pki.authority, pki.other_name, lambda call: Reply(data={}))
    try:
        assert "another name" in str(failure(link_to(manager.port)))
        assert manager.calls == []
    finally:
        manager.close()


def test_a_manager_that_does_not_know_our_ca_is_said_to_refuse_us(pki: Pki, link_to: MakeLink) -> None:
    server = FakeManager(pki.stranger, pki.server, lambda call: Reply(data={}))
    try:
        assert "not take this host's certificate" in str(failure(link_to(server.port)))
    finally:
        server.close()


def test_a_port_where_nothing_listens_and_a_name_that_nobody_knows_are_said(link_to: MakeLink) -> None:
    assert "nothing listens at 127.0.0.1" in str(failure(link_to(free_port())))
    assert "cannot be resolved" in str(failure(link_to(1, host="no-such-host.invalid")))


def test_a_held_call_can_be_ended_from_another_thread(manager: FakeManager, link_to: MakeLink) -> None:
    manager.answer = lambda call: Reply(fault="hang") if len(manager.calls) > 1 else Reply(data={})
    link = link_to(manager.port, timeout=20)
    link.call("POST", "/x", b"{}")
    threading.Thread(target=lambda: manager.wait_for(lambda calls: len(calls) == 2) and link.abort()).start()
    began = time.monotonic()
    failure(link, repeatable=True)
    assert time.monotonic() - began < 5
    assert len(manager.calls) == 2, "it was meant to end: it is not made again"
    link.shut()
    assert "closed for good" in str(failure(link))


def test_an_endless_answer_is_cut_off(manager: FakeManager, link_to: MakeLink) -> None:
    manager.answer = lambda call: Reply(raw=b" " * (8 * 1024 * 1024 + 1))
    assert "more than" in str(failure(link_to(manager.port)))
