"""`ops-manager db …`: the verbs' arguments, and what they print."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from server import app, migrate
from server.config import Config
from server.db import Db, describe, parse_url
from server.errors import OpsError
from server.keys import Keys, open_keys
from server.service.audit import Audit
from server.upkeep import backup as backing
from server.upkeep import restore as restoring
from server.upkeep.alone import refuse_in_use, refuse_missing
from server.upkeep.check import check
from server.upkeep.status import status

WORD = "replace"


def add_to(parser: argparse.ArgumentParser, now: Callable[[], int]) -> None:
    """The verbs, below `db`."""
    parser.set_defaults(now=now)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    verbs.add_parser("migrate", help="bring it up to date").set_defaults(verb=_migrate)
    verbs.add_parser("status", help="what it is, how large, and what is applied").set_defaults(verb=_status)
    verbs.add_parser("check", help="look whether it is as the manager needs it; exit 1 when not").set_defaults(verb=_check)
    backup = verbs.add_parser("backup", help="write all of it into FILE, while managers run")
    backup.add_argument("file", type=Path)
    backup.add_argument("--with-keys", action="store_true", help="the keys too: whoever has the file can then command every host")
    backup.set_defaults(verb=_backup)
    restore = verbs.add_parser("restore", help="put a backup into an empty database, of either kind")
    restore.add_argument("file", type=Path)
    restore.add_argument("--replace", action="store_true", help="into one that is in use, losing all that is in it")
    restore.add_argument("--yes", action="store_true", help="with --replace: do not ask")
    restore.set_defaults(verb=_restore)


async def _migrate(config: Config, options: argparse.Namespace) -> None:
    async with app.database(config) as db:
        applied = await migrate.migrate(db, options.now())
    print("\n".join(f"applied {name}" for name in applied) or "nothing to do: the schema is up to date")


async def _status(config: Config, options: argparse.Namespace) -> None:
    refuse_missing(config.url)
    async with app.database(config, make=False) as db:
        found = await status(db)
    print(f"{found.version}, {_size(found.size)}, {found.address}")
    for row in found.tables:
        size = "" if row["bytes"] is None else f"  {_size(row['bytes'])}"
        print(f"  {row['name']:<24} {row['total']:>14,} rows{size}")
    for number, name, done in found.migrations:
        print(f"{number:04d} {name:<20} {'applied' if done else 'missing'}")
    for number in found.newer:
        print(f"{number:04d} is of a newer manager: start that one")
    if found.restoring:
        print("a restore of this database was not finished; run it again: ops-manager db restore FILE")


async def _check(config: Config, options: argparse.Namespace) -> None:
    refuse_missing(config.url)
    async with app.database(config, make=False) as db:
        keys = _keys(config, options)
        found = await check(db, Audit(db, keys.audit, keys.folder / "audit.checkpoint") if keys else None)
    for finding in found:
        print(f"{finding.name}: {finding.seen}\n    mend: {finding.mend}")
    if keys is None:
        print(f"audit: not looked at, {config.data_dir / 'keys'} has no keys")
    if found:
        raise OpsError(f"{len(found)} findings")
    print("nothing to mend")


async def _backup(config: Config, options: argparse.Namespace) -> None:
    keys = _keys(config, options)
    if keys is None:
        raise OpsError(f"{config.data_dir / 'keys'} has no keys; a backup is sealed with them: run it where the manager runs")
    refuse_missing(config.url)
    async with app.database(config, make=False) as db:
        made = await backing.backup(db, keys, options.file, options.with_keys, options.now())
    rows = sum(part.rows for part in made.tables.values())
    size = _size(options.file.stat().st_size)
    print(f"{options.file}: {rows:,} rows in {len(made.tables)} tables, {size}, schema {made.schema:04d}; read back and good")
    if options.with_keys:
        print("IT HOLDS THE KEYS: whoever can read this file can command every host. Lock it up as the hosts themselves.", file=sys.stderr)
    else:
        print(
            f"the keys are not in it; keep a copy of {config.data_dir / 'keys'} somewhere else: without them it cannot be restored",
            file=sys.stderr,
        )


async def _restore(config: Config, options: argparse.Namespace) -> None:
    refuse_in_use(config.url)
    if options.replace and not options.yes:
        where = describe(parse_url(config.url))
        print(f"All that is in {where} will be lost. Type {WORD} to go on: ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip() != WORD:
            raise OpsError("nothing was changed")
    async with app.database(config) as db:
        done = await restoring.restore(db, config, options.file, options.replace, options.now())
        await _tell(db, config, done)


async def _tell(db: Db, config: Config, done: restoring.Restored) -> None:
    made = done.manifest
    moment = datetime.fromtimestamp(made.made_at / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    print(f"restored {sum(part.rows for part in made.tables.values()):,} rows as of {moment}")
    print("\n".join(f"applied {name}" for name in done.migrated) or "the schema is up to date")
    if done.keys_written:
        print(f"keys written to {config.data_dir / 'keys'}")
    print(
        "Commands that waited then are ended, not delivered, and alerts that waited to be told have failed;\n"
        "sessions and enrolment tokens have ended. What was changed since is as it was:\n"
        "accounts, passwords and API tokens that were disabled or revoked since count again. Look at them: ops-manager user list"
    )


def _keys(config: Config, options: argparse.Namespace) -> Keys | None:
    """Those that are there; none are made here."""
    folder = config.data_dir / "keys"
    return open_keys(folder, config.public_names, options.now()) if folder.is_dir() and any(folder.iterdir()) else None


def _size(size: int) -> str:
    if size < 2**20:
        return f"{-(-size // 2**10):,} KiB"
    return f"{size / 2**30:,.1f} GiB" if size >= 2**30 else f"{size / 2**20:,.1f} MiB"
