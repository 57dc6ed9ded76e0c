"""One page of a list, the orders in which a list can be had, and what it is narrowed down by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.db import Row
from server.errors import BadInput
from server.queries import Query

Order = Sequence[tuple[str, bool]]
"""Fields to sort by, the first one first, and whether descending."""


@dataclass(frozen=True)
class Page:
    """`total` counts the whole list, not this page."""

    rows: list[Row]
    total: int


def filtered(query: Query, filters: Mapping[str, str], wanted: Row) -> tuple[Query, Row]:
    """`query` about those rows only that fit `wanted`, and its parameters. `filters`: name → its condition; what is None or
    empty in `wanted` filters nothing."""
    given = {name: value for name, value in wanted.items() if value not in ("", None)}
    return query.filtered([filters[name] for name in given]), given


def containing(text: str) -> str:
    """For `LOWER(column) LIKE :q ESCAPE '!'`: whatever has this text in it, in whatever case; empty for an empty one."""
    found = text.strip().lower()[:200].replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return f"%{found}%" if found else ""


def sifted(items: Sequence[Row], q: str = "", among: Sequence[str] = (), **same: Any) -> list[Row]:
    """Those that have the text `q` in one of the fields `among`, and these values; what is empty or None filters nothing."""
    wanted, text = {name: value for name, value in same.items() if value not in ("", None)}, q.strip().lower()
    return [
        row
        for row in items
        if all(row[name] == value for name, value in wanted.items())
        and (not text or any(text in str(row[name] or "").lower() for name in among))
    ]


def ordered(query: Query, sorts: Mapping[str, str], order: Order) -> Query:
    """`query` in this order; `sorts`: field → column, the list of what is allowed. Raises BadInput naming them."""
    if unknown := next((name for name, _ in order if name not in sorts), ""):
        raise BadInput(f"sort: {unknown[:40]!r} is unknown; use {', '.join(sorts)}", field="sort")
    return query.ordered([f"{sorts[name]} DESC" if down else sorts[name] for name, down in order])
