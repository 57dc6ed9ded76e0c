"""What all hosts logged, newest first, with search (M2): pages by time, and bounded work however rare what is looked for.

A page's place is a cursor: the last line's time, node, epoch and number. A search looks through SCAN lines and then says how
far it came; the caller goes on from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from server.db import Db, Row
from server.errors import BadInput
from server.service.page import containing

SCAN = 5_000
LEVELS = {"": (), "error": ("error", "critical", "fatal"), "critical": ("critical", "fatal")}
"""What may be asked for → which levels these are; '' is every one. Hosts send warnings and worse."""

END = 2**53
_LAST_NODE = "~"  # after every id


@dataclass(frozen=True)
class Lines:
    """`next`: cursor of what is older; empty when there is none. `searched_to`: up to which time (UTC ms) was looked, None
    when all that fits is here."""

    rows: list[Row]
    next: str
    searched_to: int | None


class Logs:
    def __init__(self, db: Db) -> None:
        self._db, self._q = db, db.q.logs

    async def page(
        self,
        *,
        q: str = "",
        node_id: str = "",
        level: str = "",
        since: int = 0,
        until: int | None = None,
        before: str = "",
        limit: int = 100,
    ) -> Lines:
        """The newest lines that fit, of one node or of all, at `since` or later and before `until` (UTC ms), and before the cursor or
        the moment `before`.

        `q` is looked for in the message, the logger and the node's name. Raises BadInput naming `level`, `since` or `before`.
        """
        if until is not None and since > until:
            raise BadInput("since: later than until", field="since")
        if level not in LEVELS:
            raise BadInput(f"level: {level[:20]!r} is unknown; use one of error, critical", field="level")
        pattern = containing(q)
        place = _place(before)
        if until is not None and place["at"] >= until:
            place = _before(until)
        place["since"] = since
        if node_id:
            place["node"] = node_id
        filtered = bool(pattern or level)
        scan = SCAN if filtered else limit
        params: dict[str, Any] = {**place, "scan": scan, "limit": limit, "any": int(not level), "levels": LEVELS[level]}
        params["pattern"] = pattern
        rows = await self._db.rows(self._q.page_of_node if node_id else self._q.page, params)
        if len(rows) == limit:
            return Lines(rows, cursor(rows[-1]), None)
        if not filtered:
            return Lines(rows, "", None)
        boundary = self._q.boundary_of_node if node_id else self._q.boundary
        last = await self._db.row(boundary, {**place, "skip": scan - 1})
        return Lines(rows, cursor(last) if last else "", last["at"] if last else None)


def cursor(row: Row) -> str:
    return f"{row['at']}.{row['node_id']}.{row['epoch']}.{row['seq']}"


def _place(before: str) -> dict[str, Any]:
    parts = before.split(".")
    numbers = [part for index, part in enumerate(parts) if index != 1]
    good = all(part.isascii() and part.isdigit() and len(part) <= 16 for part in numbers)
    if before and (len(parts) not in (1, 4) or not good):
        raise BadInput(f"before: {before[:60]!r} is neither a moment in ms nor the 'next' of an answer", field="before")
    if len(parts) == 4:
        return {"at": int(parts[0]), "node": parts[1][:26], "epoch": int(parts[2]), "seq": int(parts[3])}
    return _before(int(before) if before else END + 1)


def _before(moment: int) -> dict[str, Any]:
    """Strictly before: nothing of the moment itself."""
    return {"at": min(moment - 1, END), "node": _LAST_NODE, "epoch": END, "seq": END}
