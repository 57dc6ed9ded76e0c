"""Tombstones of the outbox: `dropped` records that say exactly which numbers are gone, and why (D3).

A tombstone stands under the last number that it covers; its body names the first. Tombstones that touch become one.
Every function works inside the caller's transaction.
"""

from __future__ import annotations

import json
import sqlite3

from host.daemon.outbox_file import checksum
from host.wire import codec
from host.wire.records import Dropped

KIND = "dropped"
SIZE = 256
"""Bytes counted for a tombstone, whatever its reason's length: merging must not change the sums much."""

_AT_ONCE = 1000
"""Records that grow too old are buried in portions: a clock that jumps for a moment costs one portion, not all."""


def bury(db: sqlite3.Connection, lane: str, first: int, last: int, now: int, why: str) -> int:
    """Deletes what is in `first`…`last` and leaves one tombstone, merged with its neighbours; gives how many records went."""
    gone = int(
        db.execute(
            "SELECT count(*) FROM records WHERE lane = ? AND seq BETWEEN ? AND ? AND kind != ?", (lane, first, last, KIND)
        ).fetchone()[0]
    )
    # Bodies of tombstones only: those of the records may be many megabytes.
    within = "SELECT seq, CAST(body AS BLOB) AS body FROM records WHERE lane = ? AND kind = ? AND seq BETWEEN ? AND ? ORDER BY seq"
    before = []
    for row in db.execute(within, (lane, KIND, first - 1, last)).fetchall():
        body = json.loads(row["body"])
        first = min(first, int(body["first"]))
        before.append(str(body["why"]))
    reasons = [*before, why]
    following = db.execute(
        "SELECT seq, kind, CASE kind WHEN ? THEN body END AS body FROM records WHERE lane = ? AND seq > ? ORDER BY seq LIMIT 1",
        (KIND, lane, last),
    ).fetchone()
    if following and following["kind"] == KIND:
        body = json.loads(following["body"])
        if int(body["first"]) <= last + 1:
            last = int(following["seq"])
            reasons.append(str(body["why"]))
    # first may have moved to a neighbour's: everything in between was covered by it and is gone already.
    db.execute("DELETE FROM records WHERE lane = ? AND seq BETWEEN ? AND ?", (lane, first, last))
    body_text = codec.dumps(Dropped(first, "; ".join(dict.fromkeys(reasons))[:250])).decode()
    row = (lane, last, KIND, now, body_text, SIZE, checksum(last, KIND, now, body_text.encode()))
    db.execute("INSERT INTO records (lane, seq, kind, at, body, size, crc) VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    return gone


def bury_bytes(db: sqlite3.Connection, lane: str, wanted: int, now: int, why: str) -> int:
    """Buries the oldest records of the lane until `wanted` bytes are freed, or none is left; gives how many went."""
    first = last = freed = 0
    rows = db.execute("SELECT seq, kind, size FROM records WHERE lane = ? ORDER BY seq", (lane,))
    for row in rows:
        if row["kind"] == KIND:
            continue
        first, last = first or row["seq"], row["seq"]
        freed += row["size"]
        if freed >= wanted + SIZE:
            break
    rows.close()
    return bury(db, lane, first, last, now, why) if last else 0


def bury_older(db: sqlite3.Connection, lane: str, before: int, now: int, why: str, upto: int) -> int:
    """Buries the oldest records of the lane, none past `upto`, that were made before `before` (UTC ms), at most a portion;
    gives how many went. Behind a record that is young enough all are, whatever the clock said at their moment."""
    first = last = 0
    rows = db.execute("SELECT seq, kind, at FROM records WHERE lane = ? ORDER BY seq LIMIT ?", (lane, _AT_ONCE))
    for row in rows:
        if row["kind"] == KIND:
            continue
        if row["at"] >= before or row["seq"] > upto:
            break
        first, last = first or row["seq"], row["seq"]
    rows.close()
    return bury(db, lane, first, last, now, why) if last else 0


def shorten(db: sqlite3.Connection, lane: str, acknowledged: int) -> None:
    """Lets the lane's first tombstone begin behind what the manager has: those records are not lost."""
    first = "SELECT seq, kind, at, CASE kind WHEN ? THEN body END AS body FROM records WHERE lane = ? ORDER BY seq LIMIT 1"
    row = db.execute(first, (KIND, lane)).fetchone()
    if row and row["kind"] == KIND:
        body = json.loads(row["body"])
        if int(body["first"]) <= acknowledged:
            text = codec.dumps(Dropped(acknowledged + 1, str(body["why"]))).decode()
            crc = checksum(row["seq"], KIND, row["at"], text.encode())
            db.execute("UPDATE records SET body = ?, crc = ? WHERE lane = ? AND seq = ?", (text, crc, lane, row["seq"]))
