"""`./ops bench partitions`: what it costs to turn a large table into day partitions (migration 0013), on MariaDB and MySQL.

A table of samples without partitions is filled with thirty days, then partitioned by the migration's own statement. While that runs a
second connection tries to write a sample, so that it is seen for how long a manager would wait. Limit: so many rows a second that twenty
million are done within about an hour.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

from server import partitions
from tests.bench import figures
from tests.bench.answers import BUFFER_BYTES, SERVERS
from tests.bench.raw import Raw, quick
from tests.bench.report import table, verdict
from tests.databases import fresh
from tests.stack import ROOT

NODES = 1000
LEAST_ROWS_S = 5000.0
COLUMNS = ("node_id", "at", "epoch", "seq", *figures.FIGURES, "detail")


def _table() -> str:
    """As migration 0001 makes it, and as it is before 0013."""
    text = (ROOT / "sql/migrations/0001_nodes.sql").read_text()
    begin = text.index("CREATE TABLE node_metrics")
    return text[begin : text.index(";", begin)]


def _fill(raw: Raw, rows: int, now: int) -> None:
    raw.run(_table())
    raw.run(f"CREATE TABLE bench_nodes AS SELECT {', '.join(COLUMNS)} FROM node_metrics WHERE 1 = 0")
    patterns = [figures.pattern(number, f"N{number:025d}", now) for number in range(NODES)]
    raw.put(
        "bench_nodes",
        (
            {name: one[name] for name in ("node_id", *figures.FIGURES, "detail")} | {"at": one["shift"], "epoch": 1, "seq": 1}
            for one in patterns
        ),
    )
    each = rows // NODES
    step = figures.DAYS * figures.DAY // each
    names = ", ".join(COLUMNS)
    values = ", ".join(figures.FIGURES)
    raw.run_all(
        f"INSERT INTO node_metrics ({names}) SELECT node_id, {now - n * step} + at, 1, {each - n + 1}, {values}, detail FROM bench_nodes"
        for n in range(each, 0, -1)
    )


def _blocked(url: str, stop: threading.Event, found: list[float]) -> None:
    """The longest that a write had to wait, in seconds."""
    with closing(Raw(url)) as raw:
        number = 0
        while not stop.is_set():
            number += 1
            begun = time.perf_counter()
            raw.run(f"INSERT INTO node_metrics ({', '.join(COLUMNS)}) VALUES ('N', {_now()}, 2, {number}, 1, 1, 1, 1, 1, 1, '{{}}')")
            found.append(time.perf_counter() - begun)
            stop.wait(0.2)


def _bytes(url: str, raw: Raw) -> int:
    folder = Path(str(raw.one("SELECT @@datadir"))) / url.rpartition("/")[2]
    return sum(file.stat().st_size for file in folder.glob("node_metrics*"))


def _measure(kind: str, rows: int) -> dict[str, float] | None:
    now = _now()
    with SERVERS[kind]() as server:
        if server is None:
            return None
        with fresh(server) as url, closing(Raw(url)) as raw:
            begun = time.perf_counter()
            with quick(url, BUFFER_BYTES):
                _fill(raw, rows, now)
            filled, before = time.perf_counter() - begun, _bytes(url, raw)
            stop, waits = threading.Event(), [0.0]
            other = threading.Thread(target=_blocked, args=(url, stop, waits))
            other.start()
            time.sleep(1)
            begun = time.perf_counter()
            raw.run(f"ALTER TABLE node_metrics PARTITION BY RANGE (at) ({partitions.made_by_migration(now)})")
            passed = time.perf_counter() - begun
            stop.set()
            other.join()
            return {
                "rows": rows,
                "gb": round(before / 1e9, 2),
                "gb_after": round(_bytes(url, raw) / 1e9, 2),
                "partition_s": round(passed, 1),
                "rows_s": round(rows / passed),
                "longest_write_s": round(max(waits), 1),
                "filled_s": round(filled, 1),
            }


def _now() -> int:
    return time.time_ns() // 1_000_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="./ops bench partitions", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="100,000 rows")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--database", choices=tuple(SERVERS), default="", help="one database only")
    options = parser.parse_args()
    rows = 100_000 if options.quick else options.rows
    if rows * 4000 > shutil.disk_usage(tempfile.gettempdir()).free * 0.9:
        raise SystemExit(f"bench: {rows:,} rows need about {rows * 4 / 1e6:.0f} GB in {tempfile.gettempdir()}, the table twice")
    found = {kind: one for kind in SERVERS if options.database in ("", kind) and (one := _measure(kind, rows))}
    names = list(next(iter(found.values())))
    table([["database", *names], *([kind, *one.values()] for kind, one in found.items())])
    slowest = min(one["rows_s"] for one in found.values())
    return verdict(
        "partitions", slowest, "rows/s", LEAST_ROWS_S, {"load": [round(one, 1) for one in os.getloadavg()], **found}, at_least=True
    )


if __name__ == "__main__":
    sys.exit(main())
