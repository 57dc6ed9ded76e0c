"""Statements on one connection, of either engine."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import copy_context
from typing import Any, TypeVar

import aiomysql
import pymysql

from server.db_problems import LOCK_WAIT, reason
from server.errors import BadInput
from server.inserts import insert
from server.queries import Query

T = TypeVar("T")
Row = dict[str, Any]
Params = Mapping[str, Any]


class Session:
    """Statements on one connection. SQLite's run in a thread of their own: each is one trip there, not one for its
    cursor, one for its rows and one for its end, which makes up most of a small transaction's time."""

    def __init__(self, raw: Any, dialect: str) -> None:
        self._raw, self._dialect = raw, dialect

    async def execute(self, query: Query, params: Params = {}) -> int:
        """Run it; how many rows it changed (0 after a lost compare-and-set)."""
        text, values = query.bind(params)
        with _storable():
            if self._dialect == "sqlite":
                cursor = await self._raw.execute(text, values)
                return int(cursor.rowcount)
            async with self._cursor() as cursor:
                await cursor.execute(text, values)
                return int(cursor.rowcount)

    async def execute_many(self, query: Query, params: Sequence[Params]) -> None:
        """The same statement for many rows in one go."""
        if not params:
            return
        text, _ = query.bind(params[0])
        with _storable():
            if self._dialect == "sqlite":
                await self._raw.executemany(text, params)
                return
            async with self._cursor() as cursor:
                await cursor.executemany(text, params)

    async def insert_rows(self, query: Query, rows: Sequence[Params]) -> None:
        """An INSERT of one row, done for all of them in as few statements as can be. Raises BadInput when a value of any of
        them does not fit: some may then be there, so the caller's transaction has to end, or see `insert_each`."""
        if not rows:
            return
        many = insert(query.name, query.text)
        with _storable():
            if self._dialect == "sqlite":
                # All of them at one go: between two statements the driver's thread would wait for the event loop, which is
                # reading other reports.
                await self._raw._execute(_run, self._raw._conn, list(many.sqlite(rows)))
                return
            for text in many.mysql(rows):
                await self.raw_statement(text)

    async def rows(self, query: Query, params: Params = {}) -> list[Row]:
        text, values = query.bind(params)
        with _storable():
            if self._dialect == "sqlite":
                return [dict(row) for row in await self._raw.execute_fetchall(text, values)]
            async with self._cursor() as cursor:
                await cursor.execute(text, values)
                names = [column[0] for column in cursor.description]
                return [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]

    async def row(self, query: Query, params: Params = {}) -> Row | None:
        found = await self.rows(query, params)
        return found[0] if found else None

    async def at_one_go(self, work: Callable[[Session], Coroutine[Any, Any, T]]) -> T:
        """`await work(session)`, on SQLite in its thread from beginning to end instead of one trip there for each statement: under load
        each trip waits for an event loop that is busy with others. So `work` may await nothing but the session it is given, and
        touch nothing that others use meanwhile. It goes on to its end when who waits for it does not any more."""
        if self._dialect == "mysql":
            return await work(self)
        within = copy_context()
        direct = Session(_Direct(self._raw._conn), self._dialect)
        return await self._raw._execute(lambda: within.run(_driven, work(direct)))  # type: ignore[no-any-return]

    def discard(self) -> None:
        """Close a MySQL connection whose state nobody knows, so that the pool does not hand it out again."""
        if self._dialect == "mysql":
            self._raw.close()

    async def raw_statement(self, text: str) -> None:
        """A statement of a migration or of this module; no parameters."""
        if self._dialect == "sqlite":
            await self._raw.execute(text)
            return
        async with self._cursor() as cursor:
            await cursor.execute(text)

    async def reshape(self, text: str, patience_s: int) -> bool:
        """A statement of MySQL that changes a table's shape; it commits what was done before. False, and nothing done, when
        others did not let go of the table within `patience_s`."""
        await self.raw_statement(f"SET SESSION lock_wait_timeout = {patience_s}")
        try:
            await self.raw_statement(text)
        except pymysql.err.OperationalError as problem:
            if problem.args[0] != LOCK_WAIT:
                raise
            return False
        finally:
            await self.raw_statement("SET SESSION lock_wait_timeout = DEFAULT")
        return True

    async def raw_rows(self, text: str) -> list[Row]:
        """What a statement of server/upkeep gives, such as one about the schema; no parameters. Names are in small letters."""
        if self._dialect == "sqlite":
            return [{name.lower(): row[name] for name in row.keys()} for row in await self._raw.execute_fetchall(text)]  # noqa: SIM118
        async with self._cursor() as cursor:
            await cursor.execute(text)
            names = [column[0].lower() for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]

    async def stream(self, text: str, size: int) -> AsyncIterator[list[tuple[Any, ...]]]:
        """A table's rows, `size` at a time: more of them are never held here; no parameters."""
        if self._dialect == "sqlite":
            cursor = await self._raw.execute(text)
        else:
            cursor = await self._raw.cursor(aiomysql.SSCursor)
            await cursor.execute(text)
        try:
            while rows := await cursor.fetchmany(size):
                yield [tuple(row) for row in rows]
        finally:
            await cursor.close()

    @asynccontextmanager
    async def _cursor(self) -> AsyncIterator[Any]:
        cursor = await self._raw.cursor()
        try:
            yield cursor
        finally:
            await cursor.close()


def _run(connection: sqlite3.Connection, statements: Sequence[tuple[str, list[Any]]]) -> None:
    for text, values in statements:
        connection.execute(text, values)


class _Direct:
    """SQLite's connection as the driver shows it, for who is in its thread already: nothing in here waits."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._conn = connection

    async def execute(self, text: str, values: Any = ()) -> sqlite3.Cursor:
        return self._conn.execute(text, values)

    async def executemany(self, text: str, values: Any) -> sqlite3.Cursor:
        return self._conn.executemany(text, values)

    async def execute_fetchall(self, text: str, values: Any = ()) -> list[Any]:
        return self._conn.execute(text, values).fetchall()

    async def _execute(self, function: Callable[..., T], *values: Any) -> T:
        return function(*values)


def _driven(work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine that waits for nothing returns."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    work.close()
    raise RuntimeError("it waits for more than its database: not to be run at one go")


@contextmanager
def _storable() -> Iterator[None]:
    """A value that does not fit: the statement did nothing, and the transaction stands."""
    try:
        yield
    except (OverflowError, pymysql.err.DataError, sqlite3.DataError) as problem:
        raise BadInput(f"a value is too large or too long to be stored ({reason(problem)})") from problem
