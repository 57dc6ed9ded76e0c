"""One page of a list."""

from __future__ import annotations

from dataclasses import dataclass

from server.db import Row


@dataclass(frozen=True)
class Page:
    """`total` counts the whole list, not this page."""

    rows: list[Row]
    total: int
