"""Backup and restore, on and between all engines."""

from __future__ import annotations

import asyncio
import json
import stat
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from host.wire.records import Dropped
from server import app, migrate
from server.config import Config
from server.db import Db, Session
from server.errors import ConfigError, OpsError
from server.keys import open_keys
from server.service.alert_events import AlertEvent
from server.service.receivers import Change
from server.services import Services, build
from server.upkeep import restore as restoring
from server.upkeep import schema
from server.upkeep.backup import backup
from server.upkeep.check import check
from server.upkeep.restore import restore
from tests.conftest import DAY, QUICK_HASHER, START, Manager
from tests.databases import fresh
from tests.server.upkeep.rows import fill, read, same

LATER = START + DAY


@pytest.fixture(params=["sqlite", "mariadb", "mysql"])
def target_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database to restore into, on each engine: with `manager`, each is tried into each."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/restored.db"
        return
    urls: dict[str, str] = request.getfixturevalue("database_servers")
    if request.param not in urls:
        pytest.skip(f"no {request.param} on this machine")
    with fresh(urls[request.param]) as url:
        yield url


@dataclass
class Source:
    """A manager's database and its backup."""

    manager: Manager
    file: Path

    @property
    def config(self) -> Config:
        return self.manager.services.config

    async def backup(self, with_keys: bool = False) -> None:
        await backup(self.manager.db, self.manager.services.keys, self.file, with_keys, self.manager.time())


@pytest.fixture
def source(manager: Manager, tmp_path: Path) -> Source:
    return Source(manager, tmp_path / "ops.backup")


@asynccontextmanager
async def opened(url: str, config: Config) -> AsyncIterator[tuple[Services, Db]]:
    async with Db(url, pool_size=4, pool_idle=1) as db:
        await migrate.migrate(db, LATER)
        yield build(db, config, open_keys(config.data_dir / "keys", ["localhost", "127.0.0.1"], LATER), lambda: LATER, QUICK_HASHER), db


async def test_every_table_with_awkward_values_survives_into_every_engine(source: Source, target_url: str) -> None:
    await source.manager.db.transaction(lambda session: session.raw_statement("DELETE FROM users"))
    written = await fill(source.manager.db, schema.wanted())
    assert len(written) > 35
    await source.backup()
    async with Db(target_url, pool_size=3, pool_idle=1) as db:
        await restore(db, source.config, source.file, False, LATER)
        changed = {"commands", "sessions", "enrolment_tokens", "nodes", "rollup_state", "receiver_health", "audit_head", "audit_logs"}
        for name, rows in written.items():
            found = await read(db, name, list(rows[0]))
            if name not in changed:
                assert same(found, rows), name
        assert len(await read(db, "commands", ["id"])) == 3
        assert await check(db, None) == []


async def test_a_restored_manager_has_its_accounts_and_an_unbroken_audit_log_that_says_so(source: Source, target_url: str) -> None:
    services, manager = source.manager.services, source.manager
    await services.people.create(manager.admin, "ada", "correct horse battery", "admin", manager.time())
    await source.backup()
    for number in range(3):  # what is lost
        await services.people.create(manager.admin, f"bob{number}", "correct horse battery", "viewer", manager.time())
    await services.audit.keep_checkpoint()
    async with Db(target_url, pool_size=3, pool_idle=1) as db:
        await restore(db, source.config, source.file, False, LATER)
    async with opened(target_url, source.config) as (restored, _):
        assert await restored.audit.first_broken() is None
        newest = (await restored.audit.page(1, 0)).rows[0]
        assert newest["action"] == "database.restore"
        assert json.loads(newest["detail"])["known_before"] == json.loads(newest["detail"])["entries"] + 3
        assert await restored.people.sign_in("ada", "correct horse battery", "192.0.2.1", LATER)
        await restored.audit.keep_checkpoint()
        assert await restored.audit.first_broken() is None


async def test_nothing_runs_twice_and_nobody_stays_signed_in(source: Source, target_url: str) -> None:
    services, manager = source.manager.services, source.manager
    node = await manager.enrol()
    token = await services.enrolment.create_token(manager.admin, 1, 100, "", {}, manager.time())
    queued = (await services.commands.run(manager.admin, [node.id], "script", {"script": "date"}, "", manager.time())).commands[node.id]
    session = await services.people.sign_in("admin", manager.password, "192.0.2.8", manager.time())
    await source.backup()
    async with Db(target_url, pool_size=3, pool_idle=1) as db:
        await restore(db, source.config, source.file, False, manager.time() + 1000)
    async with opened(target_url, source.config) as (restored, db):
        assert await restored.commands.mailbox(node.id, [], manager.time() + 1000) == []
        command = await restored.commands.get(queued)
        assert (command["state"], command["body"]) == ("interrupted", "")
        assert "restored from a backup" in command["reason"]
        assert await db.rows(db.q.people.session, {"hash": services.keys.seals.token(session.secret), "now": 0}) == []
        tokens = await read(db, "enrolment_tokens", ["id", "revoked_at"])
        assert token.id in [row["id"] for row in tokens]
        assert all(row["revoked_at"] is not None for row in tokens)


async def test_what_waited_to_be_told_is_not_told_again_and_says_why(source: Source, target_url: str) -> None:
    services, manager = source.manager.services, source.manager
    wanted = Change(name="hook", settings={"url": "https://hooks.example.com/x"})
    receiver, _ = await services.receivers.make(manager.admin, "webhook", wanted, manager.time())
    at = manager.time()
    event = AlertEvent("01E", "01A", "opened", at, "01R", "Disk full", "threshold", "critical", "", "", "", "", None, None, at, 0, "", 1)
    await manager.db.transaction(lambda session: services.deliveries.enqueue(session, [event]))
    await source.backup()
    async with Db(target_url, pool_size=3, pool_idle=1) as db:
        await restore(db, source.config, source.file, False, at + 1000)
    async with opened(target_url, source.config) as (restored, db):
        [row] = (await restored.deliveries.page("", "", 10, 0)).rows
        assert (row["state"], row["finished_at"]) == ("failed", at + 1000)
        assert "restored from a backup" in row["reason"]
        assert await db.rows(db.q.delivery_turns.due, {"now": at + 2000}) == []
        assert (await restored.receivers.get(receiver))["waiting"] == 0


async def test_a_host_that_deleted_what_was_acknowledged_since_goes_on_with_a_tombstone(source: Source, target_url: str) -> None:
    manager = source.manager
    node = await manager.enrol()
    line = {"component": "daemon", "level": "warning", "logger": "x", "message": "y"}
    await manager.report(node, "bulk", (1, "log", line), (2, "log", line))
    await source.backup()
    await manager.report(node, "bulk", (3, "log", line), (4, "log", line))
    async with Db(target_url, pool_size=3, pool_idle=1) as db:
        await restore(db, source.config, source.file, False, manager.time())
    async with opened(target_url, source.config) as (services, db):
        restored = Manager(services, db, manager.time, manager.admin, manager.password)
        assert (await restored.report(node, "bulk", (5, "log", line))).stored == 2
        gap = Dropped(3, "acknowledged once, then missing on the manager")
        answer = await restored.report(node, "bulk", (4, "dropped", {"first": gap.first, "why": gap.why}), (5, "log", line))
        assert answer.stored == 5
        assert len(await read(db, "node_logs", ["seq"])) == 3


async def test_a_node_that_was_away_is_not_retired_for_the_time_since_the_backup(source: Source, tmp_path: Path) -> None:
    manager = source.manager
    node = await manager.enrol()
    await manager.db.transaction(lambda session: manager.services.nodes.move(session, node.id, "offline", manager.time()))
    await source.backup()
    late = manager.time() + 40 * DAY
    async with Db(f"sqlite:///{tmp_path}/restored.db") as db:
        await restore(db, source.config, source.file, False, late)
    async with opened(f"sqlite:///{tmp_path}/restored.db", source.config) as (restored, _):
        assert await restored.nodes.retire_long_gone(30, late + 1000) == 0
        assert await restored.nodes.retire_long_gone(30, late + 31 * DAY) == 1


async def test_a_backup_is_of_one_moment_while_others_write(source: Source, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from server.upkeep import backup as backing

    manager, begun = source.manager, 0
    real = backing._table

    async def slow(*given: object) -> object:
        nonlocal begun
        begun += 1
        # In a task of its own, as another manager would: within one task `databases` gives the same connection.
        other = manager.services.people.create(manager.admin, f"user{begun}", "correct horse battery", "viewer", manager.time())
        await asyncio.create_task(other)
        return await real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(backing, "_table", slow)
    before = len(await read(manager.db, "users", ["id"]))
    await source.backup()
    async with Db(f"sqlite:///{tmp_path}/restored.db") as db:
        await restore(db, source.config, source.file, False, LATER)
        assert len(await read(db, "users", ["id"])) == before
        assert await check(db, None) == []
    assert len(await read(manager.db, "users", ["id"])) == before + begun


async def test_a_file_that_was_damaged_or_changed_is_refused_before_anything_is_touched(source: Source, target_url: str) -> None:
    await source.manager.enrol()
    await source.backup()
    whole = source.file.read_bytes()
    async with Db(target_url, pool_size=3, pool_idle=1) as db:
        for damage in (whole[:-200], whole[: len(whole) // 2], b"", whole[:300] + bytes(40) + whole[340:]):
            source.file.write_bytes(damage)
            with pytest.raises(OpsError, match="use another backup"):
                await restore(db, source.config, source.file, False, LATER)
        source.file.write_bytes(whole)
        _rewrite(source.file, b'"entries"', b'"entries"', manifest={"audit_entries": 0})
        with pytest.raises(OpsError, match="changed after it was made"):
            await restore(db, source.config, source.file, False, LATER)
        assert not await db.transaction(lambda session: schema.exists(session, db.dialect))


async def test_who_changes_a_row_in_the_file_is_found_out(source: Source, tmp_path: Path) -> None:
    await source.backup()
    _rewrite(source.file, b"admin", b"ADMIN")
    async with Db(f"sqlite:///{tmp_path}/restored.db") as db:
        with pytest.raises(OpsError, match="is not as it was written"):
            await restore(db, source.config, source.file, False, LATER)


async def test_a_backup_of_a_newer_manager_is_refused(source: Source, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    await source.backup()
    older = migrate.load("sqlite")[:-1]
    monkeypatch.setattr(migrate, "load", lambda *_: older)
    async with Db(f"sqlite:///{tmp_path}/restored.db") as db:
        with pytest.raises(OpsError, match="start the newer manager"):
            await restore(db, source.config, source.file, False, LATER)
        assert not await db.transaction(lambda session: schema.exists(session, db.dialect))


async def test_a_backup_of_an_older_schema_is_restored_and_migrated(database_url: str, target_url: str, tmp_path: Path) -> None:
    config = Config(data_dir=tmp_path)
    keys = open_keys(tmp_path / "keys", ["localhost"], START)
    async with Db(database_url, pool_size=3, pool_idle=1) as db:
        await db.transaction(lambda session: migrate.apply(session, db, migrate.load(db.dialect)[:-2], START))
        tables = schema.wanted(migrate.load("sqlite")[-3].number)
        written = await fill(db, tables)
        await backup(db, keys, tmp_path / "old.backup", False, START)
    async with Db(target_url, pool_size=3, pool_idle=1) as db:
        done = await restore(db, config, tmp_path / "old.backup", False, LATER)
        assert done.migrated
        assert same(await read(db, "node_metrics", list(written["node_metrics"][0])), written["node_metrics"])
        assert await migrate.migrate(db, LATER) == []


async def test_a_restore_that_was_cut_off_says_so_keeps_the_manager_away_and_can_be_done_again(
    source: Source, target_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await source.manager.enrol()
    await source.backup()
    config = Config(data_dir=source.config.data_dir, database_url=target_url, pool_open=3, pool_idle=1)
    async with Db(target_url, pool_size=3, pool_idle=1) as db:
        for step in ("_rebuild", "_fill", "_finish", "settle"):

            async def dies(*_: object) -> None:
                raise RuntimeError("the power went")

            with monkeypatch.context() as patch:
                patch.setattr(restoring, step, dies)
                with pytest.raises(RuntimeError):
                    await restore(db, source.config, source.file, False, LATER)
            with pytest.raises(ConfigError, match="restore of this database was not finished"):
                await migrate.migrate(db, LATER)
            assert [finding.name for finding in await check(db, None)][:1] == ["restore"]
        with pytest.raises(ConfigError, match="run it again"):
            async with app.opened(config, lambda: LATER):
                pass
        with pytest.raises(OpsError, match="not finished"):
            await backup(db, source.manager.services.keys, source.file.with_name("half"), False, LATER)
        await restore(db, source.config, source.file, False, LATER)
        assert len(await read(db, "nodes", ["id"])) == 1
        assert await check(db, None) == []


async def test_a_database_in_use_is_only_replaced_when_asked(source: Source, target_url: str) -> None:
    await source.backup()
    async with Db(target_url, pool_size=3, pool_idle=1) as db:
        await restore(db, source.config, source.file, False, LATER)
        with pytest.raises(OpsError, match="give --replace"):
            await restore(db, source.config, source.file, False, LATER)
        await restore(db, source.config, source.file, True, LATER)
        assert len(await read(db, "users", ["id"])) == 1


async def test_a_restore_waits_for_no_manager_that_is_connected(source: Source, database_servers: dict[str, str]) -> None:
    await source.backup()
    for server in database_servers.values():
        with fresh(server) as url:
            async with Db(url, pool_size=3, pool_idle=1), Db(url, pool_size=3, pool_idle=1) as db:
                with pytest.raises(OpsError, match="stop every manager"):
                    await restore(db, source.config, source.file, False, LATER)


async def test_keys_are_in_it_only_when_asked_for_and_others_cannot_read_it(source: Source, tmp_path: Path) -> None:
    await source.backup()
    assert stat.S_IMODE(source.file.stat().st_mode) == 0o600
    with zipfile.ZipFile(source.file) as plain:
        assert not [name for name in plain.namelist() if name.startswith("keys/")]
        everything = b"".join(plain.read(name) for name in plain.namelist())
    for secret in ("master.secret", "audit.key"):
        assert (source.config.data_dir / "keys" / secret).read_bytes().strip() not in everything
    elsewhere = Config(data_dir=tmp_path / "elsewhere")
    async with Db(f"sqlite:///{tmp_path}/restored.db") as db:
        with pytest.raises(OpsError, match="put back that folder first"):
            await restore(db, elsewhere, source.file, False, LATER)
        assert not (tmp_path / "elsewhere/keys").exists()
        await source.backup(with_keys=True)
        assert (await restore(db, elsewhere, source.file, False, LATER)).keys_written
    for file in (tmp_path / "elsewhere/keys").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert open_keys(tmp_path / "elsewhere/keys", ["localhost"], LATER).ca_pin == source.manager.services.keys.ca_pin


async def test_keys_of_another_manager_are_refused_and_kept(source: Source, tmp_path: Path) -> None:
    await source.backup(with_keys=True)
    other = open_keys(tmp_path / "other/keys", ["localhost"], LATER)
    async with Db(f"sqlite:///{tmp_path}/restored.db") as db:
        with pytest.raises(OpsError, match="not the keys of the manager"):
            await restore(db, Config(data_dir=tmp_path / "other"), source.file, False, LATER)
    assert open_keys(tmp_path / "other/keys", ["localhost"], LATER).ca_pin == other.ca_pin


async def test_a_backup_that_fails_leaves_the_one_before(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    await source.backup()
    before = source.file.read_bytes()
    from server.upkeep import archive

    monkeypatch.setattr(archive.Reader, "verify", lambda *_: (_ for _ in ()).throw(OpsError("damaged")))
    with pytest.raises(OpsError):
        await source.backup()
    assert source.file.read_bytes() == before
    assert [file.name for file in source.file.parent.iterdir() if file.name.endswith(".new")] == []


async def test_two_backups_at_once_are_both_whole(source: Source) -> None:
    other = Source(source.manager, source.file.with_name("second.backup"))
    await asyncio.gather(source.backup(), other.backup())
    assert source.file.exists()
    assert other.file.exists()


def _rewrite(file: Path, old: bytes, new: bytes, manifest: dict[str, object] | None = None) -> None:
    """The same archive with other bytes in its tables, or other values in its manifest, as a forger would leave it."""
    with zipfile.ZipFile(file) as before:
        parts = {name: before.read(name) for name in before.namelist()}
    with zipfile.ZipFile(file, "w") as after:
        for name, data in parts.items():
            if name == "manifest.json":
                data = json.dumps(json.loads(data) | (manifest or {})).encode()
            after.writestr(name, data.replace(old, new) if name.startswith("tables/") else data)


async def test_a_row_that_does_not_fit_the_other_engine_is_named(
    manager: Manager, tmp_path: Path, database_servers: dict[str, str]
) -> None:
    if manager.db.dialect != "sqlite":
        pytest.skip("only SQLite keeps texts that are longer than their column")

    async def work(session: Session) -> None:
        await session.raw_statement("UPDATE users SET name = '" + "x" * 300 + "'")

    await manager.db.transaction(work)
    await backup(manager.db, manager.services.keys, tmp_path / "long.backup", False, START)
    for server in database_servers.values():
        with fresh(server) as url:
            async with Db(url, pool_size=3, pool_idle=1) as db:
                with pytest.raises(OpsError, match="users, rows 1 to 1: a value is too large"):
                    await restore(db, manager.services.config, tmp_path / "long.backup", False, LATER)
