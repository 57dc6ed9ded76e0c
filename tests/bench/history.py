"""Thirty days of the life of a fleet, written straight into the tables beside a manager that rests.

Rows are such as the product writes: samples and roll-ups (figures.py), log lines, events, changes of state, commands with output, audit
entries in their chain, alerts that are over with what happened to them, and what was told to whom.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from host.wire.codec import plain
from host.wire.schema import of
from host.wire.tasks import KINDS
from server.alerting.rules import SEVERITIES
from server.ids import new_id
from server.keys import open_keys
from server.service.alert_events import OPENED, RESOLVED, AlertEvent, row_of
from server.service.audit import Audit
from tests.bench import figures
from tests.bench.figures import DAY, DAYS, HOUR, MINUTE
from tests.bench.raw import Raw

Row = dict[str, Any]


@dataclass(frozen=True)
class Amounts:
    """`samples`: of all nodes together; the last day has one a minute, what is left is spread over the days before. Others: each node,
    but `audit` and `alerts`, which count for all."""

    samples: int
    fine_days: int = DAYS
    logs: int = 100
    states: int = 60
    events: int = 30
    commands: int = 20
    audit: int = 20_000
    alerts: int = 15_000


def fill(url: str, keys: Path, nodes: Sequence[tuple[str, str]], rules: Sequence[Row], receivers: Sequence[Row], amounts: Amounts) -> Row:
    """`nodes`: id and name; `rules` and `receivers` with `id`, `name`, `kind`. No manager may run. What was written, and how fast."""
    now = time.time_ns() // 1_000_000 // (5 * MINUTE) * (5 * MINUTE)
    dice = random.Random(7)
    with closing(Raw(url)) as raw:
        begun = time.perf_counter()
        written = figures.fill(raw, [node_id for node_id, _ in nodes], now, amounts.samples, amounts.fine_days)
        passed = time.perf_counter() - begun
        rows = sum(written.values())
        written |= _told(raw, nodes, now, dice, amounts)
        written |= _commands(raw, nodes, now, dice, amounts)
        written |= {"audit": _audit(raw, keys, now, dice, amounts.audit)}
        written |= _alerts(raw, nodes, rules, receivers, now, dice, amounts.alerts)
        raw.run(f"UPDATE rollup_state SET done_until = {now - 5 * MINUTE}, fleet_until = {now - 5 * MINUTE}, leased_until = 0")
        raw.run(f"UPDATE rollup_state SET details_until = {now // HOUR * HOUR}, details_node = '', details_since = 0")
        if not raw.sqlite:  # what MariaDB and MySQL do by themselves in time; nobody does it on SQLite
            raw.run("ANALYZE TABLE node_metrics, node_rollups, node_detail_rollups, node_logs, commands, alerts, alert_events")
            raw.run("ANALYZE TABLE deliveries, delivery_attempts")
    return {"rows": written, "figures_rows_s": round(rows / passed), "filled_s": round(time.perf_counter() - begun)}


def _told(raw: Raw, nodes: Sequence[tuple[str, str]], now: int, dice: random.Random, amounts: Amounts) -> dict[str, int]:
    """What hosts told of themselves, and how they came and went."""
    times = _times(now, dice)
    kinds = json.dumps([plain(of(cls)) for cls in KINDS.values()])
    levels = ("WARNING", "WARNING", "ERROR")
    words = ("no space left on device", "connection refused by 10.0.0.7:5432", "certificate has expired", "timed out after 20 s")
    logs = (
        {
            "node_id": node_id, "at": times(), "epoch": 1, "seq": 10_000_000 + n, "component": "agent" if n % 2 else "daemon",
            "level": dice.choice(levels), "logger": "tasks", "message": f"{name}: {dice.choice(words)}, try {n}",
        }
        for node_id, name in nodes
        for n in range(amounts.logs)
    )  # fmt: skip
    states = (
        {"id": new_id(at), "node_id": node_id, "at": at, "state": "offline" if n % 2 else "online"}
        for node_id, _ in nodes
        for n, at in enumerate(sorted(times() for _ in range(amounts.states)))
    )
    events = (
        {"node_id": node_id, "at": times(), "lane": "urgent", "epoch": 1, "seq": 10_000_000 + n, "name": "agent started", "detail": "{}"}
        for node_id, _ in nodes
        for n in range(amounts.events)
    )
    updates = (
        {
            "id": new_id(at), "node_id": node_id, "component": "agent", "from_version": "0.0.9", "to_version": "0.1.0",
            "state": "succeeded", "started_at": at, "finished_at": at + MINUTE,
        }
        for node_id, _ in nodes
        for at in (times(), times())
    )  # fmt: skip
    told = ({"node_id": node_id, "kinds": kinds, "hash": "k" * 64, "refused": "{}", "told_at": now - DAY} for node_id, _ in nodes)
    notes = (
        {"id": new_id(at), "node_id": node_id, "text": f"moved to rack {at % 40}", "author": "admin", "created_at": at}
        for node_id, _ in nodes
        for at in (times(), times())
    )
    configuration = "daemon:\n  log_level: info\ncollect:\n  cpu: 60\n  memory: 60\n  disk: 60\n" * 20
    health = {"started": now - 3 * DAY, "address": "127.0.0.1", "outbox_records": 0, "outbox_bytes": 0, "clock_ahead_ms": 12}
    health |= {"certificate_not_after": now + 89 * DAY, "log_level": "info", "memory_bytes": 25_000_000, "cpu_percent": 0.1, "dropped": 0}
    daemons = (
        {"node_id": node_id, "health": json.dumps(health), "health_at": now, "configuration": configuration, "configuration_hash": "c" * 64}
        | {"configuration_note": "", "configuration_at": now - DAY, "outbox_records": 0, "outbox_oldest": None, "clock_ahead_ms": 12}
        for node_id, _ in nodes
    )
    raw.run("DELETE FROM daemons")
    raw.run("DELETE FROM node_kinds")
    tables = {
        "node_logs": logs,
        "node_states": states,
        "node_events": events,
        "update_records": updates,
        "node_kinds": told,
        "daemons": daemons,
        "node_notes": notes,
    }
    return {table: raw.put(table, rows) for table, rows in tables.items()}


def _commands(raw: Raw, nodes: Sequence[tuple[str, str]], now: int, dice: random.Random, amounts: Amounts) -> dict[str, int]:
    """Tasks of fifty nodes each, with their commands and what they wrote."""
    times, tasks, commands, output = _times(now, dice), [], [], []
    for number in range(len(nodes) * amounts.commands // 50):
        at = times()
        script = {"script": f"df -h /srv/data && uptime # {number}", "interpreter": "shell"}
        task = {"id": new_id(at), "name": f"Room on the disks {number}", "type": "script", "content": json.dumps(script), "withheld": "[]"}
        tasks.append(task | {"state": "active", "created_by": "admin", "created_at": at})
        for node_id, name in dice.sample(list(nodes), min(50, len(nodes))):
            failed = dice.random() < 0.1
            row: Row = {"id": new_id(at), "node_id": node_id, "task_id": task["id"], "target_id": None, "kind": "script", "method": "POST"}
            row |= {"path": "/agent/v1/tasks/x/script", "body": "", "headers": "", "state": "failed" if failed else "succeeded"}
            row |= {
                "reason": "exit code 1" if failed else "",
                "queued_at": at,
                "expires_at": at + HOUR,
                "deadline_at": at + HOUR,
                "waits": 0,
            }
            row |= {"handed_at": at + 20, "accepted_at": at + 40, "started_at": at + 60, "finished_at": at + 900, "exit_code": int(failed)}
            commands.append(row | {"stdout_bytes": 600, "stderr_bytes": 0, "output_bytes": 600, "truncated": 0, "created_by": "admin"})
            text = (f"{name} /dev/vda1 40G 22G 18G 55% /srv/data\n" * 12).encode()
            output.append({"command_id": row["id"], "chunk": 0, "stream": "stdout", "start_offset": 0, "at": at + 900, "data": text})
    return {table: raw.put(table, rows) for table, rows in (("tasks", tasks), ("commands", commands), ("command_output", output))}


def _audit(raw: Raw, keys: Path, now: int, dice: random.Random, count: int) -> int:
    """Entries after those that are there, in the chain that `audit verify` goes through."""
    chain = Audit(None, open_keys(keys, ["localhost"], now).audit, keys / "none")  # type: ignore[arg-type]
    last, digest = int(raw.one("SELECT entries FROM audit_head")), str(raw.one("SELECT hash FROM audit_head"))
    times, entries = _times(now, dice), []
    for number, at in enumerate(sorted(times() for _ in range(count)), last + 1):
        entry = {
            "id": number,
            "created_at": at,
            "user_id": "admin",
            "actor": "admin",
            "action": "command.run",
            "resource": f"task {number}",
        }
        entry |= {"detail": json.dumps({"name": "Room on the disks", "nodes": 50}), "ip": "192.0.2.7"}
        digest = chain._hash(digest, entry)
        entries.append(entry | {"hash": digest})
    raw.put("audit_logs", entries)
    raw.run(f"UPDATE audit_head SET entries = {last + count}, hash = '{digest}'")
    return count


def _alerts(
    raw: Raw, nodes: Sequence[tuple[str, str]], rules: Sequence[Row], receivers: Sequence[Row], now: int, dice: random.Random, count: int
) -> dict[str, int]:
    """Alerts that are over, each opened and resolved, and told to every receiver."""
    times = _times(now, dice)
    alerts, events, deliveries, attempts = [], [], [], []
    for _ in range(count):
        (node_id, name), rule, opened = dice.choice(nodes), dice.choice(rules), times()
        over = min(opened + dice.randrange(MINUTE, 6 * HOUR), now - MINUTE)
        alert, severity = new_id(opened), dice.choice(SEVERITIES)
        summary = f"{name}: {rule['name']}: 97.2 % is above 90 %"
        shared: Row = {
            "rule_id": rule["id"],
            "rule_name": rule["name"],
            "rule_kind": rule["kind"],
            "severity": severity,
            "node_id": node_id,
        }
        shared |= {"node_name": name, "subject": "", "summary": summary, "value": 97.2, "threshold": 90.0, "opened_at": opened}
        row: Row = {"id": alert, "open_key": None, "metric": "cpu_usage", "state": "resolved", "silent": 0, "flapping": 0, "silenced": 0}
        row |= {"told_at": opened, "reminded_at": opened, "acknowledged_at": 0, "acknowledged_by": "", "comment": "", "resolved_at": over}
        row |= {"resolved_why": "the figure is good again", "group_id": "", "command_state": "", "command_task": "", "command_note": ""}
        alerts.append(shared | row | {"command_at": 0})
        for place, (kind, at) in enumerate(((OPENED, opened), (RESOLVED, over)), 1):
            event = AlertEvent(id=new_id(at), alert_id=alert, kind=kind, at=at, resolved_at=over, group_id="", count=1, **shared)
            told = row_of(event, True)
            told["alert_count"] = told.pop("count")
            events.append(told)
            for receiver in receivers:
                one = new_id(at)
                sent: Row = {"id": one, "receiver_id": receiver["id"], "receiver_name": receiver["name"], "alert_id": alert, "place": place}
                sent |= {"event_kind": kind, "severity": severity, "event": json.dumps(asdict(event)), "message_id": one, "state": "sent"}
                sent |= {"reason": "", "attempts": 1, "created_at": at, "next_at": at, "deadline_at": at + DAY, "finished_at": at + 80}
                deliveries.append(sent)
                attempts.append(
                    {"message_id": one, "id": new_id(at), "begun_at": at, "took_ms": 80, "status": 200, "good": 1, "answer": "ok"}
                )
    tables = (("alerts", alerts), ("alert_events", events), ("deliveries", deliveries), ("delivery_attempts", attempts))
    return {table: raw.put(table, rows) for table, rows in tables}


def _times(now: int, dice: random.Random) -> Callable[[], int]:
    """A time of the last thirty days each time it is asked."""
    return lambda: now - HOUR - dice.randrange((DAYS - 1) * DAY)
