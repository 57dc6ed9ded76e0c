"""The ledger: every command this host was ever given, keyed by its id, so that none is run twice.

Each method is one transaction, on disk (synchronous=FULL) when it returns, and holds the state change
together with the records that tell it. Commits take well under a millisecond on an SSD, so they run in
the event loop's own thread: there is no moment at which memory and disk disagree. States are changed
by compare-and-set along `host.wire.states.COMMAND`.

Raises sqlite3.Error where the disk is full or broken; then nothing of the transaction has happened.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host.agent.outgoing import SCHEMA as OUTGOING_SCHEMA
from host.agent.outgoing import Outgoing
from host.lib.database import open_database, transaction
from host.lib.errors import AgentError
from host.wire import states
from host.wire.records import Execution

SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS tasks (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', content TEXT,
    accepted_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, started_at INTEGER, ended_at INTEGER,
    pid INTEGER, start_ticks INTEGER, boot_id TEXT, exit_code INTEGER, signal INTEGER,
    stdout_bytes INTEGER NOT NULL DEFAULT 0, stderr_bytes INTEGER NOT NULL DEFAULT 0, truncated INTEGER NOT NULL DEFAULT 0,
    priority INTEGER NOT NULL DEFAULT 0, chunks INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS tasks_by_state ON tasks (state);
"""
    + OUTGOING_SCHEMA
)


@dataclass(frozen=True)
class Entry:
    """One command. `content` is its JSON; it is wiped at the end, as it may hold secrets. Times in UTC milliseconds."""

    id: str
    kind: str
    state: str
    reason: str
    content: str | None
    accepted_at: int
    expires_at: int
    started_at: int | None
    ended_at: int | None
    pid: int | None
    start_ticks: int | None
    boot_id: str | None
    exit_code: int | None
    signal: int | None
    stdout_bytes: int
    stderr_bytes: int
    truncated: bool
    priority: int
    chunks: int


_STORED = {
    "stdout": "UPDATE tasks SET stdout_bytes = ?, chunks = ? WHERE id = ?",
    "stderr": "UPDATE tasks SET stderr_bytes = ?, chunks = ? WHERE id = ?",
}
_ADDED = {"priority": "INTEGER NOT NULL DEFAULT 0", "chunks": "INTEGER NOT NULL DEFAULT 0"}
"""Columns that a ledger of an earlier version lacks."""
Row = tuple[str, int, Any]
"""A record before it has a number: kind, at, body."""


class Ledger:
    """Opens or makes `path`. Raises AgentError D3001 where the file is damaged or not ours to write."""

    def __init__(self, path: Path) -> None:
        try:
            self._connection = open_database(path, SCHEMA)
            with transaction(self._connection) as connection:
                connection.execute("INSERT OR IGNORE INTO meta VALUES ('epoch', ?)", (1 + secrets.randbelow(2**52),))
                known = {row["name"] for row in connection.execute("PRAGMA table_info(tasks)")}
                for name, kind in _ADDED.items():
                    if name not in known:
                        connection.execute(f"ALTER TABLE tasks ADD COLUMN {name} {kind}")
            epoch = int(self._connection.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()[0])
            self.outgoing = Outgoing(self._connection, epoch)
        except (sqlite3.Error, OSError) as problem:
            mend = "mend the disk or its rights; a damaged ledger is to be moved away only when no command is under way"
            raise AgentError("D3001", f"{path}: the ledger cannot be opened ({problem})", mend) from problem

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _telling(self, rows: Iterable[Row]) -> Iterator[sqlite3.Connection]:
        """A transaction that also puts `rows` into the outgoing queue, after what the body does."""
        sizes = []
        with transaction(self._connection) as connection:
            yield connection
            sizes = [self.outgoing.insert(*row) for row in rows]
        self.outgoing.added(len(sizes), sum(sizes))

    def find(self, command_id: str) -> Entry | None:
        row = self._connection.execute("SELECT * FROM tasks WHERE id = ?", (command_id,)).fetchone()
        return _entry(row) if row else None

    def in_state(self, state: str) -> list[Entry]:
        """In the order in which they were accepted."""
        return [_entry(row) for row in self._connection.execute("SELECT * FROM tasks WHERE state = ? ORDER BY rowid", (state,))]

    def accept(self, command_id: str, kind: str, content: str, now: int, expires: int, priority: int = 0, boot: str = "") -> bool:
        """Remember a command for ever after. False: it was known, and nothing has changed.

        With `boot` it is also intended (see `intend`): one commit for what is started at once.
        """
        state, started = (states.STARTED, now) if boot else (states.ACCEPTED, None)
        with transaction(self._connection) as connection:
            sql = """INSERT OR IGNORE INTO tasks (id, kind, state, content, accepted_at, expires_at, priority, started_at, boot_id)
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
            values = (command_id, kind, state, content, now, expires, priority, started, boot or None)
            return connection.execute(sql, values).rowcount == 1

    def intend(self, command_id: str, now: int, boot: str) -> bool:
        """It is about to be started on this boot: from here on it is not started again. False: it is no longer `accepted`."""
        with transaction(self._connection) as connection:
            sql = "UPDATE tasks SET state = ?, started_at = ?, boot_id = ? WHERE id = ? AND state = ?"
            return connection.execute(sql, (states.STARTED, now, boot, command_id, states.ACCEPTED)).rowcount == 1

    def never_began(self, command_id: str) -> bool:
        """An intended command whose keeper was certainly never forked waits again; nobody was told otherwise."""
        with transaction(self._connection) as connection:
            sql = "UPDATE tasks SET state = ?, started_at = NULL, boot_id = NULL WHERE id = ? AND state = ? AND pid IS NULL"
            return connection.execute(sql, (states.ACCEPTED, command_id, states.STARTED)).rowcount == 1

    def spawned(self, command_id: str, at: int, pid: int, ticks: int | None, boot: str) -> None:
        """Its process runs."""
        with self._telling([("execution", at, Execution(command_id, states.STARTED))]) as connection:
            sql = "UPDATE tasks SET started_at = ?, pid = ?, start_ticks = ?, boot_id = ? WHERE id = ?"
            connection.execute(sql, (at, pid, ticks, boot, command_id))

    def tell(self, rows: Iterable[Row]) -> None:
        """Records that change no state: output, log lines. How much output is stored stands with the task as well."""
        rows = list(rows)
        with self._telling(rows) as connection:
            for kind, _, body in rows:
                if kind == "output":
                    size = body.offset + len(body.data) * 3 // 4 - body.data.count("=")
                    connection.execute(_STORED[body.stream], (size, body.chunk + 1, body.command_id))

    def finish(self, end: Execution, at: int, before: Iterable[Row] = ()) -> bool:
        """A final state, told after `before`. False: it had one already, and nothing was told."""
        with transaction(self._connection) as connection:
            if not self._end(connection, end, at):
                return False
            sizes = [self.outgoing.insert(*row) for row in (*before, ("execution", at, end))]
        self.outgoing.added(len(sizes), sum(sizes))
        return True

    def record_cancel(self, command_id: str, now: int, expires: int, end: Execution, canceled: Execution | None) -> bool:
        """A cancel command and what came of it (`end`); `canceled` ends a task that waits, or that has yet to come.

        False: the command was known.
        """
        with transaction(self._connection) as connection:
            sql = "INSERT OR IGNORE INTO tasks (id, kind, state, accepted_at, expires_at, started_at) VALUES (?, 'cancel', ?, ?, ?, ?)"
            if connection.execute(sql, (command_id, states.STARTED, now, expires, now)).rowcount == 0:
                return False
            rows: list[Row] = [("execution", now, Execution(command_id, states.STARTED))]
            if canceled:
                # What has yet to come was signed before this order, so it expires before it.
                sql = "INSERT OR IGNORE INTO tasks (id, kind, state, accepted_at, expires_at) VALUES (?, 'canceled', ?, ?, ?)"
                connection.execute(sql, (canceled.command_id, states.ACCEPTED, now, expires))
            if canceled and self._end(connection, canceled, now):
                rows.append(("execution", now, canceled))
            self._end(connection, end, now)
            rows.append(("execution", now, end))
            sizes = [self.outgoing.insert(*row) for row in rows]
        self.outgoing.added(len(sizes), sum(sizes))
        return True

    def _end(self, connection: sqlite3.Connection, end: Execution, at: int) -> bool:
        row = connection.execute("SELECT state FROM tasks WHERE id = ?", (end.command_id,)).fetchone()
        if row is None or end.state not in states.COMMAND[row["state"]]:
            return False
        sql = """UPDATE tasks SET state = ?, reason = ?, ended_at = ?, exit_code = ?, signal = ?, stdout_bytes = ?,
                 stderr_bytes = ?, truncated = ?, content = NULL WHERE id = ? AND state = ?"""
        values = (end.state, end.reason, at, end.exit_code, end.signal, end.stdout_bytes, end.stderr_bytes, end.truncated)
        return connection.execute(sql, (*values, end.command_id, row["state"])).rowcount == 1

    def prune(self, now: int, keep_ms: int) -> int:
        """Forget what ended longer ago than `keep_ms` and whose signature is no longer valid; how many."""
        with transaction(self._connection) as connection:
            sql = "DELETE FROM tasks WHERE ended_at < ? AND expires_at < ?"
            return connection.execute(sql, (now - keep_ms, now)).rowcount


def _entry(row: sqlite3.Row) -> Entry:
    return Entry(**{**dict(row), "truncated": bool(row["truncated"])})
