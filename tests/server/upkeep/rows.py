"""Rows for every table, whichever there are: what columns are called and what they hold says what goes in."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from host.wire.messages import Facts
from server.db import Db, Row, Session
from server.queries import Query
from server.service.alert_events import AlertEvent
from server.upkeep import schema

AWKWARD = "naïve 名字 🦉 'quoted' \"twice\" %s :name \\ \x01\n; DROP TABLE nodes"
LARGE = 2**63 - 1
EACH = 3
_WORDS = {
    "role": ("viewer",) * 3,
    "kind": ("business", "region", "environment"),
    "lane": ("bulk", "urgent", "bulk"),
    "type": ("text",) * 3,
    "direction": ("read",) * 3,
    "stream": ("stdout",) * 3,
    "severity": ("info", "warning", "critical"),
    "min_severity": ("info", "warning", "critical"),
    "rule_kind": ("metric",) * 3,
    "command_state": ("",) * 3,
    "comparison": ("above",) * 3,
    "event_kinds": ('["opened"]',) * 3,
    "event_kind": ("opened",) * 3,
    "zone": ("UTC", "host", "Europe/Berlin"),
    "metric": ("cpu_usage", "memory_usage", "disk_usage"),
}
_STATES = {
    "nodes": "offline",
    "node_states": "online",
    "commands": "succeeded",
    "files": "ready",
    "agents": "running",
    "alerts": "open",
    "alert_watches": "firing",
    "deliveries": "failed",
}
"""Table → a state that its rows may have; others have none that is known here."""

_KINDS = {"alert_rules": "metric", "alert_events": "opened", "receivers": "webhook"}
"""Table → a kind that its rows may have, where it is none of _WORDS."""

_EVENT = AlertEvent(*("e", "a", "opened", 1, "r", AWKWARD, "metric", "warning", "n", "web-1", "", AWKWARD, 91.0, 90.0, 1, 0, "", 1))

_JSON: dict[str, object] = {
    "tags": {"owner": AWKWARD},
    "facts": asdict(Facts("web-1", ["192.0.2.1"])),
    "fingerprint": {"machine_id": AWKWARD},
    "headers": {},
    "kinds": [],
    "refused": {},
    "result": {"rows": [1]},
    "withheld": [],
    "choices": [],
    "health": {},
    "content": {"script": AWKWARD},
    "event": asdict(_EVENT),
    "settings": {"url": "https://hooks.example.com/", "ca": "", "burst": 10},
    "secrets": {},
    "schedule": {"start": "2026-11-28T02:00", "minutes": 120},
}
"""Columns of text that services read as JSON."""


async def types(session: Session, dialect: str, table: str) -> dict[str, tuple[str, bool]]:
    """Column → its type as the migrations wrote it, and whether it may be NULL."""
    if dialect == "sqlite":
        return {row["name"]: (row["type"].lower(), not row["notnull"]) for row in await session.raw_rows(f"PRAGMA table_info({table})")}
    text = (
        "SELECT column_name AS name, column_type AS type, is_nullable AS nullable FROM information_schema.columns "
        f"WHERE table_schema = DATABASE() AND table_name = '{table}'"
    )
    return {row["name"]: (_text(row["type"]).lower(), row["nullable"] == "YES") for row in await session.raw_rows(text)}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def value(table: str, column: str, kind: str, nullable: bool, number: int) -> Any:
    """The value of that column in row `number` (from 0); ids of row n agree in all tables."""
    if nullable and number == 1:
        return None
    length = int(kind.partition("(")[2].rstrip(")").partition(")")[0] or 0) if "char" in kind else 0
    if "blob" in kind:
        return bytes(range(256)) + b"\n\x00" + bytes([number])
    if "double" in kind:
        return (0.1 + number, -1e300, 5e-324)[number % 3]
    if "bigint" in kind and column == "id":
        return number + 1
    if "bigint" in kind:
        return LARGE - number if column in ("memory_usage", "memory") else 1_700_000_000_000 + number
    if "int" in kind:
        return number + 1
    if column == "state":
        return _STATES.get(table, "active")
    if column == "kind" and table in _KINDS:
        return _KINDS[table]
    if column in _WORDS:
        return _WORDS[column][number]
    if column == "detail" and table == "node_metrics":
        return json.dumps({"took_ms": 1.5, "load": [0.5, 0.4, 0.3]})
    if column == "detail" and table == "node_detail_rollups":
        return json.dumps({"mounts": {AWKWARD: [0.1, 0.0, 0.2, 60]}})
    if column == "detail" and table == "audit_logs":
        return "{}"
    if column in _JSON and not length:
        return json.dumps(_JSON[column], ensure_ascii=False)
    if length in (26, 64, 32) and "varchar" not in kind:
        return f"{number:0{length}d}"
    return (AWKWARD + str(number))[-length:].strip() if length else f"{AWKWARD}{number}" * 20


async def fill(db: Db, tables: schema.Schema) -> dict[str, list[Row]]:
    """EACH rows into every one of these tables that is empty; the rows."""
    written: dict[str, list[Row]] = {}

    async def work(session: Session) -> None:
        for name, table in tables.items():
            kinds = await types(session, db.dialect, name)
            if await session.raw_rows(f"SELECT 1 FROM {name} LIMIT 1"):
                continue  # the migrations' own rows
            rows = [{c: value(name, c, *kinds[c], number) for c in table.columns} for number in range(EACH)]
            values = ", ".join(f":{column}" for column in table.columns)
            await session.insert_rows(Query(name, f"INSERT INTO {name} ({', '.join(table.columns)}) VALUES ({values})", db.dialect), rows)
            written[name] = rows
        await session.raw_statement(f"UPDATE audit_head SET entries = {EACH}")

    await db.transaction(work)
    return written


async def read(db: Db, table: str, columns: list[str]) -> list[Row]:
    async def work(session: Session) -> list[Row]:
        return await session.raw_rows(f"SELECT {', '.join(columns)} FROM {table}")

    return await db.transaction(work)


def same(rows: list[Row], others: list[Row]) -> bool:
    return sorted(map(repr, rows)) == sorted(map(repr, others))
