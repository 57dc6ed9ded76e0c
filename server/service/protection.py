"""Protected groups: whoever means nodes in one, or below one, types its name first (M1).

The one rule for commands and for bulk changes alike. It is asked within the transaction that does the thing, so that a group that
was protected a moment ago counts, and its names go into the audit entry.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from server.db import Row, Session
from server.errors import Conflict
from server.queries import Queries
from server.selector.values import fold
from server.service.selections import names_of

Rows = Callable[..., Awaitable[list[Row]]]


@dataclass(frozen=True)
class Guarded:
    """A protected group that some of the nodes are in; `nodes`: how many, with all groups below it."""

    id: str
    kind: str
    name: str
    path: str
    nodes: int


async def guarding(rows: Rows, q: Queries, node_ids: Sequence[str]) -> list[Guarded]:
    """The protected groups that hold any of these nodes, by kind and path. `rows` reads, in a transaction or outside."""
    if not node_ids or not await rows(q.protection.some, {}):
        return []
    tree = {row["id"]: row for row in await rows(q.protection.tree, {})}
    counts: dict[str, int] = {}
    for held in await rows(q.protection.holding, {"ids": list(node_ids)}):
        at, steps = held["group_id"], 0
        while at in tree and steps <= len(tree):
            if tree[at]["protected"]:
                counts[at] = counts.get(at, 0) + held["total"]
            at, steps = tree[at]["parent_id"], steps + 1
    paths = {one.id: "/".join(one.path) for one in names_of([*tree.values()])} if counts else {}
    found = [Guarded(key, tree[key]["kind"], tree[key]["name"], paths[key], total) for key, total in counts.items()]
    return sorted(found, key=lambda one: (one.kind, fold(one.path)))


async def confirmed(session: Session, q: Queries, node_ids: Sequence[str], confirm: Sequence[str]) -> dict[str, Any]:
    """What an audit entry says of the protected groups that were confirmed; empty where there are none.

    Raises Conflict (field `confirm`) when the name of one that holds any of the nodes is not in `confirm`.
    """
    guards = await guarding(session.rows, q, node_ids)
    given = {text.strip() for text in confirm}
    missing = list(dict.fromkeys(one.name for one in guards if one.name not in given))
    if len(missing) == 1:
        raise Conflict(f"confirm: some of these nodes are in the protected group {missing[0]}; give its name to go on", field="confirm")
    if missing:
        raise Conflict(
            f"confirm: some of these nodes are in the protected groups {', '.join(missing)}; give the name of each to go on",
            field="confirm",
        )
    return {"confirmed": [one.path for one in guards]} if guards else {}
