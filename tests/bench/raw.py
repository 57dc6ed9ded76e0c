"""A database beside the manager: rows put in as fast as it takes them, without waiting for the disk. SQLite, MariaDB, MySQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import pymysql

from server.db import parse_url
from server.inserts import Insert

EACH_COMMIT = 20
"""Statements of a transaction."""


class Raw:
    """A plain connection that does not wait for the disk: this is what is measured with, not what is measured."""

    def __init__(self, url: str) -> None:
        place = parse_url(url)
        self.sqlite = place.scheme == "sqlite"
        if self.sqlite:
            self._lite = sqlite3.connect(place.database, isolation_level=None, timeout=60)
            # Nobody else may be at it: a journal would have every page written twice.
            for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=OFF", "synchronous=OFF", "cache_size=-400000", "temp_store=MEMORY"):
                self._lite.execute(f"PRAGMA {pragma}")
            return
        account = {"user": place.username or "root", "password": place.password or ""}
        self._mysql = pymysql.connect(host=place.hostname, port=place.port, database=place.database, charset="utf8mb4", **account)

    def run(self, text: str) -> None:
        if self.sqlite:
            self._lite.execute(text)
            return
        with self._mysql.cursor() as cursor:
            cursor.execute(text)
        self._mysql.commit()

    def run_all(self, texts: Iterable[str]) -> None:
        """Statements without results, EACH_COMMIT to a transaction."""
        waiting = 0
        for text in texts:
            if self.sqlite:
                if not waiting:
                    self._lite.execute("BEGIN")
                self._lite.execute(text)
            else:
                with self._mysql.cursor() as cursor:
                    cursor.execute(text)
            waiting = (waiting + 1) % EACH_COMMIT
            if not waiting:
                self._commit()
        if waiting:
            self._commit()

    def _commit(self) -> None:
        if self.sqlite:
            self._lite.execute("COMMIT")
        else:
            self._mysql.commit()

    def one(self, text: str) -> Any:
        if self.sqlite:
            return self._lite.execute(text).fetchone()[0]
        with self._mysql.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchone()[0]

    def put(self, table: str, rows: Iterable[Mapping[str, Any]]) -> int:
        """Rows that all have the same columns; how many they were."""
        whole = list(rows)
        for start in range(0, len(whole), 10_000):
            part = whole[start : start + 10_000]
            names = list(part[0])
            insert = Insert(table, f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})")
            if self.sqlite:
                self._lite.execute("BEGIN")
                for text, values in insert.sqlite(part):
                    self._lite.execute(text, values)
                self._lite.execute("COMMIT")
                continue
            with self._mysql.cursor() as cursor:
                for one in insert.mysql(part):
                    cursor.execute(one)
            self._mysql.commit()
        return len(whole)

    def close(self) -> None:
        if self.sqlite:
            self._lite.close()
        else:
            self._mysql.close()


@contextmanager
def quick(url: str, buffer_bytes: int) -> Iterator[None]:
    """MariaDB and MySQL without waiting for the disk until the block ends, and with a buffer that is not for trying out from then on."""
    if parse_url(url).scheme == "sqlite":
        yield
        return
    with closing(Raw(url)) as raw:
        raw.run(f"SET GLOBAL innodb_buffer_pool_size = {buffer_bytes}")
        durable = raw.one("SELECT @@GLOBAL.innodb_flush_log_at_trx_commit")
        raw.run("SET GLOBAL innodb_flush_log_at_trx_commit = 0")
        raw.run(
            "SET GLOBAL "
            + ("innodb_log_file_size" if "Maria" in raw.one("SELECT VERSION()") else "innodb_redo_log_capacity")
            + " = 2147483648"
        )
        yield
        raw.run(f"SET GLOBAL innodb_flush_log_at_trx_commit = {durable}")
