"""The SQL texts of `sql/queries/<noun>.sql`, as `q.<noun>.<name>`.

A file holds statements, each after a line `-- name: <name>`. Parameters are `:name`; `:name*` stands for a
list and is written out at the call. One text serves both databases; where they must differ, two names end in
`__sqlite` and `__mysql` and the right one answers to the bare name. `(1 = 1 /* selected */)` is the place of a selector's
condition (server/selector/sql.py), put in by `narrowed`; without it the statement is about every row.
`(1 = 1 /* filtered */)` is the place of the filters that are in use, put in by `filtered`: one that filters nothing does not stand
in the statement, so that the database can go by an index for the rest.
`ORDER BY /* sorted */ name, id` is the place of another order, put in before the usual one by `ordered`: so it is always a stable one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from server.selector.sql import Condition

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)
_LIST = re.compile(r":(\w+)\*")
_BIND = re.compile(r"(?<![:\w]):(\w+)")
SELECTED = "(1 = 1 /* selected */)"
FILTERED = "(1 = 1 /* filtered */)"
SORTED = "/* sorted */"


class Query:
    """One statement. `str()` is its name, for messages."""

    def __init__(self, name: str, text: str, dialect: str) -> None:
        self.name, self.text, self._dialect = name, text, dialect
        self._lists = frozenset(_LIST.findall(text))
        self._fixed = self._native(text)

    def __str__(self) -> str:
        return self.name

    def bind(self, params: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """The text for the driver, and its parameters with lists written out. An empty list stands for no id at all."""
        if not self._lists:
            return self._fixed, params
        flat = {key: value for key, value in params.items() if key not in self._lists}
        text = self._fixed
        mark = ":{}" if self._dialect == "sqlite" else "%({})s"
        for name in self._lists:
            items = list(params[name]) or [""]
            names = [f"{name}_{i}" for i in range(len(items))]
            flat.update(zip(names, items, strict=True))
            text = text.replace(mark.format(name) + "*", ", ".join(map(mark.format, names)))
        return text, flat

    def narrowed(self, condition: Condition) -> Query:
        """The same statement about fewer rows; the condition's parameters are the caller's to bind."""
        if SELECTED not in self.text:
            raise ValueError(f"{self.name} has no place for a condition")
        return Query(self.name, self.text.replace(SELECTED, f"({condition.text})"), self._dialect)

    def filtered(self, conditions: Sequence[str]) -> Query:
        """The same statement about the rows that fit all of these: the program's own words, whose parameters are the caller's to bind."""
        if FILTERED not in self.text:
            raise ValueError(f"{self.name} has no place for filters")
        text = " AND ".join(f"({one})" for one in conditions) if conditions else FILTERED
        return Query(self.name, self.text.replace(FILTERED, text), self._dialect)

    def ordered(self, columns: Sequence[str]) -> Query:
        """The same statement, by these columns first (`n.name`, `n.name DESC`): the program's own words, never a caller's."""
        if SORTED not in self.text:
            raise ValueError(f"{self.name} has no place for an order")
        return Query(self.name, self.text.replace(SORTED, "".join(f"{column}, " for column in columns)), self._dialect)

    def _native(self, text: str) -> str:
        if self._dialect == "sqlite":
            return text
        return _BIND.sub(r"%(\1)s", text.replace("%", "%%"))


class Noun:
    """The queries of one file, as attributes."""

    def __init__(self, name: str, queries: dict[str, Query]) -> None:
        self._name, self._queries = name, queries

    def __getattr__(self, name: str) -> Query:
        try:
            return self._queries[name]
        except KeyError:
            raise AttributeError(f"sql/queries/{self._name}.sql has no query named {name!r}") from None


class Queries:
    """All files of a folder, for one dialect (`sqlite` or `mysql`)."""

    def __init__(self, folder: Path, dialect: str) -> None:
        self._nouns = {file.stem: _read(file, dialect) for file in sorted(folder.glob("*.sql"))}

    def __getattr__(self, noun: str) -> Noun:
        try:
            return Noun(noun, self._nouns[noun])
        except KeyError:
            raise AttributeError(f"there is no sql/queries/{noun}.sql") from None

    def all(self) -> list[Query]:
        return [query for queries in self._nouns.values() for query in queries.values()]


@cache
def _read(file: Path, dialect: str) -> dict[str, Query]:
    parts = _NAME.split(file.read_text(encoding="utf-8"))
    queries: dict[str, Query] = {}
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        base, _, suffix = name.partition("__")
        if suffix in ("", dialect):
            if base in queries:
                raise ValueError(f"{file}: the name {base!r} stands twice")
            queries[base] = Query(f"{file.stem}.{base}", text.strip().rstrip(";"), dialect)
    return queries
