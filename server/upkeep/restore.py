"""A backup into an empty database, of either engine: whole, or the database says that it is half and no manager starts on it.

1. Look at the file and at the keys; nothing is changed before all of it is known to be good.
2. Mark the database (`schema_migrations`, number 0), drop what is there, make the schema that the backup has.
3. Put the rows in, some thousand to a transaction; count them.
4. Bring the schema up to date; let go of what must not happen twice (settle.py) and take the mark away, in one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from server import migrate
from server.config import Config
from server.db import Db, Session
from server.errors import BadInput, ConfigError, OpsError
from server.keys import Keys, open_keys, write_private
from server.queries import Query
from server.service.audit import Audit
from server.upkeep import schema
from server.upkeep.alone import IN_USE
from server.upkeep.archive import Manifest, Reader, keys_are, sealed
from server.upkeep.settle import settle

ROWS, BYTES = 5_000, 16 * 1024 * 1024
"""Of one transaction."""


@dataclass(frozen=True)
class Restored:
    manifest: Manifest
    migrated: list[str]
    keys_written: bool


async def restore(db: Db, config: Config, path: Path, replace: bool, now: int) -> Restored:
    """Raises OpsError; the database is untouched until the file and the keys have been found good."""
    with Reader(path) as reader:
        first = _same_migrations(reader.manifest, migrate.load(db.dialect))
        reader.verify()
        await _check_target(db, replace)
        keys, written = _keys(config, reader, now)
        if reader.manifest.seal != sealed(reader.manifest, keys.seals):
            raise OpsError(f"{path}: it was changed after it was made; nothing was changed here; use another backup")
        await _begin(db, now)
        await _rebuild(db, first, now)
        await _fill(db, reader)
        migrated = await _finish(db, keys, reader.manifest, now)
        return Restored(reader.manifest, migrated, written)


def _same_migrations(manifest: Manifest, known: list[migrate.Migration]) -> list[migrate.Migration]:
    names = [migration.name for migration in known]
    if manifest.migrations != names[: len(manifest.migrations)]:
        newer = f"the backup has the schema of a newer manager (migration {manifest.schema})"
        raise OpsError(f"{newer}; start the newer manager and restore there")
    first = known[: len(manifest.migrations)]
    tables = schema.wanted(first[-1].number)
    if {name: part.columns for name, part in manifest.tables.items()} != {name: table.columns for name, table in tables.items()}:
        raise OpsError("the backup's tables are not those of its schema; use another backup")
    return first


def _keys(config: Config, reader: Reader, now: int) -> tuple[Keys, bool]:
    """The keys that the backup belongs to: those that are here, or those in it. True when these were written."""
    folder, inside = config.data_dir / "keys", reader.manifest.keys
    here = folder.is_dir() and any(folder.iterdir())
    if not here and not inside:
        missing = f"{folder} is empty and the backup has no keys, with which its rows are sealed"
        raise OpsError(f"{missing}; put back that folder first, from its own backup")
    if not here:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        for name in inside:
            if Path(name).name != name:
                raise OpsError(f"the backup names a key {name!r}; use another backup")
            write_private(folder / name, reader.key(name))
    keys = open_keys(folder, config.public_names, now)
    if keys_are(keys.seals) != reader.manifest.keys_are:
        raise OpsError(f"{folder}: not the keys of the manager that made the backup; put back those, from their own backup, and try again")
    return keys, not here


async def _check_target(db: Db, replace: bool) -> None:
    async def work(session: Session) -> bool:
        if not await schema.exists(session, db.dialect):
            return False
        if any(row["number"] == migrate.RESTORING for row in await session.rows(db.q.migrations.all)):
            return False  # an earlier restore was cut off: what it left is worth nothing
        there = await schema.present(session, db.dialect)
        return "users" in there and bool(await session.raw_rows("SELECT 1 FROM users LIMIT 1"))

    if await db.transaction(work) and not replace:
        raise OpsError("this database is not empty: restore into an empty one, or give --replace to lose all that is in it")
    if await db.others():
        raise OpsError(IN_USE)


async def _begin(db: Db, now: int) -> None:
    async def work(session: Session) -> None:
        await session.raw_statement(migrate.TABLE)
        if all(row["number"] != migrate.RESTORING for row in await session.rows(db.q.migrations.all)):
            await session.execute(db.q.restore.begin, {"number": migrate.RESTORING, "now": now})

    await db.transaction(work)


async def _rebuild(db: Db, first: list[migrate.Migration], now: int) -> None:
    """The tables of the backup's schema, without a row. What is not ours stays."""

    async def work(session: Session) -> None:
        there = await schema.present(session, db.dialect)
        for view in schema.VIEWS:
            await session.raw_statement(f"DROP VIEW IF EXISTS {view}")
        for name in schema.wanted():
            if name in there:
                await session.raw_statement(f"DROP TABLE {name}")
        await session.execute(db.q.restore.forget_migrations, {"number": migrate.RESTORING})
        await migrate.apply(session, db, first, now)
        for name in schema.wanted(first[-1].number):
            await session.raw_statement(f"DELETE FROM {name}")

    await db.transaction(work)


async def _fill(db: Db, reader: Reader) -> None:
    for name, part in reader.manifest.tables.items():
        values = ", ".join(f":{column}" for column in part.columns)
        insert = Query(f"restore.{name}", f"INSERT INTO {name} ({', '.join(part.columns)}) VALUES ({values})", db.dialect)
        done = 0
        for rows in reader.rows(name, ROWS, BYTES):
            try:
                await db.transaction(lambda session, rows=rows, insert=insert: session.insert_rows(insert, rows))  # type: ignore[misc]
            except BadInput as problem:
                where = f"{name}, rows {done + 1} to {done + len(rows)}"
                raise OpsError(f"{where}: {problem.message}; the restore is not finished") from problem
            done += len(rows)

        async def count(session: Session, name: str = name) -> int:
            return int((await session.raw_rows(f"SELECT COUNT(*) AS total FROM {name}"))[0]["total"])

        if await db.transaction(count) != part.rows:
            raise OpsError(f"{name}: not all of its {part.rows} rows are there; the restore is not finished: run it again")


async def _finish(db: Db, keys: Keys, manifest: Manifest, now: int) -> list[str]:
    audit = Audit(db, keys.audit, keys.folder / "audit.checkpoint")

    async def newest(session: Session) -> list[str]:
        return await migrate.apply(session, db, migrate.load(db.dialect), now)

    async def end(session: Session) -> None:
        await settle(session, db, audit, manifest, now)
        if await session.execute(db.q.restore.end, {"number": migrate.RESTORING}) != 1:
            raise ConfigError("another restore into this database was at work; run it again, alone")

    migrated = await db.transaction(newest)
    await db.transaction(end)
    await audit.begin_checkpoint_anew()
    return migrated
