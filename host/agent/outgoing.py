"""What the daemon has not taken yet: a queue on disk, in the ledger's database.

Rows are added inside the transaction that makes them true, so a result and its report cannot part.
A sequence number is never used twice within an epoch; a new database has a new epoch.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from typing import Any

from host.wire.codec import plain
from host.wire.messages import Record

SCHEMA = """
CREATE TABLE IF NOT EXISTS outgoing (seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL);
"""


class Outgoing:
    """`arrived` is set after a commit that added something; `backlog_bytes` is the size of all bodies on disk."""

    def __init__(self, connection: sqlite3.Connection, epoch: int) -> None:
        self._connection, self.epoch = connection, epoch
        self.arrived = asyncio.Event()
        row = connection.execute("SELECT COUNT(*), COALESCE(SUM(LENGTH(body)), 0) FROM outgoing").fetchone()
        self.waiting, self.backlog_bytes = int(row[0]), int(row[1])

    def insert(self, kind: str, at: int, body: Any) -> int:
        """Inside the caller's transaction; the caller passes the sum of sizes to `added` once it is committed."""
        text = json.dumps(plain(body), separators=(",", ":"))
        self._connection.execute("INSERT INTO outgoing (kind, at, body) VALUES (?, ?, ?)", (kind, at, text))
        return len(text)

    def added(self, records: int, size: int) -> None:
        if records:
            self.waiting += records
            self.backlog_bytes += size
            self.arrived.set()

    def oldest(self, most: int, most_bytes: int) -> list[Record]:
        """The oldest records, ascending, at least one if there is any."""
        records: list[Record] = []
        size = 0
        cursor = self._connection.execute("SELECT seq, kind, at, body FROM outgoing ORDER BY seq LIMIT ?", (most,))
        for row in cursor:
            size += len(row["body"])
            if records and size > most_bytes:
                break
            records.append(Record(row["seq"], row["kind"], row["at"], json.loads(row["body"])))
        cursor.close()
        return records

    def forget(self, seq: int) -> None:
        """The daemon has everything up to and including `seq`."""
        query = "SELECT COUNT(*), COALESCE(SUM(LENGTH(body)), 0) FROM outgoing WHERE seq <= ?"
        records, size = self._connection.execute(query, (seq,)).fetchone()
        # Not forced to disk: what comes back after a power cut is sent again, and the daemon knows it.
        self._connection.execute("PRAGMA synchronous=NORMAL")
        try:
            self._connection.execute("DELETE FROM outgoing WHERE seq <= ?", (seq,))
        finally:
            self._connection.execute("PRAGMA synchronous=FULL")
        self.waiting -= records
        self.backlog_bytes -= size
