"""The outbox on disks that are full, read-only and damaged, and under clocks that jump: alive, exact, nothing twice."""

from __future__ import annotations

import ctypes
import json
import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from host.daemon.link import Link
from host.daemon.outbox import Outbox, OutboxFull, open_outbox
from host.daemon.report import Reporter
from host.daemon.storing import Store
from host.lib.backoff import Backoff
from host.wire.messages import Record
from host.wire.records import Log
from tests.host.daemon.conftest import FakeClock, Pki
from tests.host.daemon.fake_manager import FakeManager
from tests.host.daemon.managers import GoodManager

BIG = 64 * 1024 * 1024
HOUR, DAY, YEAR = 3_600_000, 86_400_000, 31_557_600_000
REMOUNT, READ_ONLY, DETACH = 32, 1, 2
ROOT = Path(__file__).parents[3]
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")


class Disk:
    """A small file system of its own."""

    def __init__(self, path: Path) -> None:
        path.mkdir()
        self.path, self._libc = path, ctypes.CDLL(None, use_errno=True)
        self._mount(0)

    def read_only(self, wanted: bool) -> None:
        self._mount(REMOUNT | (READ_ONLY if wanted else 0))

    def fill(self) -> None:
        with (self.path / "ballast").open("ab", buffering=0) as file:
            for size in (65536, 4096):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    continue

    def make_room(self) -> None:
        (self.path / "ballast").unlink()

    def end(self) -> None:
        self._libc.umount2(os.fsencode(self.path), DETACH)

    def _mount(self, flags: int) -> None:
        if self._libc.mount(b"none", os.fsencode(self.path), b"tmpfs", flags, b"size=2m"):
            pytest.skip(f"this machine lets nobody mount: {os.strerror(ctypes.get_errno())}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    one = Disk(tmp_path / "disk")
    yield one
    one.end()


def line(number: int, size: int = 500) -> Log:
    return Log("daemon", "warning", str(number), "x" * size)


def numbers(records: list[dict[str, object]]) -> list[int]:
    """What arrived, by the number that its maker gave it."""
    return [int(record["body"]["logger"]) for record in records if record["kind"] == "log"]  # type: ignore[index]


def drain(outbox: Outbox, manager: FakeManager, pki: Pki, link_to: Callable[..., Link], good: GoodManager | None = None) -> GoodManager:
    good = good or GoodManager(pki.authority)
    manager.answer = good.answer
    reporter = Reporter("bulk", link_to(manager.port), outbox, FakeClock(), Backoff(1.0, 30.0, lambda: 0.0))
    reporter._most = 3
    for _ in range(50):
        if not outbox.wait("bulk", 0):
            break
        reporter.step()
    return good


def covered(good: GoodManager) -> list[int]:
    """Every number of the bulk lane that arrived, as itself or inside a tombstone."""
    result: list[int] = []
    for record in good.records["bulk"]:
        result += range(record["body"]["first"], record["seq"] + 1) if record["kind"] == "dropped" else [record["seq"]]
    return result


@root_only
@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_a_disk_that_takes_nothing_costs_only_what_memory_cannot_hold_and_says_exactly_how_much(
    fault: str, disk: Disk, manager: FakeManager, pki: Pki, link_to: Callable[..., Link], caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox(disk.path / "o.db", BIG)
    store = Store(outbox, records=20)
    for number in range(1, 11):
        store.put("log", number, line(number))
    agents = [Record(1, "event", 1, {"name": "n", "detail": "d" * 40_000})]
    # A mount with open files cannot be made read-only from outside; SQLite itself then gives the same error.
    disk.fill() if fault == "full" else outbox._db.execute("PRAGMA query_only=ON")
    for number in range(11, 111):
        store.put("log", number, line(number, 4000))
    with pytest.raises(sqlite3.OperationalError):
        outbox.append_from_agent(1, agents, 5)
    assert store.problem
    assert caplog.text.count("D1001") == 1, "told once"
    on_disk = outbox.stats().bulk
    good = drain(outbox, manager, pki, link_to)
    assert numbers(good.records["bulk"]) == list(range(1, on_disk + 1)), "what is on the disk goes although it cannot be deleted"
    assert sum(len(call.json["records"]) for call in manager.calls) == on_disk, "each is sent once"
    disk.make_room() if fault == "full" else outbox._db.execute("PRAGMA query_only=OFF")
    store.put("log", 111, line(111))
    assert (store.held, store.problem) == (0, "")
    assert outbox.append_from_agent(1, agents, 5) == 1, "the agent kept its own and delivers it now"
    drain(outbox, manager, pki, link_to, good)
    arrived = numbers(good.records["bulk"])
    assert arrived == sorted(set(arrived))
    stones = [record for record in good.records["bulk"] if record["kind"] == "dropped"]
    lost = sum(record["seq"] - record["body"]["first"] + 1 for record in stones)
    assert lost > 0
    assert len(arrived) + lost == 111, "every record arrived or is counted by a tombstone"
    assert all(stone["body"]["why"] == "the disk took nothing" for stone in stones)
    assert covered(good) == list(range(1, 112))
    assert outbox.stats().bulk == 0


@root_only
@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_a_daemon_waits_for_a_disk_that_takes_nothing_and_its_lock_needs_no_room(fault: str, disk: Disk, tmp_path: Path) -> None:
    var, log = disk.path / "var", tmp_path / "log"
    config = tmp_path / "daemon.yaml"
    config.write_text(f"manager: {{address: '127.0.0.1:1'}}\ndaemon: {{work_dir: {var}, run_dir: {tmp_path}/run}}\n")
    var.mkdir()
    (var / "daemon.lock").touch()
    disk.fill() if fault == "full" else disk.read_only(True)
    with log.open("w") as stream:
        daemon = subprocess.Popen([sys.executable, "-m", "host.daemon", "run", "--config", str(config)], cwd=ROOT, stderr=stream)
    try:
        while "outbox.db" not in log.read_text():
            assert daemon.poll() is None
            os.sched_yield()
        assert "this daemon waits for it" in log.read_text()
        disk.make_room() if fault == "full" else disk.read_only(False)
        daemon.terminate()
        assert daemon.wait(10) == 0
        assert "Traceback" not in log.read_text()
    finally:
        daemon.kill()
        daemon.wait()


def filled(path: Path, count: int = 300) -> Outbox:
    outbox = Outbox(path, BIG)
    records = [
        Record(n, "log", n, {"component": "agent", "level": "error", "logger": str(n), "message": "m" * 300}) for n in range(1, count + 1)
    ]
    outbox.append_from_agent(1, records, 1)
    return outbox


def test_a_bit_flipped_inside_a_record_costs_that_record_and_nothing_else(
    tmp_path: Path, manager: FakeManager, pki: Pki, link_to: Callable[..., Link]
) -> None:
    filled(tmp_path / "o.db", 30).close()
    data = bytearray((tmp_path / "o.db").read_bytes())
    place = data.index(b'"logger":"17"')
    data[place + 12] ^= 0x01  # "17" becomes "16": sound JSON, and a lie
    bad_text = data.index(b'"logger":"23"')
    data[bad_text + 2] = 0xFF  # no UTF-8 any more
    (tmp_path / "o.db").write_bytes(data)
    outbox = Outbox(tmp_path / "o.db", BIG)
    good = drain(outbox, manager, pki, link_to)
    assert numbers(good.records["bulk"]) == [n for n in range(1, 31) if n not in (17, 23)]
    assert [(r["seq"], r["body"]["first"], r["body"]["why"]) for r in good.records["bulk"] if r["kind"] == "dropped"] == [
        (17, 17, "it was damaged on disk"),
        (23, 23, "it was damaged on disk"),
    ]


def smash(path: Path, offset: int, size: int = 4096) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(os.urandom(size))


def test_a_page_damaged_while_it_stands_is_found_at_the_start_and_what_is_lost_is_told_exactly(tmp_path: Path) -> None:
    outbox = filled(tmp_path / "o.db")
    outbox.acknowledge("bulk", 40)
    before = outbox.epoch
    outbox.close()
    smash(tmp_path / "o.db", 20 * 4096, 8 * 4096)
    outbox, said = open_outbox(tmp_path / "o.db", BIG, 1e6, 777)
    assert "41 to 300 of the bulk lane" in said
    assert outbox.epoch != before
    assert (tmp_path / "o.db.damaged-777").exists()
    [stone] = outbox.next_batch("bulk", 10, BIG)
    assert (stone.seq, stone.kind, json.loads(stone.body)["first"]) == (260, "dropped", 1)
    assert json.loads(stone.body)["why"] == f"the outbox was damaged: 41 to 300 of epoch {before} are lost"
    assert outbox.append("log", 5, line(1)) == 261
    assert json.loads(outbox.next_batch("urgent", 1, BIG)[0].body)["name"] == "outbox_damaged"


def test_a_page_damaged_under_a_running_daemon_is_put_aside_and_the_work_goes_on(
    tmp_path: Path, manager: FakeManager, pki: Pki, link_to: Callable[..., Link]
) -> None:
    outbox = filled(tmp_path / "o.db", 3000)
    store = Store(outbox)
    outbox._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    good = GoodManager(pki.authority)
    manager.answer = good.answer
    reporter = Reporter("bulk", link_to(manager.port), outbox, FakeClock(), Backoff(1.0, 30.0, lambda: 0.0))
    reporter.step()
    arrived = good.records["bulk"][-1]["seq"]
    before = outbox.epoch
    outbox._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    smash(tmp_path / "o.db", 8192, (tmp_path / "o.db").stat().st_size - 8192)
    outbox._db.execute("PRAGMA shrink_memory")
    for _ in range(10):
        reporter.step()
        store.put("log", 5, line(9001))
        if outbox.epoch != before:
            break
    assert outbox.epoch != before
    assert list(tmp_path.glob("o.db.damaged-*"))
    for _ in range(5):
        reporter.step()
    assert (store.held, outbox.stats().bulk) == (0, 0)
    stones = [r for r in good.records["bulk"] if r["kind"] == "dropped"]
    assert f"to 3000 of epoch {before} are lost" in stones[0]["body"]["why"] or "are lost" in stones[0]["body"]["why"]
    old = [r for r in good.records["bulk"] if r["kind"] == "log" and r["body"]["logger"] != "9001"]
    told = stones[0]["seq"] - stones[0]["body"]["first"] + 1
    assert len(old) == arrived or len(old) > arrived
    assert len(old) + told >= 3000, "what did not arrive is counted"


def test_a_torn_log_never_lets_one_number_mean_two_records(
    tmp_path: Path, manager: FakeManager, pki: Pki, link_to: Callable[..., Link], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "o.db"
    code = (
        "import os, sys; from pathlib import Path; from host.daemon.outbox import Outbox; from host.wire.records import Log\n"
        "o = Outbox(Path(sys.argv[1]), 1 << 26)\n"
        "for n in range(1, 21): o.append('log', n, Log('daemon', 'error', str(n), 'm'))\n"
        "o.sending('bulk', 20)\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, check=False)
    good = GoodManager(pki.authority)
    wal = path.with_name("o.db-wal")
    size = wal.stat().st_size
    with wal.open("r+b") as file:
        file.truncate(size - 3 * 4120)
    outbox = Outbox(path, BIG)
    kept = outbox.last("bulk")
    assert 0 < kept < 20
    assert "a new epoch was begun" in caplog.text
    # The manager had stored all 20 of the old epoch; 21 is new, and must not be taken for one of them.
    good.stored[("bulk", json.loads((tmp_path / "outbox.sent").read_bytes())["epoch"])] = 20
    outbox.append("log", 21, line(21))
    drain(outbox, manager, pki, link_to, good)
    assert numbers(good.records["bulk"])[-1] == 21


@pytest.mark.parametrize("step", [-HOUR, DAY, -10 * YEAR, 10 * YEAR])
def test_a_clock_that_jumps_changes_neither_order_nor_what_is_kept(step: int, tmp_path: Path) -> None:
    now = 1_800_000_000_000
    outbox = Outbox(tmp_path / "o.db", BIG)
    for number in range(1, 6):
        outbox.append("log", now + number, line(number))
    for number in range(6, 11):
        outbox.append("log", now + step + number, line(number))
    for number in range(11, 16):
        outbox.append("log", now + number, line(number))
    entries = outbox.next_batch("bulk", 100, BIG)
    assert [(entry.seq, json.loads(entry.body)["logger"]) for entry in entries] == [(n, str(n)) for n in range(1, 16)]


def test_records_made_while_the_clock_was_wrong_are_not_too_old_after_a_restart(tmp_path: Path) -> None:
    now, uptime = 1_800_000_000_000, [0.0]
    outbox = Outbox(tmp_path / "o.db", BIG)
    outbox.append("log", now, line(1))
    outbox.append("log", now - 10 * YEAR, line(2))
    outbox.close()
    again = Outbox(tmp_path / "o.db", BIG, monotonic=lambda: uptime[0])
    again.append("log", now + HOUR, line(3))
    assert [entry.kind for entry in again.next_batch("bulk", 10, BIG)] == ["log", "log", "log"]
    uptime[0] = 30 * 86400.0
    again.append("log", now + 30 * DAY, line(4))
    assert [(entry.seq, entry.kind) for entry in again.next_batch("bulk", 10, BIG)] == [(3, "dropped"), (4, "log")], "a real month is one"


def test_what_the_agent_delivers_again_after_the_disk_was_mended_is_stored_once(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.db", 30_000)
    big = {"name": "n", "detail": "d" * 9000}
    outbox.append_from_agent(1, [Record(n, "event", n, big) for n in range(1, 5)], 1)
    with pytest.raises(OutboxFull):
        outbox.append_from_agent(1, [Record(5, "event", 5, big)], 1)
    outbox.acknowledge("urgent", 4)
    assert outbox.append_from_agent(1, [Record(n, "event", n, big) for n in range(3, 6)], 1) == 5
    assert [entry.seq for entry in outbox.next_batch("urgent", 10, BIG)] == [5]


def test_an_answer_about_the_epoch_before_deletes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    outbox = filled(tmp_path / "o.db", 10)
    before = outbox.epoch
    outbox.begin_epoch()
    outbox.acknowledge("bulk", 10, before)
    assert outbox.stats().bulk == 10
