"""What goes wrong with a database, by its drivers' codes: what is tried again, what is told, and what mends it."""

from __future__ import annotations

import pymysql

RETRY = frozenset({1205, 1213, 2006, 2013, 2014})
"""MySQL: a lock was waited for too long, a deadlock, a connection that was lost."""

NO_DATABASE = 1049
DENIED = (1044, 1045, 1142, 1143, 1227, 1370, 1698)
"""No such account, a wrong password, or no right to do it."""

LOCK_WAIT = 1205


def mend(problem: BaseException) -> str:
    """What to do about a database that cannot be opened."""
    code = problem.args[0] if isinstance(problem, pymysql.err.MySQLError) and problem.args else 0
    if code in DENIED:
        return "check the account, its password and its rights (docs/database.md)"
    if code == NO_DATABASE:
        return "check its name in database_url, or make it: ops-manager db migrate"
    return (
        "check database_url and that the server runs" if isinstance(problem, pymysql.err.MySQLError) else "check database_url and data_dir"
    )


def reason(problem: BaseException) -> str:
    """A driver's error as one line."""
    if isinstance(problem, pymysql.err.MySQLError) and len(problem.args) > 1:
        return f"{problem.args[1]} ({problem.args[0]})"
    return " ".join(str(problem).split()) or type(problem).__name__
