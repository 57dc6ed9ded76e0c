"""Every statement that runs often, or over much, is planned over an index: a scan of a table that grows is found here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest

from server.db import Row, Session
from server.queries import Query
from server.service.metrics import FIGURES
from server.service.rollups import COARSE
from tests.conftest import DAY, Manager

HOT = (
    "enrolment.caller",
    "enrolment.watched",
    "enrolment.arrived",
    "metrics.first",
    "commands.mailbox",
    "commands.by_id",
    "reports.lanes",
    "reports.agent",
    "reports.daemon",
    "output.after",
    "output.known_chunk",
    "metrics.series",
    "metrics.series_by_step",
    "metrics.details",
    "metrics.latest",
    "metrics.newest",
    "metrics.plugin_series",
    "metrics.plugin_series_by_step",
    "metrics.delete_before",
    "rollups.series",
    "rollups.plugin_series",
    "rollups.fleet",
    "rollups.next_due",
    "rollups.take_due",
    "rollups.roll",
    "rollups.roll_node",
    "rollups.roll_plugins_of_node",
    "rollups.minutes",
    "rollups.forget",
    "rollups.forget_plugins",
    "detail_rollups.samples",
    "detail_rollups.of_tier",
    "detail_rollups.nodes_after",
    "detail_rollups.put",
    "detail_rollups.forget",
    "detail_rollups.first",
    "alert_readings.newest",
    "alert_readings.newest_details",
    "alert_readings.firsts",
    "alert_readings.plugin_newest",
    "alert_readings.before",
    "alert_readings.plugin_before",
    "alert_readings.details_at",
    "alert_previews.ranges",
    "alert_previews.points",
    "alert_previews.plugin_ranges",
    "alert_previews.plugin_points",
    "alert_previews.states",
    "alerts.counts",
    "alerts.by_id",
    "alerts.events",
    "alerts.all_open",
    "alerts.open_of_node",
    "alerts.open_of_rule",
    "alerts.recent_nodes",
    "alerts.wanting_command",
    "alerts.commands_since",
    "alerts.first_of_storm",
    "alerts.resolve_many",
    "alerts.set_silent",
    "alerts.set_silenced",
    "alerts.set_told",
    "alerts.set_reminded",
    "alerts.storms",
    "alerts.interrupted_commands",
    "alert_watches.delete",
    "alert_readings.plugin_units",
    "alert_readings.updates",
    "manager_loops.delete",
    "manager_loops.others",
    "manager_loops.forget",
    "deliveries.places",
    "deliveries.firing_of",
    "deliveries.of_message",
    "deliveries.attempts",
    "deliveries.overdue",
    "deliveries.expire",
    "deliveries.forget",
    "deliveries.forget_attempts",
    "delivery_turns.due",
    "delivery_turns.lease",
    "delivery_turns.waiting",
    "delivery_turns.fold",
    "delivery_turns.begin",
    "delivery_turns.finish",
    "delivery_turns.later",
    "delivery_turns.firing",
    "receivers.waiting_by_receiver",
    "windows.member",
    "marks.alerts",
    "marks.open_alerts",
    "marks.updates",
    "marks.starts",
    "logs.page",
    "logs.page_of_node",
    "logs.boundary",
    "logs.boundary_of_node",
    "attention.in_state",
    "attention.alerts",
    "attention.offline",
    "attention.agents_failed",
    "attention.agents_restarting",
    "attention.drops",
    "attention.backlog",
    "attention.clocks",
    "attention.certificates",
    "attention.stuck",
    "attention.disks",
    "overview.agents",
    "overview.agent_versions",
    "overview.running",
    "overview.unfinished",
    "timeline.states",
    "timeline.audit",
    "timeline.commands",
    "timeline.pushes",
    "timeline.alerts",
    "timeline.updates",
    "timeline.events",
    "timeline.events_named",
    "node_edits.last_edit",
)
"""Statements as `<noun>.<name>`."""

NUMBERS = frozenset(
    [
        "at",
        "since",
        "until",
        "seen",
        "before",
        "now",
        "step",
        "tier",
        "limit",
        "offset",
        "epoch",
        "seq",
        "chunk",
        "scan",
        "skip",
        "any",
        "never",
        "often",
        "most",
        "soon",
        "waiting",
        "full",
        "first",
        "second",
        "slot",
        "cpu",
        "disk",
        "network",
        "number",
    ]
)
"""Parameters that are numbers: a text column compared with a number has no index on MySQL."""

SMALL = {
    "a": "agents: one row a node",
    "d": "daemons: one row a node",
    "l": "the lines of one page, or those that a search looks through at a time",
    "<derived2>": "the same, as MySQL names them",
    "f": "full disks: found by the inner statements",
    "n": "nodes: each of them is wanted",
    "own": "receivers: a handful",
    "node_rollups_due": "what is due is few, and in the order of its key",
}
"""Tables, by the name that a plan gives them, that may be read whole, and why."""


RECENT = frozenset(["alert_readings.plugin_units"])
"""Statements about the last hour of what is kept for a month: to read all of it they would rightly read the table."""


async def plan(manager: Manager, name: str) -> list[Row]:
    noun, _, query_name = name.partition(".")
    query = getattr(getattr(manager.db.q, noun), query_name)
    lists = set(re.findall(r":(\w+)\*", query.text))
    words = re.findall(r":(\w+)", query.text)
    params: dict[str, Any] = {word: ["1", "2"] if word in lists else 1 if word in NUMBERS else "1" for word in words}
    if name in RECENT:
        params["since"] = manager.time() - 60_000
    text, values = query.bind(params)
    prefix = "EXPLAIN QUERY PLAN" if manager.db.dialect == "sqlite" else "EXPLAIN"

    async def work(session: Session) -> list[Row]:
        async with session._cursor() as cursor:
            await cursor.execute(f"{prefix} {text}", values)
            if len(cursor.description) == 1:
                # Newer MySQLs draw a tree of their own accord; MariaDB does not know the word.
                await cursor.execute(f"EXPLAIN FORMAT=TRADITIONAL {text}", values)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]

    return await manager.db.transaction(work)


def scanned(rows: list[Row]) -> list[str]:
    """Tables that a plan reads whole."""
    if "detail" in rows[0]:
        found = [re.match(r"SCAN (?:TABLE )?(\w+)", str(row["detail"])) for row in rows]
        return [match[1] for match in found if match]
    return [str(row["table"]) for row in rows if row.get("type") in ("ALL", "index") and row.get("table") and row.get("rows", 2)]


async def fill(manager: Manager) -> None:
    """Enough rows that a server does not find reading a table whole the cheaper way."""
    nodes = [await manager.enrol(f"web-{number}") for number in range(3)]
    cpu = {"percent": 5.0, "user": 1.0, "system": 1.0, "idle": 1.0}
    for node in nodes:
        for turn in range(3):
            sample = {"took_ms": 1, "cpu": cpu, "plugins": [{"plugin": "p", "name": "n", "value": 1.0}]}
            line = {"component": "daemon", "level": "warning", "logger": "x", "message": "y"}
            manager.time.now += 1
            first = turn * 200
            await manager.report(
                node, "bulk", *((first + n, "sample" if n % 2 else "log", sample if n % 2 else line) for n in range(1, 201))
            )
            manager.time.now += 60_000
    manager.time.now += 3_600_000
    await manager.services.rollups.work(manager.time())
    await rolled(manager, [node.id for node in nodes])
    await told(manager)


async def rolled(manager: Manager, nodes: Sequence[str]) -> None:
    """A month of hours of each node, of headline figures and of a plugin's value."""
    dialect, now = manager.db.dialect, manager.time()
    counts = [f"{figure}_count" for figure in FIGURES]
    text = f"INSERT INTO node_rollups (node_id, tier, at, {', '.join(counts)}) VALUES (:node_id, :tier, :at{', 1' * len(counts)})"
    plugin = "INSERT INTO node_plugin_rollups (node_id, plugin, name, tier, at, value, value_least, value_most, value_count, unit)"
    plugin += " VALUES (:node_id, 'p', 'n', :tier, :at, 1, 1, 1, 1, '')"
    hours = range(now // COARSE * COARSE - 720 * COARSE, now // COARSE * COARSE - DAY, COARSE)
    rows = [{"node_id": node, "tier": COARSE, "at": at} for node in nodes for at in hours]

    async def work(session: Session) -> None:
        await session.insert_rows(Query("headline", text, dialect), rows)
        await session.insert_rows(Query("plugin", plugin, dialect), rows)

    await manager.db.transaction(work)
    if dialect == "mysql":
        await manager.db.transaction(
            lambda session: session.raw_statement("ANALYZE TABLE node_rollups, node_plugin_rollups, node_plugin_metrics")
        )


async def told(manager: Manager) -> None:
    """What was told to three receivers of 300 alerts each, all but a few long ago, and what is repeated to them."""
    q, now = manager.db.q.deliveries, manager.time()
    shared = {
        "receiver_name": "r",
        "event_kind": "opened",
        "severity": "warning",
        "event": "{}",
        "next_at": now,
        "deadline_at": now,
        "place": 1,
    }
    rows = [
        {"id": f"D{number}", "message_id": f"D{number}", "receiver_id": f"R{number % 3}", "alert_id": f"A{number}", "created_at": now}
        | shared
        for number in range(900)
    ]

    async def work(session: Session) -> None:
        await session.insert_rows(q.insert, rows)
        await session.raw_statement("UPDATE deliveries SET state = 'sent' WHERE id < 'D9'")
        firing = [{"receiver_id": row["receiver_id"], "alert_id": row["alert_id"], "event": "{}", "resolved_at": 0} for row in rows]
        await session.insert_rows(q.insert_firing, firing)

    await manager.db.transaction(work)


async def test_hot_statements_use_an_index(manager: Manager) -> None:
    await fill(manager)
    bad = {}
    for name in HOT:
        whole = [table for table in scanned(await plan(manager, name)) if table not in SMALL]
        if whole:
            bad[name] = whole
    assert bad == {}


async def test_values_of_plugins_are_read_by_their_time(manager: Manager) -> None:
    """Not all that are kept of a node: its key has names before the time."""
    await fill(manager)
    for name in ("metrics.plugin_series", "metrics.plugin_series_by_step"):
        rows = await plan(manager, name)
        assert any("node_plugin_metrics_by_node" in str(row) for row in rows), rows


async def test_a_statement_without_an_index_is_noticed(manager: Manager) -> None:
    assert scanned([{"detail": "SCAN node_metrics"}]) == ["node_metrics"]
    assert scanned([{"table": "node_metrics", "type": "ALL", "rows": 9}]) == ["node_metrics"]
    assert scanned(await plan(manager, "nodes.every_id")) == ["nodes"]


async def test_a_timeline_is_read_by_the_node_and_by_what_is_wanted_of_it(manager: Manager) -> None:
    """Another index would save SQLite's planner a sort, and cost it the commands of all nodes, or all events of one."""
    if manager.db.dialect != "sqlite":
        pytest.skip("a server goes by how many rows there are, and here are few")
    for name, index in (("timeline.commands", "commands_by_node"), ("timeline.events_named", "node_events_by_name")):
        rows = await plan(manager, name)
        assert any(index in str(row["detail"]) for row in rows), (name, rows)
