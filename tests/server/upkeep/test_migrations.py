"""A database of every earlier schema is migrated with rows in all of its tables, and the newest manager can read them.

Nothing here names a migration: the next one is covered when its file is there. What a migration changes on purpose stands in CHANGED.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import httpx2
import pytest
from starlette.routing import Route

from server import api, migrate, web
from server.app import web_app
from server.auth import Caller
from server.config import Config
from server.db import Db
from server.keys import open_keys
from server.services import Services, build
from server.upkeep import schema
from server.upkeep.check import check
from tests.conftest import QUICK_HASHER, START
from tests.server.upkeep.rows import fill, read, same

NUMBERS = [migration.number for migration in migrate.load("sqlite")]
CHANGED: dict[tuple[str, str], int] = {}
"""(table, column) → the migration that writes other values into it."""
EMPTIED = {"node_facts": 17}
"""Table → the migration that empties it: the manager makes its rows anew at the start."""

PASSWORD = "a long enough password"
SHELL = Caller("admin", name="test")


@pytest.mark.parametrize("before", NUMBERS[:-1])
async def test_a_filled_database_of_an_earlier_schema_becomes_one_of_the_newest(database_url: str, before: int, tmp_path: Path) -> None:
    if not database_url.startswith("sqlite") and before not in (NUMBERS[0], NUMBERS[-2]):
        pytest.skip("on servers the first and the previous one: each takes seconds")
    async with Db(database_url, pool_size=4, pool_idle=1) as db:
        known = migrate.load(db.dialect)
        earlier = [migration for migration in known if migration.number <= before]
        await db.transaction(lambda session: migrate.apply(session, db, earlier, START))
        tables = {name: table for name, table in schema.wanted(before).items() if name != "audit_head"}
        if before < 3:
            pytest.skip("nobody ever ran a manager without accounts")
        written = await fill(db, tables)
        await migrate.migrate(db, START)
        newest = schema.wanted()
        for name, rows in written.items():
            if before < EMPTIED.get(name, 0):
                continue
            kept = [column for column in tables[name].columns if column in newest[name].columns and (name, column) not in CHANGED]
            assert same(await read(db, name, kept), [{column: row[column] for column in kept} for row in rows]), name
        assert [finding for finding in await check(db, None) if finding.name not in ("orphans", "version")] == []
        await _read_all(db, tmp_path)


async def _read_all(db: Db, folder: Path) -> None:
    """Every GET of the API and every page, of the rows that are there: an answer, whatever it is, but no failure."""
    keys = open_keys(folder / "keys", ["localhost"], START)
    services: Services = build(db, Config(data_dir=folder), keys, lambda: START, QUICK_HASHER)
    await services.index.index_missing()
    await services.people.create(SHELL, "reader", PASSWORD, "admin", START)
    transport = httpx2.ASGITransport(app=web_app(services))
    async with httpx2.AsyncClient(transport=transport, base_url="https://ops.example.com", timeout=20) as http:
        form = {"name": "reader", "password": PASSWORD}
        assert (await http.post("/sign-in", data=form, headers={"Sec-Fetch-Site": "same-origin"})).status_code == 303
        token = await services.people.issue_token("reader", PASSWORD, "test", "127.0.0.1", START)
        good = 0
        for path in _addresses(services):
            headers = {"Authorization": f"Bearer {token.secret}"} if path.startswith("/api") else {}
            answer = await asyncio.wait_for(http.get(path, headers=headers), 20)
            assert answer.status_code < 500, f"{path}: {answer.status_code} {answer.text[:300]}"
            good += answer.status_code == 200
        assert good > 30


def _addresses(services: Services) -> list[str]:
    found = []
    for route in [*api.routes(services), *web.routes(services, dict)]:
        if isinstance(route, Route) and "GET" in (route.methods or ()) and "rest" not in route.path:
            found.append(re.sub(r"\{\w+(:\w+)?\}", f"{0:026d}", route.path))
    return found


def test_both_engines_have_the_same_migrations() -> None:
    names = {dialect: [(m.number, m.name) for m in migrate.load(dialect)] for dialect in ("sqlite", "mysql")}
    assert names["sqlite"] == names["mysql"]
