"""What became of each of many: one that cannot be changed does not hold up the others, and is named."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from server.db import Db, Session
from server.errors import BadInput, OpsError

MOST_NODES = 5_000
MOST_EACH = 500
"""Of those that are changed one after another."""

AUDIT_NODES = 200
"""How many of them an audit entry names."""


@dataclass(frozen=True)
class Outcome:
    """`message` is empty where it went well."""

    id: str
    name: str = ""
    ok: bool = True
    message: str = ""


async def known_nodes(session: Session, db: Db, node_ids: Sequence[str]) -> list[Outcome]:
    """One for each node that was named; not ok for an id that is unknown. Raises BadInput for none or too many."""
    wanted = list(dict.fromkeys(node_ids))
    if not 1 <= len(wanted) <= MOST_NODES:
        raise BadInput(f"nodes: name 1 to {MOST_NODES} nodes", field="nodes")
    found = {row["id"]: row["name"] for row in await session.rows(db.q.nodes.by_ids, {"ids": wanted})}
    return [Outcome(one, found[one]) if one in found else Outcome(one, "", False, f"there is no node {one[:40]!r}") for one in wanted]


async def each(ids: Sequence[str], field: str, names: Mapping[str, str], work: Callable[[str], Awaitable[object]]) -> list[Outcome]:
    """`work` for each of these, in a transaction of its own: what it refuses is that one's outcome. `field` is what named them,
    `names`: id → name. Raises BadInput for none or more than MOST_EACH."""
    wanted = list(dict.fromkeys(ids))
    if not 1 <= len(wanted) <= MOST_EACH:
        raise BadInput(f"{field}: name 1 to {MOST_EACH}", field=field)
    done = []
    for one in wanted:
        try:
            await work(one)
            done.append(Outcome(one, names.get(one, "")))
        except OpsError as problem:
            done.append(Outcome(one, names.get(one, ""), False, problem.message))
    return done
