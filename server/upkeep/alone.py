"""Whether the SQLite file is there, and whether somebody else has it open. Asked before we open it: opening it would make it, and within
one process SQLite cannot tell."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from server.db import parse_url
from server.errors import OpsError

IN_USE = "somebody is connected to this database; stop every manager that uses it, and try again"


def refuse_in_use(url: str) -> None:
    """Raises OpsError. On MySQL `Db.others` asks the server."""
    parsed = parse_url(url)
    if parsed.scheme != "sqlite" or not Path(parsed.database).exists():
        return
    connection = sqlite3.connect(parsed.database, timeout=0, isolation_level=None)
    try:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError as problem:
        raise OpsError(IN_USE) from problem
    except sqlite3.DatabaseError:
        return  # damaged, or no database: what is done next says so
    finally:
        connection.close()


def refuse_missing(url: str) -> None:
    """Raises OpsError where there is no SQLite file: whoever looks at a database must not make one at a misspelt address. On MySQL
    the server says so."""
    parsed = parse_url(url)
    if parsed.scheme == "sqlite" and not Path(parsed.database).exists():
        raise OpsError(f"there is no database at {parsed.database}; check data_dir and database_url, or make it: ops-manager db migrate")
