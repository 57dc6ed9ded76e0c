"""The outbox's file: its tables, how damage is found and put aside, and what was sent of it.

Every record carries a checksum, because SQLite does not notice a flipped bit inside a text. What was sent is kept in a
small file beside it, written before each report: an outbox that comes back with fewer records than it had sent (its
write-ahead log was torn, or an older copy was put back) must not give the same numbers to other records.
"""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from host.lib import database
from host.wire.protocol import LANES

SCHEMA = """
CREATE TABLE IF NOT EXISTS epochs (epoch INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS lanes (
    lane TEXT PRIMARY KEY, last INTEGER NOT NULL DEFAULT 0, waiting INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS watermarks (epoch INTEGER PRIMARY KEY, seq INTEGER NOT NULL, at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS records (
    lane TEXT NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL, size INTEGER NOT NULL,
    crc INTEGER, PRIMARY KEY (lane, seq)
);
CREATE TRIGGER IF NOT EXISTS records_in AFTER INSERT ON records
    BEGIN UPDATE lanes SET waiting = waiting + 1, bytes = bytes + NEW.size WHERE lane = NEW.lane; END;
CREATE TRIGGER IF NOT EXISTS records_out AFTER DELETE ON records
    BEGIN UPDATE lanes SET waiting = waiting - 1, bytes = bytes - OLD.size WHERE lane = OLD.lane; END;
"""


OVERHEAD = 64
"""Bytes counted for a record beside its body."""


class OutboxFull(Exception):
    """Urgent records alone have reached the bound; nothing was stored."""


@dataclass(frozen=True)
class Entry:
    """A stored record; `body` is JSON as it was stored, so that a report need not parse it."""

    seq: int
    kind: str
    at: int
    body: str


@dataclass(frozen=True)
class Stats:
    """What waits: records and bytes of each lane, when the oldest was made (UTC ms), how many were dropped by this process."""

    epoch: int
    urgent: int
    bulk: int
    urgent_bytes: int
    bulk_bytes: int
    oldest: int | None
    dropped: int


def new_epoch() -> int:
    """53 random bits: exact as a JSON number everywhere."""
    return int.from_bytes(os.urandom(8), "big") >> 11 or 1


def checksum(seq: int, kind: str, at: int, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(f"{seq} {kind} {at} ".encode()))


def is_damage(problem: sqlite3.Error) -> bool:
    """Whether the file itself is broken; a full disk or a wrong mode is no damage, and a new file would meet it too."""
    return type(problem) is sqlite3.DatabaseError


def open_file(path: Path, make_epoch: Callable[[], int]) -> sqlite3.Connection:
    """The connection, with all tables and rows it needs. Raises sqlite3.DatabaseError when the file is damaged
    (see `is_damage`), sqlite3.OperationalError or OSError when the disk is."""
    db = database.open_database(path, SCHEMA)
    try:
        found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(str(found)[:200])
        with database.transaction(db):
            if "crc" not in [row["name"] for row in db.execute("PRAGMA table_info(records)")]:
                db.execute("ALTER TABLE records ADD COLUMN crc INTEGER")  # a file of before there were checksums
            if db.execute("SELECT count(*) FROM epochs").fetchone()[0] == 0:
                db.execute("INSERT INTO epochs VALUES (?)", (make_epoch(),))
            for lane in LANES:
                db.execute("INSERT OR IGNORE INTO lanes (lane) VALUES (?)", (lane,))
    except BaseException:
        db.close()
        raise
    return db


def put_aside(path: Path, now: int) -> Path:
    """Renames the file, for people to look at, and removes what belongs to it."""
    aside = path.with_name(f"{path.name}.damaged-{now}")
    os.replace(path, aside)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return aside


def waiting_in(db: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    """Lane → the first number that waits (a tombstone's own first) and the last that was given out."""
    result = {}
    for lane, last in db.execute("SELECT lane, last FROM lanes").fetchall():
        row = db.execute("SELECT seq, kind, CAST(body AS BLOB) FROM records WHERE lane = ? ORDER BY seq LIMIT 1", (lane,)).fetchone()
        first = last + 1 if row is None else int(json.loads(row[2])["first"]) if row[1] == "dropped" else int(row[0])
        result[lane] = (first, last)
    return result


def waiting_in_damaged(path: Path) -> tuple[int, dict[str, tuple[int, int]]] | None:
    """The same of a damaged file, with its epoch, as far as it can be read; None when it cannot."""
    try:
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
        try:
            return int(db.execute("SELECT epoch FROM epochs").fetchone()[0]), waiting_in(db)
        finally:
            db.close()
    except (sqlite3.Error, ValueError, KeyError, TypeError):
        return None


def damaged(problem: str, aside: Path, epoch: int | None, lost: dict[str, tuple[int, int]]) -> str:
    """What happened, in one sentence."""
    ranges = [f"{first} to {last} of the {lane} lane" for lane, (first, last) in lost.items() if last >= first]
    what = f"lost are {' and '.join(ranges) or 'no records'} (epoch {epoch})" if epoch else "what it held cannot be said"
    return f"the outbox was damaged ({problem[:200]}); it was put aside as {aside} and a new one begun; {what}"


class SentMarks:
    """Lane → the highest number of the epoch that was ever sent, on disk before it is sent."""

    _SIZE = 128

    def __init__(self, path: Path) -> None:
        self._path = path
        self._marks: dict[str, int] = {}

    def read(self) -> dict[str, int]:
        """What the file says; empty when there is none, or nothing readable."""
        try:
            data = json.loads(self._path.read_bytes())
            self._marks = {str(key): int(value) for key, value in data.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            self._marks = {}
        return dict(self._marks)

    def raise_to(self, epoch: int, lane: str, seq: int) -> None:
        """Raises OSError when it cannot be written."""
        before = self._marks if self._marks.get("epoch") == epoch else {}
        if before.get(lane, 0) >= seq:
            return
        marks = {**before, "epoch": epoch, lane: seq}
        # In place and of one size: on a full disk there is no room for another file.
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, json.dumps(marks).ljust(self._SIZE).encode(), 0)
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        self._marks = marks
