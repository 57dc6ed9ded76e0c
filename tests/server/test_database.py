"""The database layer on every engine: migrations, queries, transactions."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from server import migrate
from server.db import Db, Session
from server.errors import ConfigError, Conflict
from server.paths import resource
from tests.conftest import START, Manager

CODE = Path(__file__).resolve().parents[2] / "server"


async def test_migrating_twice_changes_nothing(database_url: str) -> None:
    async with Db(database_url) as db:
        assert await migrate.migrate(db, START)
        assert await migrate.migrate(db, START) == []
        assert all(done for _, _, done in await migrate.status(db))


async def test_a_migration_that_was_cut_off_goes_on_where_it_stopped(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = migrate.load("sqlite")
    broken = migrate.Migration(2, wanted[1].name, (*wanted[1].statements[:3], "CREATE NONSENSE"), wanted[1].checksum)
    async with Db(database_url) as db:
        monkeypatch.setattr(migrate, "load", lambda *_: [wanted[0], broken])
        with pytest.raises(Exception, match=r"(?i)nonsense|cannot be written"):
            await migrate.migrate(db, START)
        monkeypatch.undo()
        await migrate.migrate(db, START)
        assert all(done for _, _, done in await migrate.status(db))


async def test_an_edited_migration_stops_the_start(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Db(database_url) as db:
        await migrate.migrate(db, START)
        wanted = migrate.load(db.dialect)
        edited = migrate.Migration(1, wanted[0].name, wanted[0].statements, "0" * 64)
        monkeypatch.setattr(migrate, "load", lambda *_: [edited, *wanted[1:]])
        with pytest.raises(ConfigError, match="0001_nodes was changed"):
            await migrate.migrate(db, START)


async def test_a_database_of_a_newer_manager_is_not_touched(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Db(database_url) as db:
        await migrate.migrate(db, START)
        older = migrate.load(db.dialect)[:-1]
        monkeypatch.setattr(migrate, "load", lambda *_: older)
        with pytest.raises(ConfigError, match="start the newer manager"):
            await migrate.migrate(db, START)


async def test_the_tables_of_the_requirements_are_there(manager: Manager) -> None:
    tables = ["nodes", "node_metrics", "agents", "versions", "update_records", "tasks", "task_executions", "audit_logs"]

    async def work(session: Session) -> None:
        for table in tables:
            await session.raw_statement(f"SELECT * FROM {table} LIMIT 1")

    await manager.db.transaction(work)


async def test_every_query_is_valid_on_this_database(manager: Manager) -> None:
    async def work(session: Session) -> None:
        for query in manager.db.q.all():
            names = set(re.findall(r":(\w+)", query.text))
            lists = set(re.findall(r":(\w+)\*", query.text))
            params = {name: ["1", "2"] if name in lists else 1 for name in names}
            text, values = query.bind(params)
            async with session._cursor() as cursor:
                # EXPLAIN makes the server parse and plan the statement without running it.
                await cursor.execute(f"EXPLAIN {text}", values)

    await manager.db.transaction(work)


def test_every_query_is_used_and_every_used_name_exists() -> None:
    code = "\n".join(file.read_text() for file in CODE.rglob("*.py"))
    for file in sorted((resource("sql") / "queries").glob("*.sql")):
        for name in re.findall(r"^-- name: (\w+)", file.read_text(), re.MULTILINE):
            bare = name.partition("__")[0]
            assert re.search(rf"\.{bare}\b", code), f"{file.name}: {name} is used nowhere"


@pytest.mark.parametrize("at_one_go", [False, True])
async def test_a_transaction_that_fails_leaves_nothing(manager: Manager, at_one_go: bool) -> None:
    async def work(session: Session) -> None:
        await session.execute(manager.db.q.people.set_language, {"id": manager.admin.id, "language": "zh", "now": 1})
        raise Conflict("no")

    with pytest.raises(Conflict):
        await manager.db.transaction(work, at_one_go=at_one_go)
    row = await manager.db.row(manager.db.q.people.user_by_name, {"name": "admin"})
    assert row is not None
    assert row["language"] == ""


async def test_a_transaction_at_one_go_may_wait_for_nothing_but_its_database(manager: Manager) -> None:
    if manager.db.dialect == "mysql":
        pytest.skip("only SQLite's run in a thread")

    async def work(session: Session) -> None:
        await session.execute(manager.db.q.people.set_language, {"id": manager.admin.id, "language": "zh", "now": 1})
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="not to be run at one go"):
        await manager.db.transaction(work, at_one_go=True)
    row = await manager.db.row(manager.db.q.people.user_by_name, {"name": "admin"})
    assert row is not None
    assert row["language"] == ""


@pytest.mark.parametrize("at_one_go", [False, True])
async def test_compare_and_set_is_won_by_exactly_one_of_many(manager: Manager, at_one_go: bool) -> None:
    node = await manager.enrol()

    async def move(session: Session) -> bool:
        return await manager.services.nodes.move(session, node.id, "offline", manager.time())

    won = await asyncio.gather(*(manager.db.transaction(move, at_one_go=at_one_go) for _ in range(10)))
    assert sum(won) == 1


async def test_an_unreachable_database_is_one_clear_line() -> None:
    with pytest.raises(ConfigError, match="check database_url") as caught:
        async with Db("mysql://someone:hunter2@127.0.0.1:9/ops"):
            pass
    assert "hunter2" not in str(caught.value)


async def test_a_missing_mysql_database_is_created(database_servers: dict[str, str]) -> None:
    for url in database_servers.values():
        async with Db(f"{url}/ops_was_missing") as db:
            assert await migrate.migrate(db, START)
            await db.transaction(lambda session: session.raw_statement("DROP DATABASE ops_was_missing"))


@pytest.mark.parametrize("at_one_go", [False, True])
async def test_a_transaction_that_is_cut_off_at_any_point_leaves_the_next_one_free(manager: Manager, at_one_go: bool) -> None:
    async def work(session: Session) -> None:
        await session.execute(manager.db.q.people.delete_expired_sessions, {"now": 0})

    for turns in range(12):
        cut_off = asyncio.create_task(manager.db.transaction(work, at_one_go=at_one_go))
        for _ in range(turns):
            await asyncio.sleep(0)
        cut_off.cancel()
        await asyncio.gather(cut_off, return_exceptions=True)
        await manager.db.transaction(work)


AWKWARD = (
    "plain", "", "it's",
    '"quoted"', "back\\slash", "ends in \\", "' OR 1=1 -- ", "'); DROP TABLE nodes; -- ", "a\0b", "line\nline\r\t", "100 %s %(x)s %",
    ":name ?", "名字 🦉", "naïve", "/* comment */ -- x", '{"json":[1.5,"a:b"]}', "\\'", "x" * 60_000,
)  # fmt: skip


async def test_texts_of_many_rows_come_back_as_they_were_and_end_no_statement(manager: Manager) -> None:
    q, node = manager.db.q, await manager.enrol()
    line = {"node_id": node.id, "at": 5, "epoch": 1, "component": "agent", "level": "ERROR", "logger": "x"}
    rows = [line | {"seq": number, "message": text} for number, text in enumerate(AWKWARD)]
    await manager.db.transaction(lambda session: session.insert_rows(q.reports.log, rows))
    found = (await manager.services.logs.page(node_id=node.id, limit=100)).rows
    assert [row["message"] for row in reversed(found)] == [row["message"] for row in rows]
