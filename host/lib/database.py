"""SQLite as the host uses it: write-ahead log, every commit on disk before it is answered for."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def open_database(path: Path, schema: str) -> sqlite3.Connection:
    """A connection in autocommit mode, to be shared by threads under the caller's own lock.

    `schema` is `CREATE … IF NOT EXISTS` statements. Raises sqlite3.DatabaseError on a damaged file.
    """
    # Before SQLite makes it: the files beside it (-wal, -shm), which hold the same records, get the mode of the first.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        if file.exists():
            file.chmod(0o600)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    connection.row_factory = sqlite3.Row
    # FULL: "acknowledged" must be true after a power cut as well. A small cache: the daemon's memory is counted.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-512", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    connection.executescript(schema)
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing; takes the write lock at once, so it cannot fail half-way for want of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        # A failed commit leaves the transaction open; a full disk may have ended it already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
