"""kill -9 at every statement of the outbox and at every call to the manager: nothing lost, nothing twice."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from host.daemon.link import Link
from host.daemon.outbox import Outbox
from host.daemon.report import Reporter
from host.lib.backoff import Backoff
from host.lib.clock import SystemClock
from tests.host.daemon.conftest import Pki
from tests.host.daemon.fake_manager import FakeManager
from tests.host.daemon.managers import GoodManager
from tests.host.daemon.outbox_lives import MAX_BYTES

ROOT = Path(__file__).parents[3]


def test_a_kill_at_any_step_of_the_outbox_loses_nothing_and_doubles_nothing(
    tmp_path: Path, manager: FakeManager, pki: Pki, link_to: Callable[..., Link]
) -> None:
    good = GoodManager(pki.authority)
    manager.answer = good.answer
    node = pki.node
    command = [
        sys.executable,
        "-m",
        "tests.host.daemon.outbox_lives",
        tmp_path,
        manager.port,
        pki.authority.ca,
        node.certificate,
        node.key,
        1,
    ]
    done = subprocess.run([str(one) for one in command], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    lives = int(done.stdout)
    assert lives > 100, "there are more steps than that"

    outbox = Outbox(tmp_path / "outbox.db", MAX_BYTES)
    for lane in ("urgent", "bulk"):
        reporter = Reporter(lane, link_to(manager.port), outbox, SystemClock(), Backoff(0.1, 0.1, lambda: 0.0))
        while outbox.wait(lane, 0):
            assert reporter.step() <= 1.0
    assert len(good.stored) == 2, "one epoch, two lanes"

    confirmed = [line.split(maxsplit=1) for line in (tmp_path / "truth").read_text().splitlines() if line != "lived on"]
    own = {text for kind, text in confirmed if kind == "own"}
    urgent = [record["body"]["name"] for record in good.records["urgent"]]
    assert len(urgent) == len(set(urgent)), "nothing twice"
    assert {f"own {text.split()[1]}" for text in own if text.startswith("own ")} <= set(urgent), "nothing lost"
    agents = [int(name.split()[1]) for name in urgent if name.startswith("agent ")]
    assert agents == list(range(1, max(agents) + 1)), "the agent's records once each, in order"
    assert max(agents) >= max(int(text) for kind, text in confirmed if kind == "agent")

    covered: list[int] = []
    for record in good.records["bulk"]:
        covered += range(record["body"]["first"], record["seq"] + 1) if record["kind"] == "dropped" else [record["seq"]]
    assert covered == list(range(1, len(covered) + 1)), "every number came, as itself or in a tombstone, and once"
    logs = [record["body"]["logger"] for record in good.records["bulk"] if record["kind"] == "log"]
    assert len(logs) == len(set(logs))
    buried = len(covered) - len(logs)
    assert buried > 0, "the bound was reached"
    confirmed_logs = {text for text in own if text.startswith("log ")}
    assert len(confirmed_logs - set(logs)) <= buried, "what is missing is what the tombstones count"
