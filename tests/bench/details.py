"""`./ops bench details`: charts of a node's details over long ranges, from samples and from roll-ups, and what rolling them up costs.

Thirty days of one node that measures every minute: 43,200 samples with 16 cores, 5 mounts, 4 interfaces. Processor time of this process,
which is the manager's part of it; a database server's own is not in it. The value is the slowest of the charts that are made of roll-ups.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from server.config import Config
from server.db import Db, Row, Session
from server.keys import open_keys
from server.migrate import migrate
from server.service.detail_rollups import SETTLED_MS
from server.services import Services, build
from tests.bench.answers import SERVERS
from tests.bench.report import percentile, table, verdict
from tests.databases import fresh
from tests.load.lifelike import Machine

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NODE, DAYS, LIMIT_MS = "D" * 26, 30, 50.0
NOW = 1_800_000_000_000 // HOUR * HOUR + 10 * MINUTE
KINDS, RANGES = ("mounts", "cores", "nics"), (7, 30)
FIGURES = ("cpu_usage", "memory_usage", "disk_usage", "load_1", "network_rx", "network_tx")


def main() -> int:
    parser = argparse.ArgumentParser(prog="./ops bench details", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="as ever: it takes half a minute")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--database", choices=("sqlite", *SERVERS), default="sqlite")
    options = parser.parse_args()
    sys.setswitchinterval(0.0005)  # as the manager's own
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ops-bench-")))
        url = f"sqlite:///{folder}/manager.db"
        if options.database != "sqlite":
            server = stack.enter_context(SERVERS[options.database]())
            if server is None:
                parser.error(f"no {options.database} on this machine")
            url = stack.enter_context(fresh(server))
        return asyncio.run(measure(url, folder, options.rounds, options.database))


async def measure(url: str, folder: Path, rounds: int, database: str) -> int:
    async with Db(url) as db:
        await migrate(db, NOW)
        services = build(db, Config(data_dir=folder), open_keys(folder / "keys", ["localhost"], NOW), lambda: NOW)
        await fill(db)
        before = {(days, kind): await chart(services, kind, days, rounds) for days in RANGES for kind in KINDS}
        cost = await roll_up(services, db)
        after = {(days, kind): await chart(services, kind, days, rounds) for days in RANGES for kind in KINDS}
    rows: list[Sequence[object]] = [("range", "of", "from samples, CPU", "from roll-ups, CPU", "ratio")]
    rows += [
        (f"{days} d", kind, f"{took:.1f} ms", f"{after[days, kind]:.1f} ms", f"{took / after[days, kind]:.1f}")
        for (days, kind), took in before.items()
    ]
    table(rows)
    print(json.dumps(cost))
    return verdict("details", max(after.values()), "ms", LIMIT_MS, {"database": database, "rounds": rounds, **cost})


async def chart(services: Services, kind: str, days: int, rounds: int) -> float:
    """ms of processor time, the median."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        found = await services.details.series(NODE, kind, NOW - days * DAY, NOW, NOW)
        times.append((time.process_time() - start) * 1000)
        assert len(found.lines[0].points) > days * 12 - 2
    return percentile(times, 0.5)


async def roll_up(services: Services, db: Db) -> dict[str, Any]:
    """All of the past, while something looks a thousand times a second how long the event loop was held up."""
    details, until, late = services.rollups.details, NOW + 120_000, [0.0]

    async def watch() -> None:
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(0.001)
            late.append(time.perf_counter() - begun - 0.001)

    await db.transaction(lambda session: session.execute(db.q.rollups.lease, {"now": NOW, "until": until}))
    watching = asyncio.create_task(watch())
    start, begun = time.process_time(), time.perf_counter()
    while (await details.state())["details_until"] < (NOW - SETTLED_MS) // HOUR * HOUR:
        await details.forward(until, NOW)
    took, passed = time.process_time() - start, time.perf_counter() - begun
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    hours = await details.series(NODE, HOUR, 0, NOW, 10_000)
    return {
        "hours": len(hours),
        "cpu_us_a_node_hour": round(took / len(hours) * 1e6),
        "wall_us_a_node_hour": round(passed / len(hours) * 1e6),
        "characters_a_row": len(hours[0]["detail"]),
        "loop_held_up_ms_p99": round(percentile(late, 0.99) * 1000, 1),
        "loop_held_up_ms_most": round(max(late) * 1000, 1),
    }


async def fill(db: Db) -> None:
    node: Row = {"id": NODE, "name": "web-1", "hostname": "web-1", "ip": "192.0.2.1", "tags": "{}", "machine": "", "state": "online"}
    node |= {"facts": "{}", "fingerprint": "{}", "daemon_version": "0.1.0", "last_seen": NOW, "now": NOW - DAYS * DAY}
    await db.transaction(lambda session: session.execute(db.q.nodes.insert, node))
    machine, every = Machine(3), DAYS * DAY // MINUTE
    for first in range(0, every, 2_000):
        rows = [_sample(machine, number, NOW - (every - number) * MINUTE) for number in range(first, min(first + 2_000, every))]

        async def work(session: Session, rows: list[Row] = rows) -> None:
            await session.insert_rows(db.q.metrics.insert, rows)

        await db.transaction(work)


def _sample(machine: Machine, number: int, at: int) -> Row:
    body = json.loads(json.dumps(machine.sample(at, MINUTE)))
    body["cpu"]["cores"] = [float((number * 7 + core * 11) % 100) for core in range(16)]
    body["disks"] = [dict(body["disks"][0], mount=f"/data/{n}") for n in range(5)]
    body["nics"] = [dict(body["nics"][0], name=f"eth{n}") for n in range(4)]
    detail = json.dumps(body, separators=(",", ":"))
    return {"node_id": NODE, "at": at, "epoch": 1, "seq": number, "detail": detail, **dict.fromkeys(FIGURES, 5.0)}


if __name__ == "__main__":
    sys.exit(main())
