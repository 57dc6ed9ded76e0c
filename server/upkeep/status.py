"""What a database is: kind, version, size, and how much is in its largest tables."""

from __future__ import annotations

from dataclasses import dataclass

from server import migrate
from server.db import Db, Row, Session, describe
from server.upkeep import schema

LARGEST = 8


@dataclass(frozen=True)
class Status:
    """`size` in bytes. `tables`: name, rows and, on MySQL, bytes; there rows are the server's own estimate.
    `newer`: numbers of migrations that this manager does not know."""

    address: str
    version: str
    size: int
    tables: list[Row]
    migrations: list[tuple[int, str, bool]]
    newer: list[int]
    restoring: bool


async def version(session: Session, dialect: str) -> str:
    """Kind and version in one word each, such as `MariaDB 10.11.6`."""
    if dialect == "sqlite":
        return "SQLite " + str((await session.raw_rows("SELECT sqlite_version() AS version"))[0]["version"])
    text = str((await session.raw_rows("SELECT VERSION() AS version"))[0]["version"])
    return f"{'MariaDB' if 'mariadb' in text.lower() else 'MySQL'} {text.partition('-')[0]}"


async def status(db: Db) -> Status:
    """Changes nothing, not even an empty database."""

    async def work(session: Session) -> Status:
        done: dict[int, int] = {}
        if await schema.exists(session, db.dialect):
            done = {row["number"]: row["done"] for row in await session.rows(db.q.migrations.all)}
        known = [(m.number, m.name, done.get(m.number) == len(m.statements)) for m in migrate.load(db.dialect)]
        newer = sorted(set(done) - {number for number, _, _ in known} - {migrate.RESTORING})
        size, tables = await (_sqlite if db.dialect == "sqlite" else _mysql)(session)
        tables = sorted(tables, key=lambda row: -row["total"])[:LARGEST]
        return Status(describe(db.url), await version(session, db.dialect), size, tables, known, newer, migrate.RESTORING in done)

    # Counting takes its time: nobody waits for it.
    async with db.snapshot() as session:
        return await work(session)


async def _sqlite(session: Session) -> tuple[int, list[Row]]:
    pages = (await session.raw_rows("PRAGMA page_count"))[0]["page_count"]
    each = (await session.raw_rows("PRAGMA page_size"))[0]["page_size"]
    tables = []
    for name in await schema.present(session, "sqlite"):
        quoted = '"' + name.replace('"', '""') + '"'
        total = (await session.raw_rows(f"SELECT COUNT(*) AS total FROM {quoted}"))[0]["total"]
        tables.append({"name": name, "total": total, "bytes": None})
    return pages * each, tables


async def _mysql(session: Session) -> tuple[int, list[Row]]:
    rows = await session.raw_rows(
        "SELECT table_name AS name, COALESCE(table_rows, 0) AS total, COALESCE(data_length + index_length, 0) AS bytes "
        "FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'"
    )
    tables = [{"name": row["name"], "total": int(row["total"]), "bytes": int(row["bytes"])} for row in rows]
    return sum(row["bytes"] for row in tables), tables
