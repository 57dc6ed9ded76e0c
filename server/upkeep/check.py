"""Whether a database is as the manager needs it. Looks only; each finding has a name, what was seen, and the mend."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass

from server import migrate, partitions
from server.db import Db, Session
from server.service.audit import Audit
from server.upkeep import schema
from server.upkeep.status import version

OLDEST = {"SQLite": (3, 35), "MySQL": (8, 0), "MariaDB": (10, 6)}
"""What the tests run on, and what the statements need."""

COLLATION = "utf8mb4_bin"
PACKET = 8 * 1024 * 1024
"""Bytes that one statement may have: inserts of many rows are cut at 4 MiB, after a row."""

PARENTS = (
    ("command_output", "command_id", "commands"),
    ("command_files", "command_id", "commands"),
    ("file_chunks", "file_id", "files"),
    ("sessions", "user_id", "users"),
    ("api_tokens", "user_id", "users"),
    ("node_group_members", "group_id", "node_groups"),
    ("node_field_values", "field", "node_fields"),
)
"""Table, column, and the table of which it names a row. Beside these, each `node_id` names a node."""

NO_CHILDREN = frozenset({"node_requests"})
"""Tables whose `node_id` may name nobody: a host that was rejected is no node."""


@dataclass(frozen=True)
class Finding:
    name: str
    seen: str
    mend: str


async def check(db: Db, audit: Audit | None) -> list[Finding]:
    """Everything that is not as it should be; `audit` None: without the audit log's chain, since there are no keys."""

    async def work(session: Session) -> list[Finding]:
        found = await _server(session, db.dialect)
        there = await schema.present(session, db.dialect)
        shape = [*await _migrations(session, db), *_shape(there)]
        found += shape
        found += await (_sqlite(session) if db.dialect == "sqlite" else _mysql(session, there))
        return found if "integrity" in _names(found) else found + await _orphans(session, there)

    # Not a transaction that may write: on SQLite nobody could write meanwhile, and ending one on a damaged file fails.
    async with db.snapshot() as session:
        found = await work(session)
    if audit is not None and not _names(found) & {"migrations", "tables", "columns", "restore", "integrity"}:
        found += await _chain(audit)
    return found


def _names(found: list[Finding]) -> set[str]:
    return {finding.name for finding in found}


async def _server(session: Session, dialect: str) -> list[Finding]:
    kind, _, number = (await version(session, dialect)).partition(" ")
    if tuple(int(part) for part in re.findall(r"\d+", number)[:2]) < OLDEST[kind]:
        oldest = ".".join(str(part) for part in OLDEST[kind])
        return [Finding("version", f"{kind} {number} is older than {oldest}", f"move to {kind} {oldest} or newer")]
    return []


async def _migrations(session: Session, db: Db) -> list[Finding]:
    if not await schema.exists(session, db.dialect):
        return [Finding("migrations", "the database is empty", "ops-manager db migrate")]
    rows = {row["number"]: row for row in await session.rows(db.q.migrations.all)}
    found = []
    if rows.pop(migrate.RESTORING, None):
        found.append(Finding("restore", "a restore was not finished", "run it again: ops-manager db restore FILE"))
    for known in migrate.load(db.dialect):
        row, name = rows.pop(known.number, None), f"{known.number:04d}_{known.name}"
        if row is None or row["done"] != len(known.statements):
            found.append(Finding("migrations", f"{name} is {'cut off' if row else 'missing'}", "ops-manager db migrate"))
        elif row["checksum"] != known.checksum:
            found.append(Finding("migrations", f"{name} was changed after it was applied", "restore the file of the version that runs"))
    if rows:
        found.append(Finding("migrations", f"migration {max(rows)} is of a newer manager", "start the newer manager"))
    return found


def _shape(there: schema.Schema) -> list[Finding]:
    found = []
    mend = "put it back, or restore a backup made before it went"
    for name, table in schema.wanted().items():
        if name not in there:
            found.append(Finding("tables", f"{name} is missing", mend))
            continue
        for column in table.columns:
            if column not in there[name].columns:
                found.append(Finding("columns", f"{name}.{column} is missing", mend))
        for index in table.indexes - there[name].indexes:
            found.append(Finding("indexes", f"{name} has no index on {', '.join(index)}", "make it anew, as in sql/migrations"))
    return found


async def _sqlite(session: Session) -> list[Finding]:
    mend = "stop the manager, copy the file, and restore the last backup"
    found = []
    try:
        rows = await session.raw_rows("PRAGMA integrity_check(20)")
        broken = await session.raw_rows("PRAGMA foreign_key_check")
    except sqlite3.DatabaseError as problem:  # too damaged to be looked at
        return [Finding("integrity", str(problem), mend)]
    for row in rows:
        if row["integrity_check"] != "ok":
            found.append(Finding("integrity", row["integrity_check"], mend))
    for row in broken:
        found.append(Finding("integrity", f"row {row['rowid']} of {row['table']} names a row of {row['parent']} that is not there", mend))
    return found


async def _mysql(session: Session, there: schema.Schema) -> list[Finding]:
    found = []
    ours = [name for name in schema.wanted() if name in there]
    for row in await session.raw_rows(_MYSQL_TABLES):
        if row["name"] in ours and row["kind"] != "InnoDB":
            found.append(Finding("engine", f"{row['name']} is {row['kind']}", f"ALTER TABLE {row['name']} ENGINE=InnoDB"))
        if row["name"] in ours and row["sorting"] != COLLATION:
            mend = f"ALTER TABLE {row['name']} CONVERT TO CHARACTER SET utf8mb4 COLLATE {COLLATION}"
            found.append(Finding("collation", f"{row['name']} is {row['sorting']}: names that differ in case count as one", mend))
    settings = (await session.raw_rows("SELECT @@sql_mode AS mode, @@max_allowed_packet AS packet"))[0]
    if "STRICT_TRANS_TABLES" not in settings["mode"]:
        found.append(Finding("sql_mode", "the server does not keep the strict mode that is asked for", "allow it: SET sql_mode"))
    if int(settings["packet"]) < PACKET:
        seen = f"max_allowed_packet is {settings['packet']} bytes"
        found.append(Finding("packet", seen, "set it to 16M or more in the server's configuration"))
    for row in await session.raw_rows(_MYSQL_WHOLE):
        if row["name"] in partitions.TABLES:
            seen = f"{row['name']} is not partitioned by day: old samples are deleted one by one"
            found.append(Finding("partitions", seen, "partition it again, as in docs/database.md"))
    for name in ours:
        for row in await session.raw_rows(f"CHECK TABLE {name}"):
            if row["msg_type"] in ("error", "warning") or (row["msg_type"] == "status" and row["msg_text"] != "OK"):
                found.append(Finding("integrity", f"{name}: {row['msg_text']}", "stop the managers and restore the last backup"))
    return found


async def _orphans(session: Session, there: schema.Schema) -> list[Finding]:
    wanted = schema.wanted()
    pairs = [(name, "node_id", "nodes") for name, t in wanted.items() if "node_id" in t.columns and name not in NO_CHILDREN]
    found = []
    for name, column, parent in (*pairs, *PARENTS):
        key = wanted[parent].columns[0]
        if any(table not in there for table in (name, parent)) or column not in there[name].columns or key not in there[parent].columns:
            continue
        # A name for each row that is not there, not each row: a table may have millions of them.
        lost = f"SELECT {column} FROM {name} WHERE {column} IS NOT NULL AND {column} NOT IN (SELECT {key} FROM {parent})"
        if rows := await session.raw_rows(f"{lost} LIMIT 1"):
            seen = f"{name} has rows of a {column} that is not in {parent}, such as {str(rows[0][column])[:40]!r}"
            mend = f"they cost room only: DELETE FROM {name} WHERE {column} IS NOT NULL AND {column} NOT IN (SELECT {key} FROM {parent})"
            found.append(Finding("orphans", seen, mend))
    return found


async def _chain(audit: Audit) -> list[Finding]:
    broken = await audit.first_broken()
    if broken is None:
        return []
    return [
        Finding("audit", f"entry {broken} is not as it was written, or missing", "compare with an export or a backup; tell who must know")
    ]


_MYSQL_WHOLE = """SELECT table_name AS name FROM information_schema.partitions
WHERE table_schema = DATABASE() AND partition_name IS NULL"""
_MYSQL_TABLES = """SELECT table_name AS name, engine AS kind, table_collation AS sorting FROM information_schema.tables
WHERE table_schema = DATABASE()"""
