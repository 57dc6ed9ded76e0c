"""What a page's list is narrowed down by, read from its address: a value that is not known is a clear message, never no filter."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from server.config import Config
from server.errors import BadInput
from server.web.spans import Span, span_of, typed

SPANS = ("", "1h", "6h", "24h", "7d", "30d")
"""The ranges of time that a list offers; without one it goes back as far as something is kept."""

_TIMES = ("range", "from", "until")
_SWITCH = {"": None, "true": True, "false": False}


def choice(query: Mapping[str, str], name: str, known: Collection[str]) -> str:
    """One of `known`, or empty where the address has none. Raises BadInput naming it and what there is."""
    text = query.get(name, "").strip()
    if text and text not in known:
        raise BadInput(f"{name}: {text[:20]!r} is unknown; use one of {', '.join(known)}", field=name)
    return text


def switch(query: Mapping[str, str], name: str) -> bool | None:
    """`true` or `false`, as the API has it. Raises BadInput."""
    return _SWITCH[choice(query, name, tuple(_SWITCH)[1:])]


def times(query: Mapping[str, str], now: int, config: Config) -> tuple[dict[str, Any], dict[str, Any]]:
    """A list's range of time: `since` and `until` in UTC ms for the service, and what its page says of it. A moment that makes no range
    is told at its field (`problem`), and nothing is listed. Raises BadInput for a range of an unknown name."""
    kept = {name: query.get(name, "").strip()[:40] for name in _TIMES}
    problem: BadInput | None = None
    span: Span | None = None
    try:
        span = span_of(query, now, config) if any(kept.values()) else None
    except BadInput as wrong:
        if wrong.field == "range":
            raise
        problem = wrong
    found: dict[str, Any] = {} if span is None else {"since": span.since}
    if span and kept["until"]:
        # The last moment belongs to it, as it does on charts.
        found["until"] = span.until + 1
    values: dict[str, Any] = {
        "spans": SPANS,
        "span": span,
        "span_kept": kept,
        "span_from": typed(query, "from"),
        "span_until": typed(query, "until"),
        "problem": problem,
        "field": problem.field if problem else "",
    }
    return found, values
