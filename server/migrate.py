"""Bring a database to the schema of `sql/migrations/NNNN_what.sql`.

One numbered list, in order, each file's checksum remembered: an edited old file stops the start. One manager
migrates at a time. MySQL cannot undo DDL, so each finished statement is counted: after a crash the next start
goes on with the statement after it. A pair `NNNN_what.mysql.sql` / `.sqlite.sql` is allowed where one text cannot do.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from server.db import Db, Session
from server.errors import ConfigError
from server.partitions import made_by_migration
from server.paths import resource

LOCK_S = 60
DAYS = ":days"
"""In a statement: a partition for each day about the time of the migration."""

RESTORING = 0
"""The number of a row of `schema_migrations` that is there while a backup is being restored: no manager starts on half of one."""


@dataclass(frozen=True)
class Migration:
    number: int
    name: str
    statements: tuple[str, ...]
    checksum: str


def load(dialect: str, folder: Path | None = None) -> list[Migration]:
    """The migrations for this engine, ascending. Raises ConfigError on doubles."""
    found: list[Migration] = []
    for file in sorted((folder or resource("sql") / "migrations").glob("*.sql")):
        parts = file.name.split(".")
        if len(parts) == 3 and parts[1] != dialect:
            continue
        text = file.read_text(encoding="utf-8")
        code = re.sub(r"^\s*--.*$", "", text, flags=re.MULTILINE)
        statements = tuple(part.strip() for part in code.split(";") if part.strip())
        number, _, name = parts[0].partition("_")
        found.append(Migration(int(number), name, statements, hashlib.sha256(text.encode()).hexdigest()))
    if [m.number for m in found] != sorted({m.number for m in found}):
        raise ConfigError("sql/migrations: two files have the same number")
    return found


async def migrate(db: Db, now: int) -> list[str]:
    """Apply what is missing; the names of what was applied. Raises ConfigError when the database is not ours or newer."""
    wanted = load(db.dialect)

    async def work(session: Session) -> list[str]:
        await _lock(session, db.dialect)
        try:
            await refuse_half(session, db)
            return await apply(session, db, wanted, now)
        finally:
            await _unlock(session, db.dialect)

    return await db.transaction(work)


async def status(db: Db) -> list[tuple[int, str, bool]]:
    """(number, name, applied) of every migration of this version."""
    wanted = load(db.dialect)

    async def work(session: Session) -> dict[int, int]:
        await session.raw_statement(TABLE)
        return {row["number"]: row["done"] for row in await session.rows(db.q.migrations.all)}

    done = await db.transaction(work)
    return [(m.number, m.name, done.get(m.number, 0) == len(m.statements)) for m in wanted]


TABLE = (
    "CREATE TABLE IF NOT EXISTS schema_migrations (number INT NOT NULL PRIMARY KEY, name VARCHAR(64) NOT NULL, "
    "checksum CHAR(64) NOT NULL, done INT NOT NULL, applied_at BIGINT NOT NULL)"
)


async def refuse_half(session: Session, db: Db) -> None:
    """Raises ConfigError when a backup was being restored into this database and that was cut off."""
    await session.raw_statement(TABLE)
    if any(row["number"] == RESTORING for row in await session.rows(db.q.migrations.all)):
        raise ConfigError("a restore of this database was not finished; run it again: ops-manager db restore FILE")


async def apply(session: Session, db: Db, wanted: list[Migration], now: int) -> list[str]:
    """Apply those of `wanted` that are missing, under the caller's lock; `wanted` begins with the first."""
    q = db.q.migrations
    await session.raw_statement(TABLE)
    known = {row["number"]: row for row in await session.rows(q.all) if row["number"] != RESTORING}
    newer = sorted(set(known) - {m.number for m in wanted})
    if newer:
        raise ConfigError(f"the database has migration {newer[-1]}, this manager knows {wanted[-1].number}; start the newer manager")
    applied: list[str] = []
    for migration in wanted:
        row = known.get(migration.number)
        if row and row["checksum"] != migration.checksum:
            raise ConfigError(f"migration {migration.number:04d}_{migration.name} was changed after it was applied; restore the file")
        if row is None:
            params = {"number": migration.number, "name": migration.name, "checksum": migration.checksum, "now": now}
            await session.execute(q.begin, params)
        done = row["done"] if row else 0
        for position, statement in enumerate(migration.statements[done:], start=done + 1):
            await session.raw_statement(_native(statement, db.dialect, now))
            await session.execute(q.progress, {"number": migration.number, "done": position})
        if done < len(migration.statements):
            applied.append(f"{migration.number:04d}_{migration.name}")
    return applied


def _native(statement: str, dialect: str, now: int) -> str:
    if DAYS in statement:
        return statement.replace(DAYS, made_by_migration(now))
    if dialect == "mysql" and statement.upper().startswith("CREATE TABLE"):
        return f"{statement} ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
    return statement


async def _lock(session: Session, dialect: str) -> None:
    # On SQLite the transaction's own write lock is enough. MySQL commits at each DDL, so it needs a named one.
    if dialect == "mysql":
        await session.raw_statement(f"DO GET_LOCK('ops_scaffold_migrate', {LOCK_S})")


async def _unlock(session: Session, dialect: str) -> None:
    if dialect == "mysql":
        await session.raw_statement("DO RELEASE_LOCK('ops_scaffold_migrate')")
