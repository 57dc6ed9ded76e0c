"""The outbox keeps its promises on a real file: order, durability, exact tombstones, no record twice."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from host.daemon.outbox import Entry, Outbox, OutboxFull, open_outbox
from host.wire.messages import Record
from host.wire.records import Event, Log

BIG = 64 * 1024 * 1024


def everything(outbox: Outbox, lane: str) -> list[Entry]:
    return outbox.next_batch(lane, 100000, BIG)


def log_line(text: str) -> Log:
    return Log("daemon", "warning", "test", text)


def test_each_lane_is_numbered_from_one_without_gaps_and_a_restart_goes_on(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.db", BIG)
    assert [
        outbox.append("event", 1, Event("a", "b")),
        outbox.append("log", 2, log_line("x")),
        outbox.append("event", 3, Event("c", "d")),
    ] == [1, 1, 2]
    epoch = outbox.epoch
    outbox.acknowledge("urgent", 2)
    outbox.close()
    again = Outbox(tmp_path / "o.db", BIG)
    assert again.epoch == epoch
    assert 0 < epoch < 2**53
    assert again.append("event", 4, Event("e", "f")) == 3
    assert [entry.seq for entry in everything(again, "urgent")] == [3]
    assert [json.loads(entry.body)["message"] for entry in everything(again, "bulk")] == ["x"]


def test_a_new_file_begins_a_new_epoch(tmp_path: Path) -> None:
    assert Outbox(tmp_path / "a.db", BIG).epoch != Outbox(tmp_path / "b.db", BIG).epoch


def test_a_batch_is_bounded_in_records_and_bytes_but_never_empty(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.db", BIG)
    for size in (10, 5000, 10, 10):
        outbox.append("log", 0, log_line("x" * size))
    assert [e.seq for e in outbox.next_batch("bulk", 3, BIG)] == [1, 2, 3]
    assert [e.seq for e in outbox.next_batch("bulk", 10, 100)] == [1]
    outbox.acknowledge("bulk", 1)
    assert [e.seq for e in outbox.next_batch("bulk", 10, 100)] == [2], "a record larger than the bound goes alone"


def test_past_its_bound_the_oldest_bulk_records_become_one_exact_tombstone(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.db", 100_000)
    outbox.append("event", 0, Event("stays", "urgent records are never dropped"))
    for number in range(1, 501):
        outbox.append("log", number, log_line("y" * 1000))
    bulk = everything(outbox, "bulk")
    tombstones = [entry for entry in bulk if entry.kind == "dropped"]
    assert len(tombstones) == 1
    assert bulk[0] is tombstones[0]
    body = json.loads(bulk[0].body)
    assert body["first"] == 1
    assert body["why"] == "the outbox was full"
    kept = [entry.seq for entry in bulk[1:]]
    assert kept == list(range(bulk[0].seq + 1, 501)), "every number is either kept or covered by the tombstone"
    stats = outbox.stats()
    assert stats.urgent_bytes + stats.bulk_bytes <= 100_000
    assert stats.dropped == bulk[0].seq
    assert [json.loads(entry.body)["name"] for entry in everything(outbox, "urgent")] == ["stays"]


def test_a_tombstone_never_claims_what_the_manager_acknowledged_meanwhile(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.db", 100_000)
    for number in range(1, 51):
        outbox.append("log", number, log_line("y" * 1000))
    sent = outbox.next_batch("bulk", 20, BIG)[-1].seq
    for number in range(51, 151):
        outbox.append("log", number, log_line("y" * 1000))
    outbox.acknowledge("bulk", sent)
    first = everything(outbox, "bulk")[0]
    assert first.kind == "dropped"
    assert json.loads(first.body)["first"] == sent + 1


def test_records_past_the_greatest_age_become_a_tombstone(tmp_path: Path) -> None:
    uptime = [0.0]
    outbox = Outbox(tmp_path / "o.db", BIG, max_age=60, monotonic=lambda: uptime[0])
    for at in (0, 1000, 50_000):
        outbox.append("log", at, log_line("z"))
    uptime[0] = 62.0
    outbox.append("log", 62_000, log_line("z"))
    entries = everything(outbox, "bulk")
    assert [(e.seq, e.kind) for e in entries] == [(2, "dropped"), (3, "log"), (4, "log")]


def test_a_refused_record_leaves_a_tombstone_that_merges_with_its_neighbours(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.db", BIG)
    for number in range(1, 8):
        outbox.append("log", number, log_line("z"))
    outbox.refuse("bulk", 2, 9, "a")
    outbox.refuse("bulk", 4, 9, "b")
    assert [(e.seq, e.kind) for e in everything(outbox, "bulk")][:4] == [(1, "log"), (2, "dropped"), (3, "log"), (4, "dropped")]
    outbox.refuse("bulk", 3, 9, "c")
    entries = everything(outbox, "bulk")
    assert [(e.seq, e.kind) for e in entries] == [(1, "log"), (4, "dropped"), (5, "log"), (6, "log"), (7, "log")]
    assert json.loads(entries[1].body) == {"first": 2, "why": "a; c; b"}


def test_the_agents_records_are_stored_once_however_often_they_are_sent(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.db", BIG)
    records = [Record(n, "event", n, {"name": str(n), "detail": ""}) for n in (1, 2, 3)]
    assert outbox.append_from_agent(77, records[:2], 5) == 2
    assert outbox.append_from_agent(77, records, 5) == 3
    assert outbox.append_from_agent(77, records, 5) == 3
    outbox.close()
    again = Outbox(tmp_path / "o.db", BIG)
    assert again.append_from_agent(77, records, 6) == 3
    assert [json.loads(e.body)["name"] for e in everything(again, "urgent")] == ["1", "2", "3"]
    assert again.append_from_agent(78, records[:1], 7) == 1, "another ledger counts from the start"


def test_a_batch_of_the_agent_with_an_unknown_kind_is_stored_not_at_all(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.db", BIG)
    with pytest.raises(KeyError):
        outbox.append_from_agent(1, [Record(1, "event", 0, {}), Record(2, "surprise", 0, {})], 0)
    assert everything(outbox, "urgent") == []
    assert outbox.stats().urgent == 0
    assert outbox.append_from_agent(1, [Record(1, "event", 0, {})], 0) == 1


def test_an_outbox_full_of_urgent_records_makes_the_agent_keep_its_own(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.db", 20_000)
    record = {"name": "n", "detail": "d" * 9000}
    assert outbox.append_from_agent(1, [Record(n, "event", 0, record) for n in (1, 2, 3)], 0) == 3
    with pytest.raises(OutboxFull):
        outbox.append_from_agent(1, [Record(4, "event", 0, record)], 0)
    outbox.acknowledge("urgent", 2)
    assert outbox.append_from_agent(1, [Record(4, "event", 0, record)], 0) == 4


def test_a_damaged_file_is_put_aside_and_said(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    path.write_bytes(b"this is no database" * 500)
    outbox, said = open_outbox(path, BIG, 60.0, 123)
    assert "put aside as" in said
    assert (tmp_path / "o.db.damaged-123").exists()
    assert outbox.append("event", 0, Event("a", "b")) == 2
    assert [json.loads(entry.body)["name"] for entry in everything(outbox, "urgent")] == ["outbox_damaged", "a"]


WRITER = """
import os, sys
from pathlib import Path
from host.daemon.outbox import Outbox
from host.wire.records import Event
from host.wire.messages import Record
outbox = Outbox(Path(sys.argv[1]), 1 << 28)
truth = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
n = 0
while True:
    n += 1
    seq = outbox.append("event", n, Event("own", str(n)))
    os.write(truth, b"own %d %d\\n" % (seq, n))
    mark = outbox.append_from_agent(5, [Record(n, "event", n, {"name": "agent", "detail": str(n)})], n)
    os.write(truth, b"agent %d %d\\n" % (mark, n))
"""


def test_what_was_confirmed_survives_kill_9_in_the_middle_of_writing(tmp_path: Path) -> None:
    truth = tmp_path / "truth"
    for round_number in range(3):
        path = tmp_path / f"{round_number}.db"
        truth.write_bytes(b"")
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(truth)], cwd=Path(__file__).parents[3])
        while truth.read_bytes().count(b"\n") < 40 + 37 * round_number:
            assert writer.poll() is None
            os.sched_yield()
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        confirmed = [line.split() for line in truth.read_text().splitlines() if line.count(" ") == 2]
        outbox = Outbox(path, BIG)
        entries = everything(outbox, "urgent")
        assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
        assert len(confirmed) <= len(entries) <= len(confirmed) + 1, "at most the one whose answer was cut off is more"
        stored = [(json.loads(e.body)["name"], json.loads(e.body)["detail"]) for e in entries]
        assert stored[: len(confirmed)] == [(who, n) for who, _, n in confirmed]
        last = max(int(n) for who, _, n in confirmed if who == "agent")
        agent_before = sum(1 for who, _ in stored if who == "agent")
        mark = outbox.append_from_agent(5, [Record(n, "event", n, {"name": "agent", "detail": str(n)}) for n in range(1, last + 3)], 0)
        assert mark == last + 2
        agent_rows = [json.loads(e.body)["detail"] for e in everything(outbox, "urgent") if json.loads(e.body)["name"] == "agent"]
        assert agent_rows == [str(n) for n in range(1, last + 3)]
        assert len(agent_rows) >= agent_before


def test_no_file_of_the_outbox_is_open_to_others_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        outbox = Outbox(tmp_path / "o.db", BIG)
        outbox.append("log", 1, log_line("a secret"))
    finally:
        os.umask(before)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert modes == {"o.db": 0o600, "o.db-wal": 0o600, "o.db-shm": 0o600}
