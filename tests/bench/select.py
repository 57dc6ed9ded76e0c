"""How long a selector takes on 5,000 nodes, on SQLite: explained and counted, and resolved to ids.

Processor time of the whole process, so that what else runs on the machine does not count. `--quick`: fewer rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from host.wire.messages import Facts
from server.auth import Caller
from server.config import Config
from server.db import Db, Session
from server.keys import open_keys
from server.migrate import migrate
from server.service.facts import facts_text
from server.services import Services, build
from tests.bench.report import percentile, table, verdict

NODES, GROUPS, LIMIT_MS = 5_000, 100, 50.0
NOW = 1_800_000_000_000
SELECTORS = (
    "all",
    "env=prod and group:china and os~ubuntu and not online",
    "name:web-1* and memory>8GiB",
    "address=10.3.0.0/16 or rack in (1, 2, 3)",
    "not tag:owner or owner!=o7",
    "group:city-7 and not (env=test or env=dev)",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    rounds = 7 if parser.parse_args().quick else 40
    with tempfile.TemporaryDirectory(prefix="ops-bench-") as folder:
        return asyncio.run(measure(Path(folder), rounds))


async def measure(folder: Path, rounds: int) -> int:
    async with Db(f"sqlite:///{folder}/manager.db") as db:
        await migrate(db, NOW)
        services = build(db, Config(data_dir=folder), open_keys(folder / "keys", ["localhost"], NOW), lambda: NOW)
        await fill(services, db)
        rows: list[tuple[object, ...]] = [("selector", "nodes", "preview p50 / p95", "ids p50 / p95")]
        worst = 0.0
        for text in SELECTORS:
            total = (await services.selections.preview(text, "en")).total
            shown = []
            for work in (lambda text=text: services.selections.preview(text, "en"), lambda text=text: services.selections.ids_of(text)):
                times = [await took(work) for _ in range(rounds)]
                worst = max(worst, percentile(times, 0.95))
                shown.append(f"{percentile(times, 0.5):.1f} / {percentile(times, 0.95):.1f} ms")
            rows.append((text, total, *shown))
    table(rows)
    return verdict("select", worst, "ms", LIMIT_MS, {"nodes": NODES, "rounds": rounds, "measured": "processor time, worst p95"})


async def took(work: Callable[[], Awaitable[object]]) -> float:
    start = time.process_time()
    await work()
    return (time.process_time() - start) * 1000


async def fill(services: Services, db: Db) -> None:
    admin, ids = Caller("admin", "BENCH", "bench"), [f"N{number:025d}" for number in range(NODES)]
    china = await services.groups.make(admin, "region", "China", "", False, NOW)
    cities = [await services.groups.make(admin, "region", f"city-{number}", china, False, NOW) for number in range(GROUPS)]

    async def work(session: Session) -> None:
        for number, node_id in enumerate(ids):
            address, system = f"10.{number // 250}.{number % 250}.1", "Ubuntu 24.04" if number % 2 else "Debian 12"
            facts = Facts(f"web-{number}", [address], system, "6.1", "x86_64", "CPU", number % 64, 2**30 * (number % 33))
            tags = {"env": ("prod", "test", "dev")[number % 3], "rack": str(number % 40), "owner": f"o{number % 200}"}
            row = {
                "id": node_id,
                "name": facts.hostname,
                "hostname": facts.hostname,
                "ip": address,
                "tags": json.dumps(tags),
                "machine": "",
            }
            row |= {"state": "online" if number % 5 else "offline", "facts": facts_text(facts), "fingerprint": "{}"}
            await session.execute(db.q.nodes.insert, row | {"daemon_version": "0.1.0", "last_seen": NOW, "now": NOW})
            await services.index.tell(session, row | {"daemon_version": "0.1.0"})

    await db.transaction(work)
    for number, city in enumerate(cities):
        await services.groups.put(admin, city, ids[number * 40 : number * 40 + 40], NOW)


if __name__ == "__main__":
    sys.exit(main())
