"""The range of time of a page's charts, in the address: `range=24h`, or `from=2026-11-24T08:00Z&until=2026-11-24T12:00Z`.

A moment without a zone is UTC; the form on the page shows the reader's own clocks and static/js writes UTC into the address, so that
an address means the same to whoever gets it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from server.config import Config
from server.errors import BadInput
from server.service.ranges import RANGES, kept_since, step_of
from server.service.rollups import MINUTE_MS

_OFFSET = re.compile(r"(T.*) (\d\d:?\d\d)$")


@dataclass(frozen=True)
class Span:
    """`name` is a preset's, empty for a range of one's own. `since`, `until`, `step` in ms."""

    name: str
    since: int
    until: int
    step: int

    def query(self, usual: str = "1h") -> dict[str, str]:
        """What of it belongs into an address; `usual` is what a page shows without."""
        if self.name:
            return {"range": self.name} if self.name != usual else {}
        return {"from": written(self.since), "until": written(self.until)}


def preset(name: str, now: int, config: Config) -> Span:
    """Raises BadInput naming `range`."""
    if name not in RANGES:
        raise BadInput(f"range: {name[:20]!r} is unknown; use one of {', '.join(RANGES)}", field="range")
    since = now - RANGES[name]
    return Span(name, since, now, step_of(since, now, now, config))


def span_of(query: Mapping[str, str], now: int, config: Config, usual: str = "1h") -> Span:
    """Raises BadInput naming `range`, `from` or `until`."""
    first, last = query.get("from", "").strip(), query.get("until", "").strip()
    if not first and not last:
        return preset(query.get("range", "") or usual, now, config)
    if query.get("range"):
        raise BadInput("range: give either a range, or from and until", field="range")
    if not first:
        raise BadInput("from: say when the range begins", field="from")
    since, until = _moment("from", first), _moment("until", last) if last else now
    if since >= now:
        raise BadInput("from: that moment has not come yet", field="from")
    until = min(until, now)
    if until - since < MINUTE_MS:
        raise BadInput("until: at least a minute after the begin", field="until")
    if since < (oldest := kept_since(now, config)):
        raise BadInput(f"from: nothing is kept from before {written(oldest)[:10]}", field="from")
    return Span("", since, until, step_of(since, until, now, config))


def written(ms: int) -> str:
    """`2026-11-24T08:00Z`, with seconds where there are some."""
    moment = datetime.fromtimestamp(ms // 1000, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ" if moment.second else "%Y-%m-%dT%H:%MZ")


def typed(query: Mapping[str, str], field: str) -> int | None:
    """A moment of the address in UTC ms, also where it makes no range; None where there is none."""
    try:
        return _moment(field, query.get(field, "").strip())
    except BadInput:
        return None


def _moment(field: str, text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 14:
        return int(text)
    # In an address a plus sign stands for a blank.
    plain = _OFFSET.sub(r"\1+\2", text)
    try:
        moment = datetime.fromisoformat(plain[:-1] + "+00:00" if plain[-1:] in "Zz" else plain)
        return max(int((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp() * 1000), 0)
    except (ValueError, OverflowError):
        raise BadInput(f"{field}: {text[:40]!r} is no moment; write it such as 2026-11-24T08:00Z", field=field) from None
