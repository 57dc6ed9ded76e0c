# ruff: noqa: F811
"""A copy of another host: what it tells of its machine, and how it becomes a node of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from host.daemon import anew, enroll, identity
from host.daemon.facts import fingerprint
from host.daemon.handover import Handover
from host.daemon.identity import Identity
from host.daemon.link import Link
from host.daemon.machine import LOOK_S, Machine
from host.daemon.poll import Poller
from host.wire.envelope import envelope
from host.wire.machine import HEADER, marks_of
from host.wire.messages import Facts
from host.wire.protocol import ENROLL_PATH, POLL_PATH
from tests.host.daemon.conftest import FakeClock, Pki
from tests.host.daemon.fake_manager import Call, FakeManager, Reply, refusal
from tests.host.daemon.managers import GoodManager
from tests.host.daemon.test_enroll import config
from tests.host.daemon.test_poll import FakeRelay, Outcome, backoff, poll_answer
from tests.host.daemon.test_service import Host, good, host  # noqa: F401 - fixtures

ONE = {"machine_id": "m1", "board_id": "b1", "macs": "02:00:00:00:00:01"}


def tree(root: Path, cards: dict[str, tuple[str, bool]]) -> Path:
    """A machine's files; card → address, and whether it is real."""
    (root / "etc").mkdir(parents=True)
    (root / "etc/machine-id").write_text("m1\n")
    for name, (address, real) in cards.items():
        (root / "sys/class/net" / name).mkdir(parents=True)
        (root / "sys/class/net" / name / "address").write_text(address + "\n")
        if real:
            (root / "sys/class/net" / name / "device").mkdir()
    return root


def test_what_software_makes_is_no_part_of_a_machine(tmp_path: Path) -> None:
    made = {"docker0": ("02:42:00:00:00:01", False), "veth1a2b": ("06:00:00:00:00:07", False), "lo": ("00:00:00:00:00:00", False)}
    real = tree(tmp_path / "real", {"eth0": ("02:00:00:00:00:01", True), "bond0": ("02:00:00:00:00:77", False), **made})
    assert fingerprint(real)["macs"] == "02:00:00:00:00:01"
    container = tree(tmp_path / "container", {"eth0": ("02:00:00:00:00:01", False), **made})
    assert fingerprint(container)["macs"] == "02:00:00:00:00:01"
    bare = tree(tmp_path / "bare", {"veth0": ("02:00:00:00:00:05", False)})
    assert fingerprint(bare)["macs"] == "02:00:00:00:00:05", "rather that than nothing"


def test_every_call_tells_the_machine_and_a_change_is_told_whole(
    manager: FakeManager, pki: Pki, link_to: Callable[..., Link], clock: FakeClock
) -> None:
    found = dict(ONE)
    machine = Machine(lambda: dict(found), clock)
    link = link_to(manager.port)
    link._always = machine.headers
    one = Poller(
        link,
        Handover(FakeRelay(Outcome("accepted")), clock, backoff()),
        clock,
        backoff(),
        lambda: Facts("host"),
        lambda: ("", ""),
        machine=machine,
    )
    manager.answer = lambda call: poll_answer()
    one.step()
    one.step()
    found["macs"] += ",02:00:00:00:00:02"
    one.step()
    clock.pass_(LOOK_S)
    one.step()
    one.step()
    marks, wider = marks_of(ONE), marks_of(found)
    assert [call.headers[HEADER] for call in manager.calls] == [marks, marks, marks, wider, wider]
    assert [call.json.get("fingerprint") for call in manager.calls] == [ONE, None, None, found, None]
    assert ["facts" in call.json for call in manager.calls] == [True, False, False, True, False]


def test_an_identity_that_is_given_up_leaves_no_copied_key(identity_of: Callable[..., Identity]) -> None:
    mine = identity_of()
    (mine.folder / "node.pem").write_text("x")
    (mine.folder / "dispatch.key").write_text("ab" * 32)
    anew.leave(mine)
    anew.leave(mine)
    work_dir = mine.folder.parent
    assert identity.load(work_dir) is None
    assert {path.name for path in mine.folder.iterdir()} == {"ca.crt", "dispatch.key", "anew.json"}
    assert anew.known_ca(work_dir).startswith("-----BEGIN")


def test_it_asks_with_a_new_key_and_no_token_by_the_ca_it_knows(
    tmp_path: Path,
    manager: FakeManager,
    good: GoodManager,
    identity_of: Callable[..., Identity],
) -> None:
    mine = identity_of()
    old = (mine.folder / "node.key").read_bytes()
    anew.leave(mine)
    waits = [True]

    def decide(call: Call) -> Reply:
        if call.path == ENROLL_PATH and waits:
            return Reply(202, envelope(0, 0, "success", None), headers={"Retry-After": "30"})
        if call.path == ENROLL_PATH:
            call.body = json.dumps({**call.json, "token": good.token}).encode()
        return good.answer(call)

    manager.answer = decide
    settings = config(tmp_path / "var", manager.port, "ops1.used_up." + "0" * 64)
    with pytest.raises(enroll.Waiting):
        enroll.enroll(settings)
    assert [call.path for call in manager.calls] == [ENROLL_PATH], "nothing is fetched unverified"
    assert manager.calls[0].json["token"] == ""
    waits.clear()
    assert enroll.enroll(settings).node_id == "N1"
    assert (mine.folder / "node.key").read_bytes() != old
    assert anew.known_ca(settings.daemon.work_dir) == ""
    assert [anew.agent_is_stale(mine.folder) for _ in range(2)] == [True, False]


def test_a_daemon_that_is_sent_to_enrol_anew_does_so_by_itself_and_keeps_its_records(
    host: Callable[[int, str], Host],
    manager: FakeManager,
    good: GoodManager,
) -> None:
    machine = host(manager.port, good.token)
    machine.run()
    assert good.wait(lambda: good.of_kind("sample") and good.polls), machine.log()
    refused: list[str] = []

    def copied(call: Call) -> Reply:
        if call.path == ENROLL_PATH:
            refused.append(call.json["token"])
            if len(refused) < 2:
                return Reply(202, envelope(0, 0, "success", None), headers={"Retry-After": "1"})
            good.stored.clear()
            good.records = {"urgent": [], "bulk": []}
            manager.answer = good.answer
            call.body = json.dumps({**call.json, "token": good.token}).encode()
            return good.answer(call)
        return refusal(410, 1003, "this machine is a copy of another node's")

    polls = len(good.polls)
    good.hold = 0.1
    manager.answer = copied
    assert good.wait(lambda: len(good.polls) > polls and good.records["urgent"], 30), machine.log()
    assert refused == ["", ""], "the token of the host it was copied from is not used"
    assert good.wait(lambda: good.records["bulk"] or good.of_kind("health"), 20)
    lost = [one for lane in good.records.values() for one in lane if one["kind"] == "dropped"]
    assert all("before this host became a node of its own" in one["body"]["why"] for one in lost)
    assert "copy of another node" in machine.log()
    assert "which it had acknowledged" not in machine.log(), "what was told as the other node is no loss"
    assert POLL_PATH in {call.path for call in manager.calls}
