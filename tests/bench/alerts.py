"""`./ops bench alerts`: what the watch over a fleet costs, and a storm: 1000 nodes go offline within one minute.

1000 nodes and 20 rules of all kinds, on each database. Time is passed in: a turn every 15 seconds, before each a quarter of the fleet's
samples. Measured is processor time of a turn, the manager's and the database server's together, as a share of the 15 s of one core;
the value is the highest p95. Promise: < 10 %. In the storm every alert opens, is grouped, and each delivery ends as sent: counted by
the database and by the receiver, a real HTTP server; one that is missing or came twice fails the benchmark.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from host.wire.messages import Facts
from server.auth import Caller
from server.config import Config
from server.db import Db, Row, Session
from server.keys import open_keys
from server.migrate import migrate
from server.queries import Query
from server.service.alert_drafts import Draft
from server.service.facts import facts_text
from server.service.receivers import Change
from server.service.rollups import FINE
from server.services import Services, build
from tests.bench import figures
from tests.bench.furnished import FIRING, MIXED
from tests.bench.raw import Raw
from tests.bench.report import percentile, processor_clock, table, verdict
from tests.databases import fresh, mariadb, mysql
from tests.server.delivery.http_receiver import Receiver, receiver

NODES, TURN_MS, LIMIT = 1000, 15_000, 10.0
START = 1_800_000_000_000
FIGURES = figures.FIGURES
RECEIVERS = 3
KINDS = (("sqlite", None), ("mariadb", mariadb), ("mysql", mysql))
WARM = 2
"""Turns that are not counted: the first one reads what the later ones know."""


@dataclass
class World:
    """A manager's services over a database, with a clock that stands until it is moved."""

    services: Services
    db: Db
    clock: list[int]
    server: int | None
    """The clock id of the database server's processor time; None for SQLite, which is this process."""
    seq: int = 0
    rows: list[Row] = field(default_factory=list)

    @property
    def now(self) -> int:
        return self.clock[0]

    def used(self) -> tuple[float, float]:
        """Seconds of processor time of this process, and of the database server."""
        return time.process_time(), time.clock_gettime(self.server) if self.server is not None else 0.0


@contextmanager
def _databases(only: str) -> Iterator[list[tuple[str, str, int | None]]]:
    """Kind, address and the server's processor clock of each database that this machine has."""
    with ExitStack() as stack:
        found: list[tuple[str, str, int | None]] = []
        for kind, server in KINDS:
            if only not in ("", kind):
                continue
            if server is None:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ops-bench-"))
                found.append((kind, f"sqlite:///{folder}/manager.db", None))
            elif url := stack.enter_context(server()):
                found.append((kind, stack.enter_context(fresh(url)), _server_clock(url)))
        yield found


def _server_clock(url: str) -> int:
    raw = Raw(f"{url}/mysql")
    try:
        return processor_clock(int(Path(str(raw.one("SELECT @@pid_file"))).read_text()))
    finally:
        raw.close()


async def _fill(world: World, nodes: int) -> None:
    """Nodes that are online, what they told of themselves, six hours of roll-ups, and a quarter of an hour of samples."""
    db, now = world.db, world.now
    ids = [f"N{number:025d}" for number in range(nodes)]

    async def people(session: Session) -> None:
        for number, node_id in enumerate(ids):
            name = f"{('web', 'app', 'db', 'cache', 'queue', 'build', 'edge', 'log')[number % 8]}-{number:04d}"
            facts = Facts(name, [f"10.{number // 250}.{number % 250}.1"], "Debian 12", "6.1", "x86_64", "CPU", 8, 2**34)
            row: Row = {
                "id": node_id,
                "name": name,
                "hostname": name,
                "ip": facts.addresses[0],
                "tags": "{}",
                "state": "online",
                "machine": "",
            }
            row |= {"facts": facts_text(facts), "fingerprint": "{}", "daemon_version": "0.1.0", "last_seen": now, "now": now}
            await session.execute(db.q.nodes.insert, row)
            await world.services.index.tell(session, row)

    await db.transaction(people)
    health = json.dumps({"dropped": 0, "clock_ahead_ms": 12})
    patterns = [figures.pattern(number, node_id, now) for number, node_id in enumerate(ids)]
    world.rows = [{name: one[name] for name in ("node_id", *FIGURES, "detail")} for one in patterns]
    tables: dict[str, list[Row]] = {
        "agents": [
            {"node_id": one, "version": "0.1.0", "state": "running", "reason": "", "restarts": 0, "updated_at": now, "restarts_before": 0}
            for one in ids
        ],
        "daemons": [
            {"node_id": one, "health": health, "health_at": now, "configuration": "", "configuration_hash": "", "configuration_note": ""}
            | {"configuration_at": 0}
            for one in ids
        ],
        "node_certificates": [
            {"fingerprint": f"{one:>064}", "node_id": one, "public_key": f"{one:>064}", "certificate": "x" * 800, "created_at": now}
            | {"not_after": now + 80 * 86_400_000}
            for one in ids
        ],
        "node_plugin_metrics": [
            {"node_id": one, "plugin": "open_files", "name": "open", "at": now - n * 60_000, "epoch": 1, "seq": 10**9 - n, "value": 900.0}
            | {"unit": "files"}
            for one in ids[::4]
            for n in range(15)
        ],
        "node_rollups": [
            {"node_id": row["node_id"], "tier": FINE, "at": now // FINE * FINE - n * FINE}
            | {name: row[name] for name in FIGURES}
            | {f"{name}_{part}": row[name] for name in FIGURES for part in ("least", "most")}
            | {f"{name}_count": 5 for name in FIGURES}
            for row in world.rows
            for n in range(73)
        ],
    }

    async def told(session: Session) -> None:
        for name, rows in tables.items():
            columns = list(rows[0])
            text = f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({', '.join(f':{column}' for column in columns)})"
            await session.insert_rows(Query(f"bench.{name}", text, db.dialect), rows)

    await db.transaction(told)
    for minute in range(15, 0, -1):
        await _samples(world, world.rows, now - minute * 60_000)


async def _samples(world: World, rows: list[Row], at: int) -> None:
    world.seq += 1
    made = [row | {"at": at, "epoch": 1, "seq": world.seq} for row in rows]
    await world.db.transaction(lambda session: session.insert_rows(world.db.q.metrics.insert, made))


async def _rules(world: World, hook: Receiver) -> None:
    admin = Caller("admin", "BENCH", "bench")
    for number, one in enumerate(MIXED):
        wanted = {"name": f"{one['kind']} {number}", "selector": "all", **one}
        if one["kind"] == "offline":
            wanted["threshold"] = "30s"
        await world.services.alert_rules.make(admin, Draft(**wanted), world.now)
    for role, metric, threshold, severity in FIRING:
        draft = Draft(f"{metric} of {role}", "metric", f"name:{role}-*", metric, threshold=threshold, severity=severity)
        await world.services.alert_rules.make(admin, draft, world.now)
    for number in range(RECEIVERS):
        await world.services.receivers.make(admin, "webhook", Change(f"hook {number}", settings={"url": hook.url}), world.now)


@dataclass
class Turn:
    wall_ms: float
    manager_ms: float
    server_ms: float

    @property
    def cpu_ms(self) -> float:
        return self.manager_ms + self.server_ms


async def _turn(world: World) -> Turn:
    """15 seconds go by; then one look at all rules."""
    world.clock[0] += TURN_MS
    before, begun = world.used(), time.perf_counter()
    if not await world.services.alert_watch.tick(world.now):
        raise SystemExit("bench alerts: another manager has the watch")
    passed, after = time.perf_counter() - begun, world.used()
    return Turn(passed * 1000, (after[0] - before[0]) * 1000, (after[1] - before[1]) * 1000)


async def _deliver(world: World) -> None:
    await world.services.deliveries.end_overdue(world.now)
    await world.services.delivery_turns.start(world.now)
    await world.services.delivery_turns.settle()


async def _counts(world: World, text: str) -> int:
    async def work(session: Session) -> int:
        return int((await session.raw_rows(text))[0]["total"])

    return await world.db.transaction(work)


OPEN = "SELECT COUNT(*) AS total FROM alerts WHERE state <> 'resolved' AND rule_kind = 'offline'"


async def _storm(world: World, hook: Receiver, nodes: int) -> tuple[dict[str, Any], list[Turn]]:
    """A quarter of the fleet is gone every 15 s; until all are alerted of, and, once they are back, until all of that is over."""
    ids = [row["node_id"] for row in world.rows]
    part, turns, open_after = -(-nodes // 4), [], []
    begun = world.now
    for number in range(40):
        gone = ids[number * part : (number + 1) * part]

        async def work(session: Session, gone: list[str] = gone) -> None:
            for node_id in gone:
                await world.services.nodes.move(session, node_id, "offline", world.now)

        await world.db.transaction(work)
        turns.append(await _turn(world))
        await _deliver(world)
        open_after.append(await _counts(world, OPEN))
        if open_after[-1] == nodes and number > 8:
            break
    opened_s = (open_after.index(nodes) + 1) * TURN_MS / 1000 if nodes in open_after else None
    grouped = await _counts(world, OPEN + " AND group_id <> ''")
    storms = await _counts(world, "SELECT COUNT(DISTINCT group_id) AS total FROM alerts WHERE rule_kind = 'offline' AND group_id <> ''")

    async def back(session: Session) -> None:
        for node_id in ids:
            await world.services.nodes.move(session, node_id, "online", world.now)

    await world.db.transaction(back)
    for _ in range(16):
        turns.append(await _turn(world))
        await _deliver(world)
        if not await _counts(world, OPEN):
            break
    for _ in range(6):
        world.clock[0] += TURN_MS * 4
        await _turn(world)
        await _deliver(world)
    told = await _counts(world, "SELECT COUNT(*) AS total FROM alert_events WHERE told = 1")
    states = {
        state: await _counts(world, f"SELECT COUNT(*) AS total FROM deliveries WHERE state = '{state}'")
        for state in ("waiting", "sent", "failed")
    }
    heard = Counter(request.headers["webhook-id"] for request in hook.got)
    messages = await _counts(world, "SELECT COUNT(DISTINCT message_id) AS total FROM deliveries WHERE state = 'sent'")
    return {
        "last_opened_s_after_first_gone": opened_s,
        "simulated_s": (world.now - begun) / 1000,
        "alerts": open_after[-1],
        "grouped": grouped,
        "storms": storms,
        "left_open": await _counts(world, OPEN),
        "events_told": told,
        "deliveries_wanted": told * RECEIVERS,
        **states,
        "messages": messages,
        "messages_heard": len(heard),
        "heard_twice": sum(count > 1 for count in heard.values()),
    }, turns


def _complete(storm: dict[str, Any], nodes: int) -> list[str]:
    """What is wrong with a storm; nothing when every alert and every delivery is accounted for."""
    wanted = {"alerts": nodes, "left_open": 0, "waiting": 0, "failed": 0, "sent": storm["deliveries_wanted"], "heard_twice": 0}
    wanted |= {"messages_heard": storm["messages"]}
    problems = [f"{name} is {storm[name]}, not {value}" for name, value in wanted.items() if storm[name] != value]
    if storm["grouped"] < nodes * 0.9 or not 1 <= storm["storms"] <= 2:
        problems.append(f"{storm['grouped']} alerts in {storm['storms']} storms")
    return problems


async def _measure(url: str, server: int | None, nodes: int, turns: int) -> dict[str, Any]:
    clock = [START]
    with tempfile.TemporaryDirectory(prefix="ops-bench-") as name:
        folder = Path(name)
        async with Db(url, pool_size=10, pool_idle=2) as db, receiver() as hook:
            await migrate(db, START)
            config = Config(data_dir=folder, receiver_networks=["127.0.0.0/8"], public_url="https://ops.example.com")
            services = build(db, config, open_keys(folder / "keys", ["localhost"], START), lambda: clock[0])
            world = World(services, db, clock, server)
            await _fill(world, nodes)
            await _rules(world, hook)
            seen: list[Turn] = []
            for number in range(turns + WARM):
                quarter = world.rows[number % 4 :: 4]
                await _samples(world, quarter, world.now + TURN_MS - 1000)
                seen.append(await _turn(world))
                await _deliver(world)
            opened = await _counts(world, "SELECT COUNT(*) AS total FROM alerts WHERE state <> 'resolved'")
            storm, stormy = await _storm(world, hook, nodes)
            await services.delivery_turns.stop()
    calm = seen[WARM:]
    return {
        "open_alerts": opened,
        "first_turn_cpu_ms": round(seen[0].cpu_ms, 1),
        **_figures("calm", calm),
        **_figures("storm", stormy),
        "share_percent": round(percentile([one.cpu_ms for one in calm], 0.95) / TURN_MS * 100, 2),
        "storm_share_percent": round(max(one.cpu_ms for one in stormy) / TURN_MS * 100, 2),
        "storm": storm,
        "problems": _complete(storm, nodes),
    }


def _figures(name: str, turns: list[Turn]) -> dict[str, float]:
    found: dict[str, float] = {}
    for what in ("wall_ms", "cpu_ms", "manager_ms", "server_ms"):
        values = [getattr(one, what) for one in turns]
        found |= {f"{name}_{what}_p50": round(percentile(values, 0.5), 1), f"{name}_{what}_p95": round(percentile(values, 0.95), 1)}
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="./ops bench alerts", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="16 turns instead of 60, on SQLite only")
    parser.add_argument("--nodes", type=int, default=NODES)
    parser.add_argument("--database", choices=("sqlite", "mariadb", "mysql"), default="", help="one database only")
    options = parser.parse_args()
    turns = 16 if options.quick else 60
    found: dict[str, dict[str, Any]] = {}
    with _databases(options.database or ("sqlite" if options.quick else "")) as databases:
        for kind, url, server in databases:
            found[kind] = uvloop.run(_measure(url, server, options.nodes, turns))
    rows = ("share_percent", "calm_cpu_ms_p50", "calm_cpu_ms_p95", "calm_wall_ms_p95", "storm_cpu_ms_p95", "storm_share_percent")
    table([["a turn", *found], *([name, *(one[name] for one in found.values())] for name in rows)])
    table([["storm", *found], *([name, *(one["storm"][name] for one in found.values())] for name in next(iter(found.values()))["storm"])])
    problems = {kind: one["problems"] for kind, one in found.items() if one["problems"]}
    worst = max(one["share_percent"] for one in found.values())
    detail = {"nodes": options.nodes, "rules": len(MIXED) + len(FIRING), "turns": turns, "load": [round(one, 1) for one in os.getloadavg()]}
    failed = verdict("alerts", worst, "% of a core", LIMIT, detail | {"problems": problems, **found})
    return failed or int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
