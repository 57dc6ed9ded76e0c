"""What `./ops bench api` and `./ops bench pages` share: a manager with 1,000 emulated nodes that report, and history in its tables.

SQLite. The history is filled by multi-row INSERTs beside the running manager: for each node samples, roll-ups of 5 minutes and of an
hour over 30 days. `--quick`: fewer samples, 5-minute roll-ups of a day instead of 30, fewer rounds; the JSON says so.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from server.inserts import Insert
from server.queries import Queries
from tests.bench.report import percentile, table, verdict
from tests.load.lifelike import Machine
from tests.stack import ROOT, Stack

LIMIT_MS = 200.0
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
FIGURES = ("cpu_usage", "memory_usage", "disk_usage", "load_1", "network_rx", "network_tx")


@dataclass(frozen=True)
class Size:
    """`samples` for each node; `fine_days` of 5-minute roll-ups; `rounds` of every address."""

    nodes: int
    samples: int
    fine_days: int
    rounds: int


def sized(name: str, description: str | None) -> Size:
    parser = argparse.ArgumentParser(prog=f"./ops bench {name}", description=description)
    parser.add_argument("--quick", action="store_true", help="60 samples a node instead of 10,000, 12 rounds instead of 100")
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--samples", type=int, help="samples for each node")
    options = parser.parse_args()
    quick = Size(options.nodes, 60, 1, 12)
    whole = Size(options.nodes, 10_000, 30, 100)
    chosen = quick if options.quick else whole
    return Size(chosen.nodes, options.samples or chosen.samples, chosen.fine_days, chosen.rounds)


@contextmanager
def busy(size: Size) -> Iterator[tuple[Stack, list[str], dict[str, float]]]:
    """The stack, the nodes' ids, and what was filled in and how fast."""
    with tempfile.TemporaryDirectory(prefix="ops-bench-") as name:
        folder = Path(name)
        stack = Stack(folder)
        fleet = None
        try:
            stack.start_manager()
            stack.sign_in()
            token = stack.api("POST", "/enrolment-tokens", {"uses": size.nodes, "hours": 1, "note": "bench"})["token"]
            command = [sys.executable, "-m", "tests.load.fleet", "--manager", f"127.0.0.1:{stack.node_port}", "--token", token]
            command += ["--ca", str(folder / "manager/keys/ca.crt"), "--nodes", str(size.nodes), "--spread", "4", "--every", "5"]
            fleet = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
            until = time.monotonic() + 60 + size.nodes / 10
            while stack.api("GET", "/nodes?state=online&size=1")["total"] < size.nodes:
                if time.monotonic() > until:
                    raise SystemExit("the emulated nodes did not all come online")
                time.sleep(0.5)
            ids = _ids(stack)
            yield stack, ids, _fill(folder / "manager/manager.db", ids, size)
        finally:
            if fleet is not None:
                fleet.terminate()
                fleet.wait(20)
            stack.stop()


def _ids(stack: Stack) -> list[str]:
    found: list[str] = []
    while page := stack.api("GET", f"/nodes?size=500&page={len(found) // 500 + 1}")["items"]:
        found += [item["id"] for item in page]
        if len(page) < 500:
            break
    return found


def _fill(database: Path, ids: list[str], size: Size) -> dict[str, float]:
    """Directly, in transactions of a node each, so that the manager can write in between."""
    query = Queries(ROOT / "sql/queries", "sqlite").metrics.insert
    insert = Insert(query.name, query.text)
    columns = ", ".join(f"{figure}, {figure}_least, {figure}_most, {figure}_count" for figure in FIGURES)
    rollup = f"INSERT OR IGNORE INTO node_rollups (node_id, tier, at, {columns}) VALUES ({', '.join('?' * 27)})"
    now = time.time_ns() // 1_000_000 // (5 * MINUTE) * (5 * MINUTE)
    connection = sqlite3.connect(database, isolation_level=None, timeout=60)
    connection.execute("PRAGMA synchronous=NORMAL")
    rows, begun = 0, time.perf_counter()
    for number, node_id in enumerate(ids):
        machine = Machine(number)
        detail = json.dumps(machine.sample(now, MINUTE), separators=(",", ":"))
        figures = (20.0, 40.0, 50.0, 1.0, 1e4, 1e4)
        samples = [
            dict(zip(FIGURES, figures, strict=True)) | {"node_id": node_id, "at": now - n * MINUTE, "epoch": 1, "seq": n, "detail": detail}
            for n in range(1, size.samples + 1)
        ]
        spans = [(5 * MINUTE, n) for n in range(1, size.fine_days * 288)] + [(HOUR, n) for n in range(1, 720)]
        means = tuple(value for figure in figures for value in (figure, figure, figure, 5))
        connection.execute("BEGIN IMMEDIATE")
        for text, values in insert.sqlite(samples):
            connection.execute(text, values)
        connection.executemany(rollup, [(node_id, tier, now // tier * tier - n * tier, *means) for tier, n in spans])
        connection.execute("COMMIT")
        rows += len(samples) + len(spans)
    connection.execute("UPDATE rollup_state SET done_until = MAX(done_until, ?)", (now - 5 * MINUTE,))
    passed = time.perf_counter() - begun
    connection.close()
    return {"samples": len(ids) * size.samples, "rows": rows, "filled_rows_s": round(rows / passed)}


def measure(name: str, size: Size, addresses: dict[str, str], get: Callable[[str], requests.Response], filled: dict[str, float]) -> int:
    """Every address in turn, `rounds` times; the value is the p95 of the slowest."""
    times: dict[str, list[float]] = {what: [] for what in addresses}
    for number in range(size.rounds + 1):
        for what, address in addresses.items():
            begun = time.perf_counter()
            answer = get(address)
            passed = (time.perf_counter() - begun) * 1000
            if answer.status_code != 200:
                raise SystemExit(f"{name}: {address} answered {answer.status_code}: {answer.text[:200]}")
            if number:  # the first round warms caches
                times[what].append(passed)
    shares = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    figures = {what: {share: round(percentile(values, part), 1) for share, part in shares} for what, values in times.items()}
    table([["ms", *(share for share, _ in shares)], *([what, *found.values()] for what, found in figures.items())])
    slowest = max(found["p95"] for found in figures.values())
    every = [value for values in times.values() for value in values]
    detail = {"nodes_reporting": size.nodes, "rounds": size.rounds, "fine_days": size.fine_days, **filled}
    detail |= {"all": {share: round(percentile(every, part), 1) for share, part in shares}, "addresses": figures}
    return verdict(name, slowest, "ms", LIMIT_MS, detail)
