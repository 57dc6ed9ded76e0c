"""Query parameters: whole numbers with bounds, and the page of a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from server.errors import BadInput

SIZE = 50
MAX_SIZE = 500
MAX_PAGE = 1_000_000
MAX_TIME = 2**53
"""Milliseconds; what every JSON reader still counts exactly."""


@dataclass(frozen=True)
class Window:
    """Which page is wanted: `page` counts from 1."""

    page: int
    size: int

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.size


def whole(request: Request, name: str, default: int, low: int, high: int) -> int:
    """The query parameter `name`. Raises BadInput naming it when it is no whole number from `low` to `high`."""
    text = request.query_params.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 18 and low <= int(text) <= high):
        raise BadInput(f"{name}: {text[:40]!r} is not a whole number from {low} to {high}", field=name)
    return int(text)


def window(request: Request) -> Window:
    """`?page=1&size=50`. Raises BadInput."""
    return Window(whole(request, "page", 1, 1, MAX_PAGE), whole(request, "size", SIZE, 1, MAX_SIZE))


def listed(wanted: Window, items: Sequence[Any], total: int) -> dict[str, Any]:
    """The data of a list's answer; `total` counts the whole list."""
    return {"items": items, "total": total, "page": wanted.page, "size": wanted.size}


def window_of(request: Request, now: int) -> tuple[int, int]:
    """`since` and `until` (UTC ms) of a request, by default the last hour. Raises BadInput."""
    until = whole(request, "until", now, 0, MAX_TIME)
    since = whole(request, "since", max(until - 3_600_000, 0), 0, MAX_TIME)
    if since > until:
        raise BadInput("since: later than until", field="since")
    return since, until
