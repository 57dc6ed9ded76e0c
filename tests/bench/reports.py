"""`./ops bench reports`: rows a second that the whole path stores durably, against the database by itself.

Path: hosts with a backlog post reports of 128 KB as the daemon makes them (gzip, HTTP, mutual TLS) to a manager process,
which answers after its durable commit. Database: the same rows, 500 to a multi-row INSERT and durable commit, from texts or
values that lie ready. Both in turn, on SQLite and on MariaDB or MySQL where there is one; the value is the lower of
their ratios, in percent. Requests are put together before the clock runs: what the fleet's processors do is not the manager's.
Promise: at least 40 %, aim 60 % (DESIGN §8).
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any

import psutil
import pymysql
import uvloop

from host.wire.protocol import REPORT_PATH
from server.db import PRAGMAS
from server.inserts import Insert
from server.queries import Queries, Query
from server.service.records import RawRecord, read
from tests.bench.report import table, verdict
from tests.databases import fresh, mariadb, mysql
from tests.load.fleet import Fleet, Wanted
from tests.load.host import Host, now_ms
from tests.load.wire import request
from tests.stack import ROOT, Stack

LIMIT = 40.0
COMMIT_ROWS = 500
HOSTS = 40
PERIOD_MS = 60_000


class Backlog:
    """What one host has waited to tell: ready-made requests, and the rows that they are."""

    def __init__(self, host: Host, samples: int, begin: int) -> None:
        self.host = host
        self.requests: list[bytes] = []
        self.marks: list[int] = []
        self.rows: list[list[dict[str, Any]]] = []
        lane = host.lanes["bulk"]
        for number in range(samples):
            host.tell("sample", host.machine.sample(begin + number * PERIOD_MS, PERIOD_MS), begin + number * PERIOD_MS)
        while lane.records:
            body, count = lane.batch(host.epoch)
            mark = lane.records[count - 1][0]
            self.rows.append(_rows(host, body))
            self.requests.append(request("POST", REPORT_PATH, "127.0.0.1", gzip.compress(body, 1), packed=True))
            self.marks.append(mark)
            lane.stored(mark)

    async def send(self) -> None:
        """One report after another, as a daemon does."""
        for whole, mark in zip(self.requests, self.marks, strict=True):
            answer = await self.host.links["bulk"].send(whole)
            if answer.status != 200 or json.loads(answer.body)["stored"] != mark:
                raise SystemExit(f"reports: answered {answer.status}: {answer.body.decode()[:200]}")


def _rows(host: Host, body: bytes) -> list[dict[str, Any]]:
    """The rows of `node_metrics` that the manager will make of a report, for the database by itself."""
    import msgspec

    records = msgspec.convert(json.loads(body)["records"], list[dict[str, Any]])
    found = []
    for record in records:
        told = RawRecord(record["seq"], record["kind"], record["at"], msgspec.Raw(json.dumps(record["body"]).encode()))
        rows = read(host.node_id, "bulk", host.epoch, told, now_ms(), 0).rows
        found += [row for name, row in rows if name == "sample"]
    return found


class Alone:
    """The database without a manager: a table of the same shape, filled by multi-row INSERTs, which grows as the manager's does."""

    def __init__(self, url: str, folder: Path) -> None:
        query: Query = Queries(ROOT / "sql/queries", "mysql" if url else "sqlite").metrics.insert
        self._insert = Insert(query.name, query.text)
        self._sqlite: sqlite3.Connection | None = None
        if not url:
            self._sqlite = sqlite3.connect(folder / "alone.db", isolation_level=None)
            for pragma in PRAGMAS:
                self._sqlite.execute(f"PRAGMA {pragma}")
            self._sqlite.execute(_ddl())
            return
        address, _, name = url.rpartition("@")[2].partition("/")
        host, _, port = address.partition(":")
        self._mysql = pymysql.connect(host=host, port=int(port), user="root", database=name, charset="utf8mb4")
        with self._mysql.cursor() as cursor:
            cursor.execute(f"{_ddl()} ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin")

    def fill(self, rows: list[dict[str, Any]]) -> float:
        """Rows a second."""
        groups = [rows[i : i + COMMIT_ROWS] for i in range(0, len(rows), COMMIT_ROWS)]
        return len(rows) / (self._fill_sqlite(self._sqlite, groups) if self._sqlite else self._fill_mysql(groups))

    def _fill_sqlite(self, connection: sqlite3.Connection, groups: list[list[dict[str, Any]]]) -> float:
        ready = [statement for group in groups for statement in self._insert.sqlite(group)]
        begun = time.perf_counter()
        for text, values in ready:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(text, values)
            connection.execute("COMMIT")
        return time.perf_counter() - begun

    def _fill_mysql(self, groups: list[list[dict[str, Any]]]) -> float:
        ready = [text for group in groups for text in self._insert.mysql(group)]
        with self._mysql.cursor() as cursor:
            begun = time.perf_counter()
            for text in ready:
                cursor.execute(text)
                self._mysql.commit()
            return time.perf_counter() - begun

    def close(self) -> None:
        (self._sqlite or self._mysql).close()


def _ddl() -> str:
    text = (ROOT / "sql/migrations/0001_nodes.sql").read_text()
    begin = text.index("CREATE TABLE node_metrics")
    return text[begin : text.index(";", begin)]


@contextmanager
def _manager(url: str) -> Iterator[tuple[Stack, str]]:
    with tempfile.TemporaryDirectory(prefix="ops-bench-") as folder:
        stack = Stack(Path(folder), database_url=url)
        try:
            stack.start_manager()
            stack.sign_in()
            yield stack, stack.api("POST", "/enrolment-tokens", {"uses": HOSTS, "hours": 1, "note": "bench"})["token"]
        finally:
            stack.stop()


async def _measure(stack: Stack, token: str, alone: Alone, samples: int, rounds: int) -> dict[str, float]:
    wanted = Wanted("127.0.0.1", stack.node_port, stack.folder / "manager/keys/ca.crt", token, nodes=HOSTS)
    process = psutil.Process(stack.pids()["manager"])
    path, database, cpu = [], [], []
    async with Fleet(wanted) as fleet:
        for host in fleet.hosts:
            await host.links["bulk"].open()
        for number in range(rounds):
            begin = now_ms() - (number + 1) * samples * PERIOD_MS
            backlogs = [Backlog(host, samples, begin) for host in fleet.hosts]
            # As they arrive: a report of one host after a report of another.
            rows = [
                row for reports in zip_longest(*(backlog.rows for backlog in backlogs), fillvalue=[]) for part in reports for row in part
            ]
            if not number:
                database.append(alone.fill(rows[: len(rows) // 2]))
            used, begun = sum(process.cpu_times()[:2]), time.perf_counter()
            await asyncio.gather(*(backlog.send() for backlog in backlogs))
            path.append(len(rows) / (time.perf_counter() - begun))
            cpu.append((sum(process.cpu_times()[:2]) - used) / len(rows) * 1e6)
            database.append(alone.fill(rows if number else rows[len(rows) // 2 :]))
        for host in fleet.hosts:
            host.links["bulk"].close()
    # Each round against the database just before and just after it: on a shared machine both are as slow as the moment.
    ratio = statistics.median(200 * p / (before + after) for p, before, after in zip(path, database, database[1:], strict=False))
    return {
        "path_rows_s": round(statistics.median(path)),
        "database_rows_s": round(statistics.median(database)),
        "ratio_percent": round(ratio, 1),
        "manager_cpu_us_a_row": round(statistics.median(cpu), 1),
        "rows": HOSTS * samples * rounds,
    }


def _one(server: Any, samples: int, rounds: int) -> dict[str, float] | None:
    """The figures of one database; None where there is no such server."""
    with tempfile.TemporaryDirectory(prefix="ops-alone-") as folder, ExitStack() as stack:
        ours = theirs = ""
        if server is not None:
            url = stack.enter_context(server())
            if url is None:
                return None
            ours, theirs = stack.enter_context(fresh(url)), stack.enter_context(fresh(url))
        manager, token = stack.enter_context(_manager(ours))
        alone = stack.enter_context(closing(Alone(theirs, Path(folder))))
        return uvloop.run(_measure(manager, token, alone, samples, rounds))


def main() -> int:
    parser = argparse.ArgumentParser(prog="./ops bench reports", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="six rounds of 8,000 rows instead of twenty of 16,000")
    parser.add_argument("--only", choices=("sqlite", "mariadb", "mysql"), help="one database only")
    options = parser.parse_args()
    samples, rounds = (200, 6) if options.quick else (400, 20)
    figures: dict[str, dict[str, float]] = {}
    for kind, server in (("sqlite", None), ("mariadb", mariadb), ("mysql", mysql)):
        if options.only in (None, kind):
            found = _one(server, samples, rounds)
            if found:
                figures[kind] = found
    names = ["path_rows_s", "database_rows_s", "ratio_percent", "manager_cpu_us_a_row"]
    table([["database", *names], *([kind, *(found[name] for name in names)] for kind, found in figures.items())])
    lowest = min(found["ratio_percent"] for found in figures.values())
    return verdict("reports", lowest, "%", LIMIT, figures, at_least=True)


if __name__ == "__main__":
    sys.exit(main())
