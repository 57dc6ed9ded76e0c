"""The outbox: everything that a host tells, on disk, until the manager has it (D3, DESIGN §3).

Promised: what `append…` returned for survives a kill and a power cut; each lane is numbered 1, 2, 3 … within
one epoch, without gaps; only acknowledged records are deleted. Past its bounds the oldest records of the bulk
lane give way to a tombstone: a `dropped` record whose own number is the last one that is gone. Urgent records are
never dropped: when they alone fill the outbox, the agent keeps its own (`OutboxFull`).
A file that turns out to be damaged is put aside, and a new one begun in a new epoch, with a tombstone for what it held.
What the manager has is not sent again when it could not be deleted here (the disk is full or read-only).
All methods may be called by any thread; they raise sqlite3.Error when the disk fails, and then have done nothing.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from host.daemon import outbox_file, tombstones
from host.daemon.outbox_file import OVERHEAD, Entry, OutboxFull, Stats, checksum, is_damage, new_epoch
from host.lib import database
from host.wire import codec
from host.wire.messages import Record
from host.wire.protocol import LANES
from host.wire.records import BULK, LANE_OF, URGENT, Event

__all__ = ["Entry", "Outbox", "OutboxFull", "Stats", "new_epoch", "open_outbox"]

log = logging.getLogger("daemon.outbox")


class Outbox:
    """`max_bytes` bounds both lanes together, `max_age` (seconds) the bulk lane; `epoch` makes a new epoch's number."""

    def __init__(
        self,
        path: Path,
        max_bytes: int,
        max_age: float = 7 * 86400.0,
        epoch: Callable[[], int] = new_epoch,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path, self._max_bytes, self._max_age, self._make_epoch, self._monotonic = path, max_bytes, max_age, epoch, monotonic
        self._lock = threading.Lock()
        self._news = {lane: threading.Condition() for lane in LANES}
        self._waiting, self._size = dict.fromkeys(LANES, 0), dict.fromkeys(LANES, 0)
        self._last, self._acknowledged = dict.fromkeys(LANES, 0), dict.fromkeys(LANES, 0)
        self._closed = False
        self._dropped = self._epoch = self._now = 0
        self._others: list[str] = []
        self._sent = outbox_file.SentMarks(path.with_name("outbox.sent"))
        self._open()

    def _open(self) -> None:
        self._db = outbox_file.open_file(self._path, self._make_epoch)
        self._acknowledged = {lane: first - 1 for lane, (first, _) in outbox_file.waiting_in(self._db).items()}
        self._recount()
        self._opened, self._first_own = self._monotonic(), dict(self._last)
        sent = self._sent.read()
        if sent.get("epoch") == self._epoch and any(sent.get(lane, 0) > self._last[lane] for lane in LANES):
            log.error("D1001 the outbox lost records that it had sent: a new epoch was begun")
            with database.transaction(self._db) as db:
                db.execute("UPDATE epochs SET epoch = ?", (self._make_epoch(),))
            self._recount()

    # -- writing ------------------------------------------------------------------------------------------------

    def append(self, kind: str, at: int, body: Any) -> int:
        """Stores one record of the daemon's own (`body`: a dataclass of `wire.records`, or plain JSON) and gives its number."""
        with self._writing():
            seq = self._insert(LANE_OF[kind], kind, at, codec.dumps(body).decode("utf-8", "replace"))
            self._trim(at)
        self._wake()
        return seq

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction. What the manager has but could not be deleted before goes first: it is no loss, and must not
        be counted as one."""
        with self._lock:
            try:
                with database.transaction(self._db) as db:
                    for lane in LANES:
                        db.execute("DELETE FROM records WHERE lane = ? AND seq <= ?", (lane, self._acknowledged[lane]))
                        tombstones.shorten(db, lane, self._acknowledged[lane])
                    yield db
                self._recount()
            except sqlite3.DatabaseError as problem:
                if is_damage(problem):
                    self._start_anew(str(problem))
                raise

    def _start_anew(self, problem: str) -> None:
        """Puts a damaged file aside; the new one tells, in each lane, how many records the old one held."""
        lost = {lane: (self._acknowledged[lane] + 1, self._last[lane]) for lane in LANES}
        old, now = self._epoch, self._now
        try:
            self._db.close()
        except sqlite3.Error as also:
            log.info("closing the damaged outbox: %s", also)
        said = outbox_file.damaged(problem, outbox_file.put_aside(self._path, now), old, lost)
        self._open()
        self.admit_damage(said, old, lost, now)
        log.error("D1001 %s", said)

    def admit_damage(self, said: str, old: int, lost: dict[str, tuple[int, int]], now: int) -> None:
        """The first records of a new file: a tombstone of as many numbers as the old file held, and an event."""
        with database.transaction(self._db) as db:
            for statement in self._others:
                db.execute(statement)
            for lane, (first, last) in lost.items():
                if last >= first:
                    db.execute("UPDATE lanes SET last = ? WHERE lane = ?", (last - first + 1, lane))
                    why = f"the outbox was damaged: {first} to {last} of epoch {old} are lost"
                    tombstones.bury(db, lane, 1, last - first + 1, now, why)
                    self._dropped += last - first + 1
            self._insert(URGENT, "event", now, codec.dumps(Event("outbox_damaged", said)).decode("utf-8", "replace"))
        self._recount()

    @contextmanager
    def together(self, now: int) -> Iterator[tuple[sqlite3.Connection, Callable[[str, Any], int]]]:
        """One transaction over the file, for what must change together with records: the connection, and `tell(kind, body)`."""

        def tell(kind: str, body: Any) -> int:
            return self._insert(LANE_OF[kind], kind, now, codec.dumps(body).decode("utf-8", "replace"))

        with self._writing() as db:
            yield db, tell
            self._trim(now)
            tables = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name NOT IN ('epochs', 'lanes', 'watermarks', 'records')"
            self._others = [row[0] for row in db.execute(tables) if row[0]]
        self._wake()

    def append_from_agent(self, epoch: int, records: Sequence[Record], now: int) -> int:
        """Stores the agent's records together with its watermark, skipping those stored before; gives the watermark.

        Raises OutboxFull, and KeyError for a kind that does not exist; nothing is stored then.
        """
        with self._writing() as db:
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
        self._wake()
        return mark

    def _insert(self, lane: str, kind: str, at: int, body: str) -> int:
        self._db.execute("UPDATE lanes SET last = last + 1 WHERE lane = ?", (lane,))
        seq = int(self._db.execute("SELECT last FROM lanes WHERE lane = ?", (lane,)).fetchone()[0])
        data = body.encode()
        row = (lane, seq, kind, at, body, len(data) + OVERHEAD, checksum(seq, kind, at, data))
        self._db.execute("INSERT INTO records (lane, seq, kind, at, body, size, crc) VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        return seq

    def _trim(self, now: int) -> None:
        self._now = now
        over = int(self._db.execute("SELECT sum(bytes) FROM lanes").fetchone()[0]) - self._max_bytes
        if over > 0:
            # A twentieth more than needed, or a full outbox would rewrite its tombstone with each record.
            gone = tombstones.bury_bytes(self._db, BULK, over + self._max_bytes // 20, now, "the outbox was full")
        else:
            # Records of this process cannot be older than it is, whatever the clock says of then and now.
            upto = self._first_own[BULK] if self._monotonic() - self._opened <= self._max_age else self._last[BULK]
            gone = tombstones.bury_older(self._db, BULK, now - int(self._max_age * 1000), now, "they were too old", upto)
        self._dropped += gone

    # -- reading ------------------------------------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        with self._lock:
            return self._epoch

    def next_batch(self, lane: str, max_records: int, max_bytes: int) -> list[Entry]:
        """The oldest records of a lane, ascending; always at least one if there is any, however large. One that was damaged
        on disk gives way to a tombstone."""
        while True:
            batch, bad = self._read(lane, max_records, max_bytes)
            if batch or bad is None:
                return batch
            self.refuse(lane, bad, self._now, "it was damaged on disk")

    def _read(self, lane: str, max_records: int, max_bytes: int) -> tuple[list[Entry], int | None]:
        """The sound records before the first damaged one, and its number."""
        # As bytes: a text that is no UTF-8 any more would end the query.
        sql = "SELECT seq, kind, at, CAST(body AS BLOB) AS body, size, crc FROM records WHERE lane = ? AND seq > ? ORDER BY seq LIMIT ?"
        batch: list[Entry] = []
        size, bad = 0, None
        with self._lock:
            try:
                rows = self._db.execute(sql, (lane, self._acknowledged[lane], max_records))
                for row in rows:
                    if row["crc"] is not None and row["crc"] != checksum(row["seq"], row["kind"], row["at"], row["body"]):
                        bad = int(row["seq"])
                        break
                    size += row["size"]
                    if batch and size > max_bytes:
                        break
                    batch.append(Entry(row["seq"], row["kind"], row["at"], row["body"].decode("utf-8", "replace")))
                rows.close()
            except sqlite3.DatabaseError as problem:
                if is_damage(problem):
                    self._start_anew(str(problem))
                raise
        return batch, bad

    def sending(self, lane: str, seq: int) -> None:
        """Must be called before a record is sent: see `outbox_file`."""
        try:
            self._sent.raise_to(self.epoch, lane, seq)
        except OSError as problem:
            # On a disk that takes nothing the outbox itself cannot go back either, as long as that lasts.
            log.debug("outbox.sent: %s", problem)

    def last(self, lane: str) -> int:
        """The highest number given out in a lane."""
        with self._lock:
            return int(self._db.execute("SELECT last FROM lanes WHERE lane = ?", (lane,)).fetchone()[0])

    def wait(self, lane: str, timeout: float) -> bool:
        """Blocks until the lane has something, `close` or `wake_all` was called, or `timeout` seconds; True if it has."""
        news = self._news[lane]
        with news:
            if self._last[lane] <= self._acknowledged[lane] and not self._closed:
                news.wait(timeout)
            return self._last[lane] > self._acknowledged[lane]

    def stats(self) -> Stats:
        with self._lock:
            firsts = "SELECT min(at) FROM records WHERE (lane, seq) IN (SELECT lane, min(seq) FROM records GROUP BY lane)"
            oldest = self._db.execute(firsts).fetchone()[0]
            waiting, size = self._waiting, self._size
            return Stats(self._epoch, waiting[URGENT], waiting[BULK], size[URGENT], size[BULK], oldest, self._dropped)

    # -- what the manager answered --------------------------------------------------------------------------------

    def acknowledge(self, lane: str, seq: int, epoch: int | None = None) -> None:
        """Deletes everything of the lane up to and including `seq`; a tombstone that reaches further is shortened.
        An answer about another `epoch` than the present one means other records, and is passed over."""
        with self._lock:
            if epoch is not None and epoch != self._epoch:
                return
            self._acknowledged[lane] = max(self._acknowledged[lane], seq)
        with self._writing():
            pass  # every transaction begins with deleting what is acknowledged

    def refuse(self, lane: str, seq: int, now: int, why: str) -> None:
        """Replaces one record, which the manager will never take, by a tombstone."""
        with self._writing() as db:
            self._dropped += tombstones.bury(db, lane, seq, seq, now, why)

    def admit_loss(self, lane: str, first: int, last: int, now: int, why: str) -> None:
        """Puts a tombstone where the manager misses records that are not here any more."""
        with self._lock:
            self._acknowledged[lane] = min(self._acknowledged[lane], first - 1)
        with self._writing() as db:
            tombstones.bury(db, lane, first, last, now, why)
        self._wake()

    def begin_as_another(self, now: int, why: str) -> None:
        """This host is another node from now on, of which the manager has nothing yet: a tombstone for what it had under the
        node before. What waits keeps its numbers and is told as the new node's."""
        for lane in LANES:
            if before := self._acknowledged[lane]:
                self.admit_loss(lane, 1, before, now, why)

    def admit_unwritten(self, lane: str, count: int, now: int, why: str) -> None:
        """A tombstone for `count` records that never reached the disk: they get numbers, so that the manager can count them."""
        with self._writing() as db:
            db.execute("UPDATE lanes SET last = last + ? WHERE lane = ?", (count, lane))
            last = int(db.execute("SELECT last FROM lanes WHERE lane = ?", (lane,)).fetchone()[0])
            tombstones.bury(db, lane, last - count + 1, last, now, why)
            self._dropped += count
        self._wake()

    def begin_epoch(self) -> int:
        """A new epoch; what waits keeps its numbers. For an outbox that was restored from an older copy."""
        with self._writing() as db:
            db.execute("UPDATE epochs SET epoch = ?", (self._make_epoch(),))
        return self.epoch

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
        for row in self._db.execute("SELECT lane, last, waiting, bytes FROM lanes"):
            lane = row["lane"]
            self._last[lane], self._waiting[lane], self._size[lane] = row["last"], row["waiting"], row["bytes"]

    def _wake(self) -> None:
        for lane, news in self._news.items():
            with news:
                if self._last[lane] > self._acknowledged[lane]:
                    news.notify_all()


def open_outbox(path: Path, max_bytes: int, max_age: float, now: int) -> tuple[Outbox, str]:
    """The outbox, and a sentence when a damaged one had to be put aside (then with a new epoch); else "".
    Raises sqlite3.OperationalError or OSError when the disk takes nothing."""
    try:
        return Outbox(path, max_bytes, max_age), ""
    except sqlite3.DatabaseError as problem:
        if not is_damage(problem):
            raise
        found = outbox_file.waiting_in_damaged(path)
        epoch, lost = found if found else (None, {})
        said = outbox_file.damaged(str(problem), outbox_file.put_aside(path, now), epoch, lost)
        outbox = Outbox(path, max_bytes, max_age)
        outbox.admit_damage(said, epoch or 0, lost, now)
        return outbox, said
