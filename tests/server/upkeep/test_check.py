"""`db check`: what is wrong with a database is found, named, and told how to mend; a healthy one is let be."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from server import migrate
from server.db import Db, Session
from server.service.audit import Audit
from server.upkeep import check as checking
from server.upkeep.check import check
from server.upkeep.status import status
from tests.conftest import START, Manager


async def names(manager: Manager) -> list[str]:
    return [finding.name for finding in await check(manager.db, manager.services.audit)]


async def do(db: Db, *statements: str) -> None:
    async def work(session: Session) -> None:
        for statement in statements:
            await session.raw_statement(statement)

    await db.transaction(work)


async def test_a_database_in_use_has_nothing_to_mend(manager: Manager) -> None:
    node = await manager.enrol()
    await manager.report(node, "bulk", (1, "log", {"component": "daemon", "level": "warning", "logger": "x", "message": "y"}))
    await manager.services.commands.run(manager.admin, [node.id], "script", {"script": "date"}, "", manager.time())
    assert await check(manager.db, manager.services.audit) == []


async def test_an_empty_database_is_told_to_be_migrated(database_url: str) -> None:
    async with Db(database_url, pool_size=2, pool_idle=1) as db:
        found = await check(db, None)
        assert found[0].mend == "ops-manager db migrate"
        assert not any(done for _, _, done in (await status(db)).migrations)


async def test_what_is_missing_in_the_schema_is_named(database_url: str) -> None:
    async with Db(database_url, pool_size=2, pool_idle=1) as db:
        await migrate.migrate(db, START)
        index = "DROP INDEX commands_by_task" + ("" if db.dialect == "sqlite" else " ON commands")
        await do(db, "DROP TABLE saved_filters", "ALTER TABLE commands DROP COLUMN cpu_ms", index)
        seen = {(finding.name, finding.seen) for finding in await check(db, None)}
        assert seen == {
            ("tables", "saved_filters is missing"),
            ("columns", "commands.cpu_ms is missing"),
            ("indexes", "commands has no index on task_id"),
        }


async def test_rows_of_a_node_that_is_gone_are_found(manager: Manager) -> None:
    node = await manager.enrol()
    await manager.report(node, "bulk", (1, "log", {"component": "daemon", "level": "warning", "logger": "x", "message": "y"}))
    await do(manager.db, "DELETE FROM nodes")
    found = [finding.seen for finding in await check(manager.db, None)]
    assert any(seen.startswith("node_logs has rows of a node_id") for seen in found)


async def test_an_audit_entry_that_was_edited_is_found(manager: Manager) -> None:
    await manager.enrol()
    await do(manager.db, "UPDATE audit_logs SET actor = 'nobody' WHERE id = 2")
    assert await names(manager) == ["audit"]


async def test_a_server_that_is_too_old_is_told(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "OLDEST", dict.fromkeys(checking.OLDEST, (99, 0)))
    assert await names(manager) == ["version"]


async def test_engine_and_collation_of_a_table_made_by_hand_are_found(database_servers: dict[str, str]) -> None:
    from tests.databases import fresh

    for server in database_servers.values():
        with fresh(server) as url:
            async with Db(url, pool_size=2, pool_idle=1) as db:
                await migrate.migrate(db, START)
                await do(
                    db,
                    "ALTER TABLE saved_filters ENGINE=MyISAM",
                    "ALTER TABLE node_notes CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
                )
                assert sorted(finding.name for finding in await check(db, None)) == ["collation", "engine"]


async def test_a_damaged_sqlite_file_is_found(tmp_path: Path) -> None:
    file = tmp_path / "manager.db"
    async with Db(f"sqlite:///{file}") as db:
        await migrate.migrate(db, START)
    connection = sqlite3.connect(file, isolation_level=None)
    rows = [(f"{number:026d}", number, number, number, "x", "y", "z", "w" * 400) for number in range(500)]
    connection.executemany("INSERT INTO node_logs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_node_logs_1'").fetchone()[0]
    connection.close()
    data = bytearray(file.read_bytes())
    data[page * 4096 - 4096 + 8 : page * 4096 - 4096 + 64] = bytes(56)
    file.write_bytes(data)
    async with Db(f"sqlite:///{file}") as db:
        assert "integrity" in [finding.name for finding in await check(db, None)]


async def test_status_counts_what_is_there(manager: Manager) -> None:
    await manager.enrol()
    found = await status(manager.db)
    assert found.version.split()[0] in ("SQLite", "MariaDB", "MySQL")
    assert found.size > 100_000
    assert all(done for _, _, done in found.migrations)
    if manager.db.dialect == "sqlite":
        assert {row["name"]: row["total"] for row in found.tables}["audit_logs"] > 1


async def test_the_chain_is_left_out_where_the_keys_are_not(manager: Manager, tmp_path: Path) -> None:
    await manager.enrol()
    other = Audit(manager.db, b"another key", tmp_path / "none")
    assert [finding.name for finding in await check(manager.db, other)] == ["audit"]
    assert await check(manager.db, None) == []
