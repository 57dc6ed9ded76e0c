"""A day of backlog: it drains whole and in order, paced, while a fresh result overtakes it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from host.daemon import config
from host.daemon.collectors.platform import PsutilPlatform
from host.daemon.collectors.registry import collectors
from host.daemon.collectors.schedule import Schedule
from host.daemon.link import Link
from host.daemon.loop import Loop
from host.daemon.outbox import Outbox
from host.daemon.pace import BURST, Pace
from host.daemon.report import Reporter
from host.lib.backoff import Backoff
from host.lib.clock import SystemClock
from host.wire.codec import plain
from host.wire.messages import Record
from host.wire.protocol import LANES
from host.wire.records import Execution
from tests.host.daemon.conftest import FakeClock, Pki
from tests.host.daemon.fake_manager import FakeManager
from tests.host.daemon.managers import GoodManager

SAMPLES, LOGS = 1440, 10_000


def day(outbox: Outbox) -> None:
    """What a day without a manager leaves: a real sample a minute, and log lines."""
    sample: Any = Schedule(collectors(config.Collectors(), PsutilPlatform()), SystemClock(), first=0).step()
    records = [Record(n, "sample", n, plain(sample)) for n in range(1, SAMPLES + 1)]
    line = {"component": "agent", "level": "error", "logger": "task", "message": "the disk of /srv is nearly full " * 3}
    records += [Record(SAMPLES + n, "log", n, line | {"logger": str(n)}) for n in range(1, LOGS + 1)]
    for start in range(0, len(records), 1000):
        outbox.append_from_agent(1, records[start : start + 1000], 1)


def test_a_fresh_result_overtakes_a_day_of_backlog_which_drains_whole(
    tmp_path: Path, manager: FakeManager, pki: Pki, link_to: Callable[..., Link]
) -> None:
    outbox = Outbox(tmp_path / "o.db", 1 << 28)
    day(outbox)
    good = GoodManager(pki.authority)
    arrived: dict[str, float] = {}
    seen = threading.Condition()

    def answer(call: Any) -> Any:
        reply = good.answer(call)
        with seen:
            for record in call.json["records"]:
                if record["kind"] == "execution":
                    arrived[record["body"]["command_id"]] = time.monotonic()
            seen.notify_all()
        return reply

    manager.answer = answer
    loops = []
    for lane in LANES:
        clock = SystemClock()
        pace = Pace(5000.0, clock.monotonic, random.random) if lane == "bulk" else None
        reporter = Reporter(lane, link_to(manager.port), outbox, clock, Backoff(0.1, 1.0, random.random), pace)
        loops.append(Loop(lane, lambda reporter=reporter: reporter.step(5.0), outbox.wake_all))  # type: ignore[misc]
    for loop in loops:
        loop.start()
    took, behind = [], []
    for number in range(10):
        wanted = len(good.records["bulk"]) + 200
        assert good.wait(lambda wanted=wanted: len(good.records["bulk"]) >= wanted)
        begun = time.monotonic()
        outbox.append("execution", 1, Execution(f"C{number}", "succeeded", exit_code=0))
        with seen:
            assert seen.wait_for(lambda number=number: f"C{number}" in arrived, 10)
        took.append(1000 * (arrived[f"C{number}"] - begun))
        behind.append(SAMPLES + LOGS - len(good.records["bulk"]))
    assert behind[-1] > 0, "the backlog was still there"
    assert sorted(took)[5] < 200, f"ms: {took}"
    assert max(took) < 2000
    assert good.wait(lambda: len(good.records["bulk"]) == SAMPLES + LOGS, 60)
    for loop in loops:
        loop.stop()
        loop.join(10)
    print(
        f"\na result overtook {behind[0]} … {behind[-1]} waiting records in {sorted(took)[5]:.0f} ms (median), {max(took):.0f} ms at most"
    )
    assert [record["seq"] for record in good.records["bulk"]] == list(range(1, SAMPLES + LOGS + 1))
    assert [r["kind"] for r in good.records["bulk"]].count("sample") == SAMPLES


def test_a_thousand_hosts_with_a_backlog_come_at_the_promised_rate_and_not_together() -> None:
    rate, hosts, generator = config.Outbox(0, 0).drain_rate, 1000, random.Random(7)
    seconds = [0] * 130
    for _ in range(hosts):
        clock, left = FakeClock(mono=0.0), SAMPLES
        pace = Pace(rate, clock.monotonic, generator.random)
        clock.pass_(30.0 * generator.random())  # the backoff of the outage, which ends for each at a time of its own
        while left:
            batch = min(85, left)  # what fits into one report of samples
            left -= batch
            seconds[int(clock.mono)] += batch
            clock.pass_(0.05 + pace.sent(batch))
    assert sum(seconds) == hosts * SAMPLES
    assert max(seconds[35:]) < 1.25 * rate * hosts, "the steady rate"
    assert max(seconds) < 2.0 * rate * hosts, "also at the start, when each sends its first reports at once"
    assert sum(seconds[115:]) == 0, "a day of samples is there within two minutes"


def test_daily_work_is_never_paced() -> None:
    clock = FakeClock()
    pace = Pace(20.0, clock.monotonic, lambda: 0.9)
    for _ in range(100):
        assert pace.sent(5) == 0
        clock.pass_(1)
    assert pace.sent(BURST) == 0
    assert pace.sent(20) == 1.0 * 1.4
    clock.pass_(60)
    assert pace.sent(BURST) == 0
