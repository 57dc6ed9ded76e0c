"""Nodes out of service, back into it, and away for good (M1): what each does to the database, in one transaction for all of them.

The nodes' rows are locked before anything is decided, so that what was said of each is what became of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from host.wire.states import NODE, OFFLINE, PENDING, RETIRED, may_follow
from server.auth import Caller
from server.db import Db, Row, Session
from server.errors import Conflict
from server.ids import new_id
from server.service.audit import Audit
from server.service.outcomes import AUDIT_NODES, Outcome, known_nodes

WHY_CANCELED = "the node was retired"


async def retire(
    session: Session, db: Db, audit: Audit, caller: Caller, node_ids: Sequence[str], now: int, more: Mapping[str, Any]
) -> list[Outcome]:
    """Refuse their certificates from now on and cancel what waits for them; what became of each. One that is retired stays so.

    `more` goes into the audit entry.
    """
    done, states = await _locked(session, db, node_ids)
    done = [
        replace(one, ok=False, message=f"the node {one.name} waits for approval; reject it instead")
        if states.get(one.id) == PENDING
        else one
        for one in done
    ]
    going = [one for one in done if one.ok and states[one.id] != RETIRED]
    if going:
        ids = [one.id for one in going]
        await _move(session, db, ids, RETIRED, now)
        await session.execute(db.q.waiting.revoke_of_nodes, {"ids": ids, "now": now})
        await session.execute(db.q.waiting.cancel_of_nodes, {"ids": ids, "now": now, "reason": WHY_CANCELED})
        await _record(session, audit, caller, "node.retire", going, more, now)
    return done


async def restore(session: Session, db: Db, audit: Audit, caller: Caller, node_ids: Sequence[str], now: int) -> list[Outcome]:
    """Certificates that their retirement revoked are good again, unless they ended; what became of each."""
    done, states = await _locked(session, db, node_ids)
    done = [
        replace(one, ok=False, message=f"the node {one.name} is {states[one.id]} and not retired")
        if one.ok and states[one.id] != RETIRED
        else one
        for one in done
    ]
    coming = [one for one in done if one.ok]
    if coming:
        ids = [one.id for one in coming]
        # Before they move: the moment of their retirement says which certificates it revoked.
        good = await session.execute(db.q.waiting.give_back_certificates, {"ids": ids, "now": now})
        await _move(session, db, ids, OFFLINE, now)
        await _record(session, audit, caller, "node.restore", coming, {"certificates": good}, now)
    return done


async def erase(session: Session, db: Db, node_id: str, state: str) -> None:
    """Every row of a node that is in this state. Raises Conflict when it is in another."""
    q, organising, of_node = db.q.waiting, db.q.organising, {"node_id": node_id}
    if await session.execute(q.delete_node, of_node | {"state": state}) != 1:
        raise Conflict("the node's state has changed; look again")
    for query in (
        q.delete_output,
        q.delete_files,
        q.delete_command_files,
        q.delete_commands,
        q.delete_certificates,
        q.delete_lanes,
        q.delete_drops,
        q.delete_metrics,
        q.delete_plugin_metrics,
        q.delete_rollups,
        q.delete_plugin_rollups,
        q.delete_detail_rollups,
        q.delete_rollups_due,
        q.delete_logs,
        q.delete_events,
        q.delete_agent,
        q.delete_daemon,
        q.delete_kinds,
        q.delete_updates,
        q.delete_members,
        q.delete_field_values,
        q.delete_notes,
        q.delete_states,
        q.delete_audit_nodes,
        db.q.machines.delete_of_node,
        organising.delete_facts,
        organising.delete_addresses,
        organising.delete_tags,
    ):
        await session.execute(query, of_node)


async def _locked(session: Session, db: Db, node_ids: Sequence[str]) -> tuple[list[Outcome], dict[str, str]]:
    """One outcome for each that was named, and the states of those that there are. Raises BadInput for none or too many."""
    states = {row["id"]: row["state"] for row in await session.rows(db.q.nodes.lock, {"ids": node_ids})}
    return await known_nodes(session, db, node_ids), states


async def _move(session: Session, db: Db, ids: Sequence[str], state: str, now: int) -> None:
    change = {"ids": ids, "state": state, "from_states": may_follow(NODE, state), "now": now}
    if await session.execute(db.q.nodes.move_all, change) != len(ids):
        raise Conflict("some of these nodes changed their state at the same moment; look again")
    notes: list[Row] = [{"id": new_id(now), "node_id": node_id, "state": state, "now": now} for node_id in ids]
    await session.insert_rows(db.q.nodes.note_state, notes)


async def _record(
    session: Session, audit: Audit, caller: Caller, action: str, changed: Sequence[Outcome], more: Mapping[str, Any], now: int
) -> None:
    ids = [one.id for one in changed]
    single = len(ids) == 1
    detail: dict[str, Any] = {"name": changed[0].name} if single else {"nodes": ids[:AUDIT_NODES], "count": len(ids)}
    await audit.record(session, caller, action, f"node {ids[0]}" if single else "nodes", {**detail, **more}, now, nodes=ids)
