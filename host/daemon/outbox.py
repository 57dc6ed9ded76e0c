"""The outbox: everything that a host tells, on disk, until the manager has it (D3, DESIGN §3).

Promised: what `append…` returned for survives a kill and a power cut; each lane is numbered 1, 2, 3 … within
one epoch, without gaps; only acknowledged records are deleted. Past its bounds the oldest records of the bulk
lane give way to a tombstone: a `dropped` record whose own number is the last one that is gone. Urgent records are
never dropped: when they alone fill the outbox, the agent keeps its own (`OutboxFull`).
All methods may be called by any thread.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host.daemon import tombstones
from host.lib import database
from host.wire import codec
from host.wire.messages import Record
from host.wire.protocol import LANES
from host.wire.records import BULK, LANE_OF, URGENT

SCHEMA = """
CREATE TABLE IF NOT EXISTS epochs (epoch INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS lanes (
    lane TEXT PRIMARY KEY, last INTEGER NOT NULL DEFAULT 0, waiting INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS watermarks (epoch INTEGER PRIMARY KEY, seq INTEGER NOT NULL, at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS records (
    lane TEXT NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY (lane, seq)
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


class Outbox:
    """`max_bytes` bounds both lanes together, `max_age` (seconds) the bulk lane; `epoch` makes a new epoch's number."""

    def __init__(self, path: Path, max_bytes: int, max_age: float = 7 * 86400.0, epoch: Callable[[], int] = new_epoch) -> None:
        self._max_bytes, self._max_age, self._make_epoch = max_bytes, max_age, epoch
        self._lock = threading.Lock()
        self._news = {lane: threading.Condition() for lane in LANES}
        self._waiting = dict.fromkeys(LANES, 0)
        self._closed = False
        self._dropped = 0
        self._db = database.open_database(path, SCHEMA)
        with database.transaction(self._db) as db:
            if db.execute("SELECT count(*) FROM epochs").fetchone()[0] == 0:
                db.execute("INSERT INTO epochs VALUES (?)", (self._make_epoch(),))
            for lane in LANES:
                db.execute("INSERT OR IGNORE INTO lanes (lane) VALUES (?)", (lane,))
        self._size = dict.fromkeys(LANES, 0)
        self._epoch = 0
        self._recount()

    # -- writing ------------------------------------------------------------------------------------------------

    def append(self, kind: str, at: int, body: Any) -> int:
        """Stores one record of the daemon's own (`body`: a dataclass of `wire.records`, or plain JSON) and gives its number."""
        with self._lock:
            with database.transaction(self._db):
                seq = self._insert(LANE_OF[kind], kind, at, codec.dumps(body).decode("utf-8", "replace"))
                self._trim(at)
            self._recount()
        self._wake()
        return seq

    def append_from_agent(self, epoch: int, records: Sequence[Record], now: int) -> int:
        """Stores the agent's records together with its watermark, skipping those stored before; gives the watermark.

        Raises OutboxFull, and KeyError for a kind that does not exist; nothing is stored then.
        """
        with self._lock:
            with database.transaction(self._db) as db:
                row = db.execute("SELECT seq FROM watermarks WHERE epoch = ?", (epoch,)).fetchone()
                mark = int(row[0]) if row else 0
                fresh = sorted((record for record in records if record.seq > mark), key=lambda record: record.seq)
                if fresh and self._size[URGENT] >= self._max_bytes:
                    raise OutboxFull
                for record in fresh:
                    if record.seq == mark:
                        continue
                    self._insert(LANE_OF[record.kind], record.kind, record.at, codec.dumps(record.body).decode("utf-8", "replace"))
                    mark = record.seq
                db.execute("INSERT OR REPLACE INTO watermarks VALUES (?, ?, ?)", (epoch, mark, now))
                # An epoch ends with its ledger file; a few are kept for a file that is brought back.
                db.execute("DELETE FROM watermarks WHERE epoch NOT IN (SELECT epoch FROM watermarks ORDER BY at DESC LIMIT 8)")
                self._trim(now)
            self._recount()
        self._wake()
        return mark

    def _insert(self, lane: str, kind: str, at: int, body: str) -> int:
        self._db.execute("UPDATE lanes SET last = last + 1 WHERE lane = ?", (lane,))
        seq = int(self._db.execute("SELECT last FROM lanes WHERE lane = ?", (lane,)).fetchone()[0])
        size = len(body.encode()) + OVERHEAD
        self._db.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)", (lane, seq, kind, at, body, size))
        return seq

    def _trim(self, now: int) -> None:
        over = int(self._db.execute("SELECT sum(bytes) FROM lanes").fetchone()[0]) - self._max_bytes
        if over > 0:
            # A twentieth more than needed, or a full outbox would rewrite its tombstone with each record.
            gone = tombstones.bury_bytes(self._db, BULK, over + self._max_bytes // 20, now, "the outbox was full")
        else:
            gone = tombstones.bury_older(self._db, BULK, now - int(self._max_age * 1000), now, "they were too old")
        self._dropped += gone

    # -- reading ------------------------------------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        with self._lock:
            return self._epoch

    def next_batch(self, lane: str, max_records: int, max_bytes: int) -> list[Entry]:
        """The oldest records of a lane, ascending; always at least one if there is any, however large."""
        with self._lock:
            rows = self._db.execute(
                "SELECT seq, kind, at, body, size FROM records WHERE lane = ? ORDER BY seq LIMIT ?", (lane, max_records)
            )
            batch: list[Entry] = []
            size = 0
            for row in rows:
                size += row["size"]
                if batch and size > max_bytes:
                    break
                batch.append(Entry(row["seq"], row["kind"], row["at"], row["body"]))
            rows.close()
        return batch

    def last(self, lane: str) -> int:
        """The highest number given out in a lane."""
        with self._lock:
            return int(self._db.execute("SELECT last FROM lanes WHERE lane = ?", (lane,)).fetchone()[0])

    def wait(self, lane: str, timeout: float) -> bool:
        """Blocks until the lane has something, `close` or `wake_all` was called, or `timeout` seconds; True if it has."""
        news = self._news[lane]
        with news:
            if not self._waiting[lane] and not self._closed:
                news.wait(timeout)
            return self._waiting[lane] > 0

    def stats(self) -> Stats:
        with self._lock:
            firsts = "SELECT min(at) FROM records WHERE (lane, seq) IN (SELECT lane, min(seq) FROM records GROUP BY lane)"
            oldest = self._db.execute(firsts).fetchone()[0]
            waiting, size = self._waiting, self._size
            return Stats(self._epoch, waiting[URGENT], waiting[BULK], size[URGENT], size[BULK], oldest, self._dropped)

    # -- what the manager answered --------------------------------------------------------------------------------

    def acknowledge(self, lane: str, seq: int) -> None:
        """Deletes everything of the lane up to and including `seq`; a tombstone that reaches further is shortened."""
        with self._lock:
            with database.transaction(self._db) as db:
                db.execute("DELETE FROM records WHERE lane = ? AND seq <= ?", (lane, seq))
                tombstones.shorten(db, lane, seq)
            self._recount()

    def refuse(self, lane: str, seq: int, now: int, why: str) -> None:
        """Replaces one record, which the manager will never take, by a tombstone."""
        with self._lock:
            with database.transaction(self._db) as db:
                self._dropped += tombstones.bury(db, lane, seq, seq, now, why)
            self._recount()

    def admit_loss(self, lane: str, first: int, last: int, now: int, why: str) -> None:
        """Puts a tombstone where the manager misses records that are not here any more."""
        with self._lock:
            with database.transaction(self._db) as db:
                tombstones.bury(db, lane, first, last, now, why)
            self._recount()
        self._wake()

    def begin_epoch(self) -> int:
        """A new epoch; what waits keeps its numbers. For an outbox that was restored from an older copy."""
        with self._lock:
            with database.transaction(self._db) as db:
                db.execute("UPDATE epochs SET epoch = ?", (self._make_epoch(),))
            self._recount()
            return self._epoch

    # -- the rest -------------------------------------------------------------------------------------------------

    def wake_all(self) -> None:
        """Ends every `wait` that is under way."""
        for news in self._news.values():
            with news:
                news.notify_all()

    def close(self) -> None:
        """Ends every `wait`, now and later, and closes the file."""
        for news in self._news.values():
            with news:
                self._closed = True
                news.notify_all()
        with self._lock:
            self._db.close()

    def _recount(self) -> None:
        """Takes over what the committed transaction left: epoch, counts and sizes."""
        self._epoch = int(self._db.execute("SELECT epoch FROM epochs").fetchone()[0])
        for row in self._db.execute("SELECT lane, waiting, bytes FROM lanes"):
            self._waiting[row["lane"]], self._size[row["lane"]] = row["waiting"], row["bytes"]

    def _wake(self) -> None:
        for lane, news in self._news.items():
            with news:
                if self._waiting[lane]:
                    news.notify_all()


def open_outbox(path: Path, max_bytes: int, max_age: float, now: int) -> tuple[Outbox, str]:
    """The outbox, and a sentence when a damaged one had to be put aside (then with a new epoch); else ""."""
    try:
        return Outbox(path, max_bytes, max_age), ""
    except sqlite3.DatabaseError as problem:
        if isinstance(problem, sqlite3.OperationalError):
            raise  # a full disk or a wrong mode is no damage; a new file would meet it too
        aside = path.with_name(f"{path.name}.damaged-{now}")
        os.replace(path, aside)
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return Outbox(path, max_bytes, max_age), f"the outbox was damaged ({problem}); it was put aside as {aside} and a new one begun"
