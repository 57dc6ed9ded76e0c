"""The database. Only this module and those beside it (db_session.py, db_problems.py, db_address.py) know the drivers.

Two engines, one face. `transaction()` is all-or-nothing and repeated as a whole where the database asks for
that (deadlock, lost connection before commit); `read` is for statements outside a transaction.

SQLite: one held connection that writes, under one lock, and one that reads; every task opening its own costs
six times as much, and deferred transactions fail with "database is locked" (tried; LIBRARIES).
MySQL/MariaDB: the pool of `databases`; READ COMMITTED, UTC, strict; waiting for a connection has a limit here,
because the driver has none. Rows are dicts. Row counts are the driver's own: `databases` gives the last row id.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar
from weakref import WeakSet

import aiomysql
import pymysql
from databases import Database
from databases.core import Connection

from server.db_address import describe, parse_url
from server.db_problems import DENIED, NO_DATABASE, RETRY, mend, reason
from server.db_session import Params, Row, Session
from server.errors import ConfigError, Conflict, Unavailable
from server.paths import resource
from server.queries import Queries, Query

T = TypeVar("T")
R = TypeVar("R", contravariant=True)
__all__ = ["PRAGMAS", "Along", "Db", "Params", "Row", "Session", "describe", "parse_url", "reason"]
log = logging.getLogger("server.db")

ACQUIRE_S = 10.0
RETRIES = 5
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000", "cache_size=-16000")
"""SQLite: what is committed is on the disk (FULL)."""

STATEMENTS = 512
"""SQLite: texts that stay prepared; all of sql/queries, and the few lengths of server/inserts.py."""

_MYSQL_SESSION = (
    "SET time_zone = '+00:00'",
    "SET sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
)
_SNAPSHOT = {
    "sqlite": ("BEGIN", "SELECT 1 FROM sqlite_master LIMIT 1"),
    "mysql": ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"),
}


class Along(Protocol[R]):
    """What rides along a transaction: asked in it before the work, and given its result before the commit (service/once.py)."""

    async def before(self, session: Session) -> None: ...

    async def after(self, session: Session, result: R) -> None: ...


class Db:
    """Use as `async with Db(url) as db`. `q` are the queries in this engine's dialect. With `make`, a database that a MySQL server
    lacks is made there, where the account may."""

    def __init__(self, url: str, *, pool_size: int = 20, pool_idle: int = 2, make: bool = True) -> None:
        self.url = parse_url(url)
        self.dialect = "sqlite" if self.url.scheme == "sqlite" else "mysql"
        self.q = Queries(resource("sql") / "queries", self.dialect)
        self._pool, self._make = (pool_idle, pool_size), make
        self._held: list[tuple[Database, Connection]] = []
        self._write_lock = asyncio.Lock()
        self._read_lock = asyncio.Lock()
        self._mysql: Database | None = None
        self._prepared: WeakSet[Any] = WeakSet()

    async def __aenter__(self) -> Db:
        try:
            if self.dialect == "sqlite":
                for _ in ("writer", "reader"):
                    self._held.append(await self._hold())
            else:
                await self._connect_mysql()
        except (OSError, sqlite3.Error, pymysql.err.MySQLError, asyncio.TimeoutError) as problem:
            await self.__aexit__()
            raise ConfigError(f"database {describe(self.url)}: {reason(problem)}; {mend(problem)}") from problem
        return self

    async def __aexit__(self, *_: object) -> None:
        for database, connection in self._held:
            await connection.__aexit__(None, None, None)
            await database.disconnect()
        self._held.clear()
        if self._mysql is not None:
            await self._mysql.disconnect()
            self._mysql = None

    async def _hold(self) -> tuple[Database, Connection]:
        database = Database(self.url, cached_statements=STATEMENTS)
        await database.connect()
        connection = database.connection()
        await connection.__aenter__()
        try:
            connection.raw_connection.row_factory = sqlite3.Row
            session = Session(connection.raw_connection, self.dialect)
            for pragma in PRAGMAS:
                await session.raw_statement(f"PRAGMA {pragma}")
        except BaseException:
            # Its thread would keep the process from ever ending.
            await connection.__aexit__(None, None, None)
            await database.disconnect()
            raise
        return database, connection

    async def _connect_mysql(self) -> None:
        low, high = self._pool
        # The server's notes ("table exists already") come as Python warnings; in strict mode what matters is an error.
        warnings.filterwarnings("ignore", category=pymysql.Warning)
        await self._create_missing()
        self._mysql = Database(self.url, min_size=low, max_size=high, pool_recycle=300, charset="utf8mb4", connect_timeout=10)
        await self._mysql.connect()

    async def _create_missing(self) -> None:
        """Make the database on a server that lacks it."""
        place = {"host": self.url.hostname, "port": self.url.port or 3306, "connect_timeout": 10}
        account = {"user": self.url.username or "root", "password": self.url.password or ""}
        try:
            connection = await aiomysql.connect(**place, **account, db=self.url.database)
        except pymysql.err.OperationalError as problem:
            if problem.args[0] != NO_DATABASE or not self._make:
                raise
            connection = await aiomysql.connect(**place, **account)
            async with connection.cursor() as cursor:
                name = self.url.database.replace("`", "``")
                await cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
        connection.close()

    @asynccontextmanager
    async def _session(self, lock: asyncio.Lock, held: int) -> AsyncIterator[Session]:
        if self.dialect == "sqlite":
            async with lock:
                yield Session(self._held[held][1].raw_connection, self.dialect)
            return
        assert self._mysql is not None
        connection = self._mysql.connection()
        try:
            await asyncio.wait_for(connection.__aenter__(), ACQUIRE_S)
        except asyncio.TimeoutError:
            raise Unavailable("every database connection is busy; try again shortly", retry_after=1.0) from None
        try:
            raw = connection.raw_connection
            session = Session(raw, self.dialect)
            if raw not in self._prepared:
                # Not `init_command`: it takes one statement, and the isolation variable has another name on MariaDB.
                for statement in _MYSQL_SESSION:
                    await session.raw_statement(statement)
                self._prepared.add(raw)
            yield session
        finally:
            await connection.__aexit__(None, None, None)

    def connections(self) -> dict[str, int]:
        """How many connections are open, and how many of them nobody uses now."""
        if self._mysql is None:
            return {"open": len(self._held), "idle": len(self._held) - self._write_lock.locked() - self._read_lock.locked()}
        pool = self._mysql._backend._pool
        return {"open": pool.size, "idle": pool.freesize}

    async def rows(self, query: Query, params: Params = {}) -> list[Row]:
        """All rows of a statement outside a transaction. Must not be called inside one."""

        async def work() -> list[Row]:
            async with self._session(self._read_lock, 1) as session:
                return await session.rows(query, params)

        return await self._again(work, query.name)

    async def row(self, query: Query, params: Params = {}) -> Row | None:
        found = await self.rows(query, params)
        return found[0] if found else None

    async def transaction(self, work: Callable[[Session], Awaitable[T]], along: Along[T] | None = None, at_one_go: bool = False) -> T:
        """`await work(session)` in one transaction, and `along` with it: committed when it returns, undone when it raises.

        `work` may be called again from the start, so it must change nothing but the database.
        Must not be called inside another one. `at_one_go`: as `Session.at_one_go`, its beginning and end with it.
        """

        async def whole(session: Session) -> T:
            try:
                await session.raw_statement("BEGIN IMMEDIATE" if self.dialect == "sqlite" else "START TRANSACTION")
            except asyncio.CancelledError:
                # It begins all the same, in the driver's thread, and left open it would stop every later one.
                await self._undo(session)
                raise
            try:
                if along is not None:
                    await along.before(session)
                result = await work(session)
                if along is not None:
                    await along.after(session, result)
                await session.raw_statement("COMMIT")
                return result
            except BaseException:
                await self._undo(session)
                raise

        async def once() -> T:
            async with self._session(self._write_lock, 0) as session:
                return await (session.at_one_go(whole) if at_one_go else whole(session))

        return await self._again(once, getattr(work, "__qualname__", "transaction"))

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Session]:
        """A connection that sees the database as it is at this moment for as long as it reads, while others write. Raises Unavailable."""
        async with self._session(self._read_lock, 1) as session:
            try:
                for statement in _SNAPSHOT[self.dialect]:
                    await session.raw_statement(statement)
                yield session
            except (sqlite3.DatabaseError, pymysql.err.MySQLError) as problem:
                raise Unavailable(f"the database could not be read to its end: {reason(problem)}", retry_after=1.0) from problem
            finally:
                await self._undo(session)

    async def others(self) -> bool:
        """On MySQL: whether somebody else is connected to this database, as far as this account may see. SQLite: see `upkeep.alone`."""
        if self.dialect == "sqlite":
            return False
        async with self._session(self._read_lock, 1) as session:
            for _ in range(10):  # one that has just hung up is still listed for a moment
                rows = await session.raw_rows("SELECT COUNT(*) AS total FROM information_schema.processlist WHERE db = DATABASE()")
                if int(rows[0]["total"]) <= self.connections()["open"]:
                    return False
                await asyncio.sleep(0.1)
        return True

    async def _undo(self, session: Session) -> None:
        try:
            await session.raw_statement("ROLLBACK")
        except (sqlite3.Error, pymysql.err.MySQLError, OSError, RuntimeError) as problem:
            # The connection is gone, and the transaction with it: what made us roll back is what counts.
            log.warning("rollback failed: %s", reason(problem))
            session.discard()

    async def _again(self, work: Callable[[], Awaitable[T]], name: str) -> T:
        for attempt in range(RETRIES):
            try:
                return await work()
            except pymysql.err.OperationalError as problem:
                if problem.args[0] not in RETRY or attempt == RETRIES - 1:
                    log.error("%s: %s", name, reason(problem))
                    if problem.args[0] in DENIED:
                        why = f"the manager's account may not do this in the database: {reason(problem)}"
                        raise Unavailable(
                            f"{why}; nothing was changed; give it the rights (docs/database.md)", retry_after=60.0
                        ) from problem
                    raise Unavailable("the database did not answer; nothing was changed", retry_after=1.0) from problem
                log.info("%s: %s; again", name, reason(problem))
                await asyncio.sleep(0.01 * 2**attempt)
            except (pymysql.err.IntegrityError, sqlite3.IntegrityError) as problem:
                # Another transaction made the same row first: from the start again, this one will find it.
                if attempt == RETRIES - 1:
                    raise Conflict(f"{name}: it exists already") from problem
            except (pymysql.err.InterfaceError, sqlite3.OperationalError) as problem:
                log.error("%s: %s", name, reason(problem))
                raise Unavailable("the database cannot be written or read now; nothing was changed", retry_after=1.0) from problem
        raise AssertionError("unreachable")
