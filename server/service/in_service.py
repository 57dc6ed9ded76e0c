"""Whether a node is in service, asked within the transaction that stores what it tells.

Who calls was let in a moment ago. Until what it tells is stored, somebody may take the node out of service: then nothing of it
is stored, and the host is told why; it keeps what it has. The rows are locked against that until the transaction ends: whoever
retires or deletes the node waits so long, and then finds everything that was stored. Nodes come first in every transaction
that locks them, so that nobody waits in a circle.
"""

from __future__ import annotations

from collections.abc import Sequence

from host.wire.states import QUARANTINED, RETIRED
from server.db import Session
from server.errors import NotAllowed, NotAuthenticated, OpsError
from server.queries import Queries

IN_QUARANTINE = "this node is in quarantine: two machines call with its certificate; an administrator decides on its page"
IS_RETIRED = "this node was retired; an administrator can take it back into service, or enrol this host again with a new token"
IS_DELETED = "this node was deleted on the manager; enrol this host again with a new token"


def refusal(state: str | None) -> OpsError | None:
    """What the host of a node in this state is refused with; None for one that is in service. `state` is None when it is gone."""
    if state is None:
        return NotAuthenticated(IS_DELETED)
    if state == RETIRED:
        return NotAuthenticated(IS_RETIRED)
    return NotAllowed(IN_QUARANTINE) if state == QUARANTINED else None


async def refusals(session: Session, q: Queries, node_ids: Sequence[str]) -> dict[str, OpsError]:
    """Those of these nodes that are not in service, and why; the others stay in it until the transaction ends."""
    states = {row["id"]: row["state"] for row in await session.rows(q.nodes.keep, {"ids": node_ids})}
    return {node_id: problem for node_id in node_ids if (problem := refusal(states.get(node_id)))}


async def check(session: Session, q: Queries, node_id: str) -> None:
    """Raises NotAuthenticated, NotAllowed when the node is not in service."""
    for problem in (await refusals(session, q, [node_id])).values():
        raise problem
