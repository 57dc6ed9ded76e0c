"""What became of each of many: one that cannot be changed does not hold up the others, and is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.db import Db, Session
from server.errors import BadInput

MOST_NODES = 5_000
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
