"""Enrolment against a real TLS server: the right CA only, the same key on a retry, one line for every refusal."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from host.daemon import enroll, identity
from host.daemon.config import Config, Daemon, Manager
from host.daemon.enroll import Temporary
from host.lib.errors import LinkError
from host.wire.envelope import envelope
from host.wire.protocol import CA_PATH, ENROLL_PATH
from tests.host.daemon.conftest import Pki
from tests.host.daemon.fake_manager import Call, FakeManager, Reply, free_port, refusal
from tests.host.daemon.managers import GoodManager


@pytest.fixture
def good(manager: FakeManager, pki: Pki) -> GoodManager:
    one = GoodManager(pki.authority)
    manager.answer = one.answer
    return one


def config(tmp_path: Path, port: int, token: str, **more: str) -> Config:
    return Config(Manager(f"127.0.0.1:{port}", enrolment_token=token, timeout=2.0, **more), Daemon(work_dir=tmp_path))  # type: ignore[arg-type]


def refused(settings: Config) -> LinkError:
    with pytest.raises(LinkError) as caught:
        enroll.enroll(settings)
    assert "\n" not in str(caught.value)
    assert identity.load(settings.daemon.work_dir) is None, "a refused host has no identity"
    return caught.value


def test_a_lost_answer_is_asked_for_again_with_the_same_key(tmp_path: Path, manager: FakeManager, good: GoodManager) -> None:
    lost: list[str] = []

    def lose_the_first(call: Call) -> Reply:
        reply = good.answer(call)
        if call.path == ENROLL_PATH and not lost:
            lost.append(call.json["csr"])
            return Reply(fault="drop")
        return reply

    manager.answer = lose_the_first
    found = enroll.enroll(config(tmp_path, manager.port, good.token))
    assert found.node_id == "N1"
    assert len(good.enrolments) == 2
    keys = [x509.load_pem_x509_csr(request["csr"].encode()).public_key() for request in good.enrolments]
    assert len({key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) for key in keys}) == 1
    calls = len(manager.calls)
    assert enroll.enroll(config(tmp_path, manager.port, "")) == found
    assert len(manager.calls) == calls, "an enrolled host asks nobody"


def test_nothing_is_sent_to_a_manager_whose_ca_is_not_the_pinned_one(
    tmp_path: Path, manager: FakeManager, good: GoodManager, pki: Pki
) -> None:
    token = good.token.rpartition(".")[0] + "." + pki.stranger.pin
    assert "is not the one that the token names" in str(refused(config(tmp_path, manager.port, token)))
    swapped = Reply(raw=pki.stranger.ca.read_bytes())
    manager.answer = lambda call: swapped if call.path == CA_PATH else good.answer(call)
    assert "unknown CA" in str(refused(config(tmp_path, manager.port, token))), "a CA that fits the pin but not the server"
    assert "unknown CA" in str(refused(config(tmp_path, manager.port, good.token, ca_file=str(pki.stranger.ca))))
    assert good.enrolments == []


def test_a_configured_ca_needs_no_pin_to_be_fetched(tmp_path: Path, manager: FakeManager, good: GoodManager, pki: Pki) -> None:
    enroll.enroll(config(tmp_path, manager.port, good.token, ca_file=str(pki.authority.ca)))
    assert [call.path for call in manager.calls] == [ENROLL_PATH]


@pytest.mark.parametrize("token", ["", "hello", "ops1.secret.abc", "ops2.s." + "a" * 64])
def test_what_is_no_token_is_said_without_asking_anybody(tmp_path: Path, token: str) -> None:
    problem = refused(config(tmp_path, 1, token))
    assert problem.code == "D2002"
    assert "token" in str(problem)
    assert not isinstance(problem, Temporary)


def test_refusals_are_final_and_troubles_are_temporary(tmp_path: Path, manager: FakeManager, good: GoodManager) -> None:
    settings = config(tmp_path, manager.port, good.token)
    for reply, temporary, words in (
        (refusal(401, 1002, "the enrolment token has been used up"), False, "has been used up"),
        (refusal(400, 1001, "protocol 1 is not spoken here"), False, "protocol 1"),
        (refusal(503, 2002, "starting"), True, "starting"),
        (Reply(200, raw=b"surprise"), False, "makes no sense"),
    ):
        manager.answer = lambda call, reply=reply: reply if call.path == ENROLL_PATH else good.answer(call)  # type: ignore[misc]
        problem = refused(settings)
        assert isinstance(problem, Temporary) is temporary
        assert words in str(problem)
    problem = refused(config(tmp_path, free_port(), good.token))
    assert isinstance(problem, Temporary)
    assert problem.code == "D2001"
    assert "refused" in str(problem)


def test_an_answer_for_another_key_is_not_kept(tmp_path: Path, manager: FakeManager, good: GoodManager, pki: Pki) -> None:
    def swap(call: Call) -> Reply:
        reply = good.answer(call)
        if call.path == ENROLL_PATH:
            reply.data["data"]["certificate"] = pki.node.certificate.read_text()
        return reply

    manager.answer = swap
    assert "for another key" in str(refused(config(tmp_path, manager.port, good.token)))


def test_without_a_token_the_host_asks_and_waits_politely_for_approval(
    tmp_path: Path, manager: FakeManager, good: GoodManager, pki: Pki
) -> None:
    waits = [True]

    def decide(call: Call) -> Reply:
        if call.path == ENROLL_PATH and waits:
            return Reply(202, envelope(0, 0, "success", None), headers={"Retry-After": "30"})
        if call.path == ENROLL_PATH:  # approved: this manager's double knows hosts by a token only
            call.body = json.dumps({**call.json, "token": good.token}).encode()
        return good.answer(call)

    manager.answer = decide
    settings = config(tmp_path, manager.port, "", ca_file=str(pki.authority.ca))
    problem = refused(settings)
    assert isinstance(problem, Temporary)
    assert problem.retry_after == 30.0
    assert "waits for approval" in str(problem)
    asked = [call for call in manager.calls if call.path == ENROLL_PATH]
    assert len(asked) == 1, "it asks once, and leaves the waiting to the daemon"
    assert asked[0].json["token"] == ""
    key = x509.load_pem_x509_csr(asked[0].json["csr"].encode()).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert hashlib.sha256(key).hexdigest() in str(problem), "the key to compare is said"
    waits.clear()
    assert enroll.enroll(settings).node_id == "N1"
