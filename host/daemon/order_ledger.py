"""Which orders this daemon was ever given, and how they stand: at most once, whatever is killed when (D3, D5).

A table of its own in the outbox's file, so that a state and the record that tells it are one transaction.
States follow `host.wire.states.COMMAND` and change by compare-and-set.
"""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from host.daemon.outbox import Outbox
from host.wire import states
from host.wire.records import Execution, Output

SCHEMA = """CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY, verb TEXT NOT NULL, body TEXT, state TEXT NOT NULL, at INTEGER NOT NULL, expires INTEGER NOT NULL,
    chunks INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0)"""

KEEP_MS = 7 * 86_400_000
"""How long an order that has ended is remembered; never shorter than its signature is good for."""

CHUNK_BYTES = 48 * 1024
"""Bytes of one output record: 64 KiB as base64, so that one fits a report with room to spare."""


@dataclass(frozen=True)
class Entry:
    """An order that was taken and has not ended. `body` is its JSON."""

    id: str
    verb: str
    body: str
    state: str
    expires: int


class OrderLedger:
    """Raises sqlite3.Error where the disk is full or broken; then nothing has happened."""

    def __init__(self, outbox: Outbox, now: int) -> None:
        self._outbox = outbox
        with self._together(now) as (db, _):
            db.execute("DELETE FROM orders WHERE body IS NULL AND at < ? AND expires < ?", (now - KEEP_MS, now))

    @contextmanager
    def _together(self, now: int) -> Iterator[tuple[sqlite3.Connection, Callable[[str, Any], int]]]:
        with self._outbox.together(now) as (db, tell):
            db.execute(SCHEMA)  # each time: a damaged file may have been replaced by an empty one meanwhile
            yield db, tell

    def state(self, command_id: str, now: int) -> str:
        """The order's state; "" when it is not known."""
        with self._together(now) as (db, _):
            row = db.execute("SELECT state FROM orders WHERE id = ?", (command_id,)).fetchone()
        return str(row[0]) if row else ""

    def accept(self, command_id: str, verb: str, body: str, now: int, expires: int) -> None:
        """Remembers an order; one that is known stays as it is."""
        with self._together(now) as (db, _):
            sql = "INSERT OR IGNORE INTO orders (id, verb, body, state, at, expires) VALUES (?, ?, ?, ?, ?, ?)"
            db.execute(sql, (command_id, verb, body, states.ACCEPTED, now, expires))

    def unfinished(self, state: str, now: int) -> list[Entry]:
        """Orders in `state` (`accepted` or `started`), in the order in which they came."""
        with self._together(now) as (db, _):
            sql = "SELECT id, verb, body, state, expires FROM orders WHERE state = ? ORDER BY rowid"
            return [Entry(row[0], row[1], row[2] or "{}", row[3], row[4]) for row in db.execute(sql, (state,))]

    def start(self, command_id: str, now: int) -> bool:
        """`accepted` → `started`, and tells it. False when it is not `accepted`."""
        with self._together(now) as (db, tell):
            sql = "UPDATE orders SET state = ?, at = ? WHERE id = ? AND state = ?"
            if db.execute(sql, (states.STARTED, now, command_id, states.ACCEPTED)).rowcount != 1:
                return False
            tell("execution", Execution(command_id, states.STARTED))
            return True

    def write(self, command_id: str, data: bytes, now: int) -> None:
        """Tells a piece of its output; any length."""
        for start in range(0, len(data), CHUNK_BYTES):
            piece = data[start : start + CHUNK_BYTES]
            with self._together(now) as (db, tell):
                row = db.execute("SELECT chunks, bytes FROM orders WHERE id = ?", (command_id,)).fetchone()
                if row is None:
                    return  # an outbox that was begun anew knows nothing of it
                tell("output", Output(command_id, row[0], "stdout", row[1], base64.b64encode(piece).decode()))
                db.execute("UPDATE orders SET chunks = chunks + 1, bytes = bytes + ? WHERE id = ?", (len(piece), command_id))

    def finish(self, command_id: str, state: str, reason: str, now: int) -> bool:
        """The final state, told with the reason. False when it had one, or may not enter this one."""
        with self._together(now) as (db, tell):
            row = db.execute("SELECT state, bytes FROM orders WHERE id = ?", (command_id,)).fetchone()
            if row is None or state not in states.COMMAND[row[0]]:
                return False
            db.execute("UPDATE orders SET state = ?, at = ?, body = NULL WHERE id = ?", (state, now, command_id))
            code = 0 if state == states.SUCCEEDED else None
            tell("execution", Execution(command_id, state, reason, code, stdout_bytes=int(row[1])))
            return True
