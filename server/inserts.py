"""Many rows in one INSERT, put together from constant pieces: the driver's own `executemany` costs half of the speed.

SQLite binds values. For MySQL a value is written as a number, as a text between quotes when it is ASCII and has neither quote nor
backslash nor NUL in it, or in hexadecimal digits, so that nothing in it can be taken for SQL. No I/O in here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any

from server.errors import BadInput

MOST_ROWS = 500
SQLITE_ROWS = (500, 250, 125, 62, 31, 15, 7, 3, 1)
"""Of one statement. Few lengths, so that its text is one that SQLite has prepared before: to prepare a new one of hundreds of rows
takes three times as long as to run it."""

MOST_BYTES = 4 * 1024 * 1024
"""Of one statement; MariaDB takes 16 MiB unless told otherwise."""

_SHAPE = re.compile(r"^(?P<head>(?:INSERT|REPLACE) INTO .+?\sVALUES)\s*\((?P<row>[^()]*)\)(?P<tail>.*)$", re.DOTALL | re.IGNORECASE)
_BIND = re.compile(r":(\w+)")


class Insert:
    """`INSERT INTO … VALUES (:a, :b) …` of one row, as a statement for many."""

    def __init__(self, name: str, text: str) -> None:
        shape = _SHAPE.match(text)
        if shape is None:
            raise ValueError(f"{name}: not an INSERT of one row")
        self._head, self._row, self._tail = shape["head"], shape["row"], shape["tail"]
        self._texts: dict[int, str] = {}
        names = _BIND.findall(self._row)
        pick = itemgetter(*names)
        self._values: Callable[[Mapping[str, Any]], tuple[Any, ...]] = pick if len(names) > 1 else lambda row: (pick(row),)

    def sqlite(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[Any]]]:
        """Statements and their values. Not the driver's `executemany`: it gives up Python's lock for each row, and then
        waits for it while the rest of the manager is busy."""
        row = f"({_BIND.sub('?', self._row)})"
        start = 0
        for size in _portions(len(rows)):
            text = self._texts.get(size)
            if text is None:
                text = self._texts[size] = f"{self._head} {', '.join([row] * size)}{self._tail}"
            yield text, list(chain.from_iterable(map(self._values, rows[start : start + size])))
            start += size

    def mysql(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        """Complete statements. Raises BadInput for a value that cannot be stored."""
        template = "(" + _BIND.sub("%s", self._row.replace("%", "%%")) + ")"
        pieces: list[str] = []
        size = 0
        for row in rows:
            pieces.append(template % tuple([_LITERAL[type(value)](value) for value in self._values(row)]))
            size += len(pieces[-1])
            if len(pieces) == MOST_ROWS or size > MOST_BYTES:
                yield f"{self._head} {', '.join(pieces)}{self._tail}"
                pieces, size = [], 0
        if pieces:
            yield f"{self._head} {', '.join(pieces)}{self._tail}"


def _portions(count: int) -> Iterator[int]:
    """`count` as sizes of SQLITE_ROWS, the largest first."""
    for size in SQLITE_ROWS:
        while count >= size:
            yield size
            count -= size


@lru_cache(maxsize=256)
def insert(name: str, text: str) -> Insert:
    """The query's Insert, made once."""
    return Insert(name, text)


def _text(value: str) -> str:
    # Without these nothing ends a text or begins an escape, in any SQL mode: most samples are such, and take half the bytes so.
    if value.isascii() and "'" not in value and "\\" not in value and "\0" not in value:
        return f"'{value}'"
    try:
        return f"x'{value.encode().hex()}'"
    except UnicodeEncodeError as problem:
        raise BadInput("a text is not UTF-8") from problem


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise BadInput(f"{value} is no number that can be stored")
    return repr(value)


_LITERAL: dict[type, Callable[[Any], str]] = {
    type(None): lambda value: "NULL",
    bool: lambda value: str(int(value)),
    int: str,
    float: _number,
    str: _text,
    bytes: lambda value: f"x'{value.hex()}'",
}
