"""A backup of the whole database in one file, while managers run: all tables as they are at one moment, for either engine."""

from __future__ import annotations

from pathlib import Path

from host import __version__
from server import migrate
from server.db import Db, Session
from server.errors import OpsError
from server.keys import Keys
from server.upkeep import schema
from server.upkeep.archive import FORMAT, Manifest, Part, Writer, keys_are, sealed

BATCH = 500


async def backup(db: Db, keys: Keys, path: Path, with_keys: bool, now: int) -> Manifest:
    """Write it, read it back, and only then put it in its place. Raises OpsError, and leaves no file then."""
    with Writer(path) as writer:
        async with db.snapshot() as session:
            applied = await _applied(session, db)
            tables = schema.wanted(applied[-1].number)
            there = await schema.present(session, db.dialect)
            if missing := sorted(set(tables) - set(there)):
                raise OpsError(f"the table {missing[0]} is missing; look with: ops-manager db check")
            for name in tables:
                # On MySQL a table that is looked at cannot be changed in its shape until the end.
                await session.raw_rows(f"SELECT 1 FROM {name} LIMIT 1")
            head = await session.row(db.q.audit.head)
            parts = {name: await _table(session, writer, name, table.columns) for name, table in tables.items()}
        files = sorted(keys.folder.iterdir()) if with_keys else []
        manifest = Manifest(
            format=FORMAT,
            product=__version__,
            made_at=now,
            database=db.dialect,
            schema=applied[-1].number,
            migrations=[migration.name for migration in applied],
            audit_entries=head["entries"] if head else 0,
            keys_are=keys_are(keys.seals),
            tables=parts,
            keys={file.name: writer.key(file.name, file.read_bytes()) for file in files if file.suffix != ".new"},
        )
        manifest.seal = sealed(manifest, keys.seals)
        writer.finish(manifest)
    return manifest


async def _applied(session: Session, db: Db) -> list[migrate.Migration]:
    """The migrations that this database has. Raises OpsError unless they are the first of ours, each whole."""
    if not await schema.exists(session, db.dialect):
        raise OpsError("this database is empty: there is nothing to back up")
    known = migrate.load(db.dialect)
    done = {row["number"]: row["done"] for row in await session.rows(db.q.migrations.all)}
    if migrate.RESTORING in done:
        raise OpsError("a restore of this database was not finished; run it again: ops-manager db restore FILE")
    if newer := sorted(set(done) - {migration.number for migration in known}):
        raise OpsError(f"the database has migration {newer[-1]}, this manager knows {known[-1].number}; use the newer manager")
    applied = [migration for migration in known if migration.number in done]
    if not applied or applied != known[: len(applied)] or any(done[m.number] != len(m.statements) for m in applied):
        raise OpsError("a migration was cut off; finish it first: ops-manager db migrate")
    return applied


async def _table(session: Session, writer: Writer, name: str, columns: list[str]) -> Part:
    with writer.table(name, columns) as table:
        async for rows in session.stream(f"SELECT {', '.join(columns)} FROM {name}", BATCH):
            table.write(rows)
    return table.part
