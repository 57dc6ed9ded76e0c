"""Nonces of signed requests that are no commands: each is good once, also after the agent was started anew (S2).

A command's nonce is its id, and the ledger remembers it. All others are remembered here until they would be refused as
expired. Nothing waits for the disk: what a killed agent wrote is kept by the system. What a power cut may take away is covered
by a mark that is on disk: a time, ahead of every timestamp that was let in. After the host's next start only later ones are.
"""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

from host.lib.database import open_database, transaction
from host.lib.errors import AgentError

SCHEMA = """
CREATE TABLE IF NOT EXISTS nonces (nonce BLOB PRIMARY KEY, expires_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mark (
    one INTEGER PRIMARY KEY CHECK (one = 1), boot TEXT NOT NULL, ahead INTEGER NOT NULL, behind INTEGER NOT NULL);
"""
MOST = 100_000
"""Past it nothing is let in: only who has the key can come so far."""
AHEAD_MS = 5_000
"""How far ahead the mark is set, so that it is written seldom."""
GRACE_MS = 600_000
"""How long past its expiry a nonce is kept: this host's clock may be set back."""
PURGE_EVERY = 1_000


class Nonces:
    """`boot` is another text after each start of the host. Raises AgentError D3001 where the file cannot be used."""

    def __init__(self, path: Path, boot: str) -> None:
        try:
            self._connection = open_database(path, SCHEMA)
            with transaction(self._connection) as connection:
                connection.execute("INSERT OR IGNORE INTO mark VALUES (1, ?, 0, 0)", (boot,))
                # Another boot: what was let in shortly before it may have been lost.
                connection.execute("UPDATE mark SET boot = ?, behind = ahead WHERE boot <> ?", (boot, boot))
            row = self._connection.execute("SELECT ahead, behind FROM mark").fetchone()
            self._ahead, self._behind = int(row[0]), int(row[1])
            self._count = int(self._connection.execute("SELECT COUNT(*) FROM nonces").fetchone()[0])
            self._until_purge = 0
            self._connection.execute("PRAGMA synchronous=NORMAL")
        except (sqlite3.Error, OSError) as problem:
            mend = "mend the disk or its rights; a damaged file may be removed once no signed request is on its way"
            raise AgentError("D3001", f"{path}: the nonces cannot be remembered ({problem})", mend) from problem

    def close(self) -> None:
        self._connection.close()

    def refusal(self, nonce: str, timestamp: int, expires: int, now: int) -> str:
        """Why a genuine request is not let in; "" when it is, and its nonce is used up. Times in UTC milliseconds.

        Raises sqlite3.Error: then it is not let in either.
        """
        if timestamp <= self._behind:
            return "it was signed before this host was last started; sign it anew"
        if self._until_purge <= 0 or self._count >= MOST:
            self._purge(now)
        if self._count >= MOST:
            return "too many signed requests are remembered; wait until some have expired"
        if timestamp > self._ahead:
            self._set_mark(timestamp + AHEAD_MS)
        digest = hashlib.sha256(nonce.encode("utf-8", "surrogateescape")).digest()[:16]
        sql = "INSERT OR IGNORE INTO nonces VALUES (?, ?)"
        if self._connection.execute(sql, (digest, min(expires, 1 << 62))).rowcount == 0:
            return "this request was made already; its nonce is used up"
        self._count += 1
        self._until_purge -= 1
        return ""

    def _set_mark(self, ahead: int) -> None:
        self._connection.execute("PRAGMA synchronous=FULL")
        try:
            self._connection.execute("UPDATE mark SET ahead = ?", (ahead,))
        finally:
            self._connection.execute("PRAGMA synchronous=NORMAL")
        self._ahead = ahead

    def _purge(self, now: int) -> None:
        self._until_purge = PURGE_EVERY
        self._count -= self._connection.execute("DELETE FROM nonces WHERE expires_at < ?", (now - GRACE_MS,)).rowcount
