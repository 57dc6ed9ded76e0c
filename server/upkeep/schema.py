"""The schema: what the migrations make, and what is there. Names of tables and columns in statements come from here only."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

from server import migrate
from server.db import Session

OWN = "schema_migrations"
"""The migrations' own table: no part of the schema."""

VIEWS = ("task_executions",)


@dataclass
class Table:
    """`columns` in their order; `indexes`: the columns of each, the primary key and unique ones too."""

    columns: list[str]
    indexes: set[tuple[str, ...]] = field(default_factory=set)


Schema = dict[str, Table]


def wanted(until: int | None = None) -> Schema:
    """What the migrations up to number `until` make (None: all of them), by making it in memory.

    Tables, columns and indexes have the same names on both engines.
    """
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        for migration in migrate.load("sqlite"):
            if until is None or migration.number <= until:
                for statement in migration.statements:
                    connection.execute(statement)
        found: Schema = {}
        for (name,) in connection.execute(_SQLITE_TABLES).fetchall():
            found[name] = Table([row[1] for row in connection.execute(f"PRAGMA table_info({name})")])
            for index in connection.execute(f"PRAGMA index_list({name})").fetchall():
                found[name].indexes.add(tuple(row[2] for row in connection.execute(f"PRAGMA index_info({index[1]})")))
        return found
    finally:
        connection.close()


async def present(session: Session, dialect: str) -> Schema:
    """What is in the database, whoever made it; without the migrations' own table."""
    if dialect == "sqlite":
        return await _sqlite(session)
    found: Schema = {}
    for row in await session.raw_rows(_MYSQL_TABLES):
        found[row["name"]] = Table([])
    for row in await session.raw_rows(_MYSQL_COLUMNS):
        if row["name"] in found:
            found[row["name"]].columns.append(row["item"])
    indexes: dict[tuple[str, str], list[str]] = {}
    for row in await session.raw_rows(_MYSQL_INDEXES):
        indexes.setdefault((row["name"], row["key_name"]), []).append(row["item"])
    for (table, _), columns in indexes.items():
        found[table].indexes.add(tuple(columns))
    found.pop(OWN, None)
    return found


async def _sqlite(session: Session) -> Schema:
    found: Schema = {}
    for row in await session.raw_rows(_SQLITE_TABLES):
        quoted = '"' + row["name"].replace('"', '""') + '"'
        columns = await session.raw_rows(f"PRAGMA table_info({quoted})")
        table = found[row["name"]] = Table([column["name"] for column in columns])
        # A key of one INTEGER column has no index of its own.
        if key := tuple(column["name"] for column in columns if column["pk"]):
            table.indexes.add(tuple(sorted(key, key=lambda name: next(c["pk"] for c in columns if c["name"] == name))))
        for index in await session.raw_rows(f"PRAGMA index_list({quoted})"):
            name = '"' + index["name"].replace('"', '""') + '"'
            table.indexes.add(tuple(item["name"] for item in await session.raw_rows(f"PRAGMA index_info({name})")))
    found.pop(OWN, None)
    return found


async def exists(session: Session, dialect: str) -> bool:
    """Whether migrations were ever applied here, or a restore was begun."""
    text = _SQLITE_OWN if dialect == "sqlite" else _MYSQL_OWN
    return bool(await session.raw_rows(text))


_SQLITE_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name"
_SQLITE_OWN = f"SELECT name FROM sqlite_master WHERE type = 'table' AND name = '{OWN}'"
_MYSQL_OWN = f"SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = '{OWN}'"
_MYSQL_TABLES = """SELECT table_name AS name FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY table_name"""
_MYSQL_COLUMNS = """SELECT table_name AS name, column_name AS item FROM information_schema.columns
WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position"""
_MYSQL_INDEXES = """SELECT table_name AS name, index_name AS key_name, column_name AS item FROM information_schema.statistics
WHERE table_schema = DATABASE() ORDER BY table_name, index_name, seq_in_index"""
