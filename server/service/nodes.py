"""Nodes as people see them: list, details, agent, log, retirement (M1)."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from host.wire.messages import Facts
from host.wire.states import NODE, ONLINE, RETIRED, may_follow
from server.auth import Caller
from server.db import Db, Row, Session
from server.errors import BadInput, Conflict, NodeUnknown
from server.ids import new_id
from server.selector import Condition
from server.service import retirement
from server.service.audit import Audit
from server.service.facts import facts_of, facts_text, main_address
from server.service.node_index import NodeIndex
from server.service.outcomes import Outcome
from server.service.page import Order, Page, containing, ordered
from server.service.protection import confirmed
from server.wakeups import Wakeups, node

SORTS = {name: f"n.{name}" for name in ("name", "hostname", "ip", "state", "state_since", "last_seen", "daemon_version")}
SORTS |= {"os": "f.os", "arch": "f.arch", "agent_state": "a.state", "agent_version": "a.version"}
CONFIGURATION_EVENT = "configuration"
STARTED_EVENT = "daemon.started"
"""A daemon has told another start of its own than before; the event's time is that start."""

CONFIGURATIONS = 50


class Change(msgspec.Struct):
    """The detail of such an event."""

    hash: str
    note: str


class Nodes:
    def __init__(self, db: Db, audit: Audit, wakeups: Wakeups, index: NodeIndex) -> None:
        self._db, self._q, self._audit, self._wakeups, self._index = db, db.q.nodes, audit, wakeups, index

    async def page(self, *, q: str, state: str, limit: int, offset: int, selected: Condition | None = None, order: Order = ()) -> Page:
        """Nodes by name. `q` is looked for in name, address and tags, `selected` is a selector's condition (selections.py);
        retired ones only when asked for by state or selector."""
        params = _params(q, state, selected)
        page, count = ordered(self._q.page, SORTS, order), self._q.total
        if selected:
            page, count, params = page.narrowed(selected), count.narrowed(selected), params | selected.params
        rows = await self._db.rows(page, {**params, "limit": limit, "offset": offset})
        total = await self._db.row(count, params)
        return Page([_shown(row) for row in rows], total["total"] if total else 0)

    async def matching(self, *, q: str, state: str, selected: Condition | None = None, order: Order = ()) -> list[Row]:
        """`id`, `name` and `state` of all that `page` would go through, in its order: what matches now, whatever matches later."""
        params, query = _params(q, state, selected), ordered(self._q.matching, SORTS, order)
        if selected:
            query, params = query.narrowed(selected), params | selected.params
        return await self._db.rows(query, params)

    async def exported(self, ids: Sequence[str]) -> list[Row]:
        """Those of these that are there, in this order, with facts and tags decoded."""
        found = {row["id"]: _shown(row) for row in await self._db.rows(self._q.exported, {"ids": ids})} if ids else {}
        return [found[one] for one in ids if one in found]

    async def counts(self) -> dict[str, int]:
        """State → how many nodes are in it."""
        return {row["state"]: row["total"] for row in await self._db.rows(self._q.count_by_state)}

    async def get(self, node_id: str) -> Row:
        """One node with facts and tags decoded. Raises NodeUnknown."""
        row = await self._db.row(self._q.by_id, {"id": node_id})
        if row is None:
            raise NodeUnknown(f"there is no node {node_id[:40]!r}")
        return _shown(row)

    async def names(self, ids: Collection[str]) -> dict[str, str]:
        """Id → name, of those that there are."""
        return {row["id"]: row["name"] for row in await self._db.rows(self._q.by_ids, {"ids": list(ids)})} if ids else {}

    async def agent(self, node_id: str) -> Row:
        """The agent as its daemon last told. Raises NodeUnknown."""
        row = await self._db.row(self._db.q.reports.agent, {"node_id": node_id})
        if row is None:
            raise NodeUnknown(f"there is no node {node_id[:40]!r}")
        return row

    async def daemon(self, node_id: str) -> Row:
        """How it stands with the node's daemon: `health` decoded, configuration in force. Empty when it has told nothing yet."""
        row = await self._db.row(self._db.q.reports.daemon, {"node_id": node_id})
        return {**row, "health": json.loads(row["health"])} if row else {}

    async def configurations(self, node_id: str) -> list[Row]:
        """Which configuration came in force when, newest first: `at`, `hash`, `note`."""
        wanted = {"node_id": node_id, "name": CONFIGURATION_EVENT, "limit": CONFIGURATIONS}
        rows = await self._db.rows(self._db.q.reports.events_named, wanted)
        found = []
        for row in rows:
            if change := change_of(row["detail"]):
                found.append({"at": row["at"], "hash": change.hash, "note": change.note})
        return found

    async def enrolled_since(self, since: int) -> list[Row]:
        """The newest nodes that came at `since` (UTC ms) or later."""
        return await self._db.rows(self._q.enrolled_since, {"since": since})

    async def drops(self, node_id: str) -> list[Row]:
        """Ranges of records that the host had to let go of, and why (D3)."""
        return await self._db.rows(self._q.drops, {"node_id": node_id})

    async def update_facts(self, session: Session, node_id: str, facts: Facts, ip: str, now: int) -> None:
        row = {
            "id": node_id,
            "hostname": facts.hostname[:255],
            "ip": main_address(facts, ip),
            "facts": facts_text(facts),
            "daemon_version": facts.daemon_version[:32],
            "now": now,
        }
        await session.execute(self._q.update_facts, row)
        known = await session.row(self._q.by_id, {"id": node_id})
        if known:
            await self._index.tell(session, known)

    async def move(self, session: Session, node_id: str, state: str, now: int) -> bool:
        """Compare-and-set; False when the node is in a state from which it may not."""
        params = {"id": node_id, "state": state, "from_states": may_follow(NODE, state), "now": now}
        moved = await session.execute(self._q.move, params) == 1
        if moved:
            await self.note_state(session, node_id, state, now)
        return moved

    async def note_state(self, session: Session, node_id: str, state: str, now: int) -> None:
        """For its timeline; belongs into each transaction that changes a node's state."""
        await session.execute(self._q.note_state, {"id": new_id(now), "node_id": node_id, "state": state, "now": now})

    async def forget_states(self, before: int) -> None:
        """Delete changes of state older than `before`."""
        await self._db.transaction(lambda session: session.execute(self._q.delete_states_before, {"before": before}))

    async def retire(self, caller: Caller, node_id: str, now: int, confirm: Sequence[str] = ()) -> None:
        """Take a node out of service: its certificate is refused from now on, what waits for it is canceled.

        Its history stays. Raises NodeUnknown; Conflict for one that waits for approval, or as `retire_all`.
        """
        _well(await self.retire_all(caller, [node_id], now, confirm))

    async def retire_all(self, caller: Caller, node_ids: Sequence[str], now: int, confirm: Sequence[str] = ()) -> list[Outcome]:
        """The same with many; what became of each.

        Raises BadInput; Conflict where `confirm` lacks the name of a protected group that holds any of them (protection.py).
        """

        async def work(session: Session) -> list[Outcome]:
            guards = await confirmed(session, self._db.q, node_ids, confirm)
            return await retirement.retire(session, self._db, self._audit, caller, node_ids, now, guards)

        return self._rung(await self._db.transaction(work))

    async def waiting(self, node_ids: Sequence[str]) -> int:
        """How many commands their retirement would cancel."""
        row = await self._db.row(self._db.q.waiting.unfetched, {"ids": node_ids})
        return row["total"] if row else 0

    async def restore(self, caller: Caller, node_id: str, now: int) -> None:
        """Take a retired node back into service: the certificates that its retirement revoked are good again, unless they ended.

        Raises NodeUnknown, Conflict (it is not retired).
        """
        _well(await self.restore_all(caller, [node_id], now))

    async def restore_all(self, caller: Caller, node_ids: Sequence[str], now: int) -> list[Outcome]:
        """The same with many; what became of each. Raises BadInput."""
        return await self._db.transaction(lambda session: retirement.restore(session, self._db, self._audit, caller, node_ids, now))

    async def delete(self, caller: Caller, node_id: str, confirm: str, now: int) -> None:
        """Delete a retired node with all that is kept of it; the audit log stays.

        Raises NodeUnknown, Conflict (it is not retired), BadInput (`confirm` is not its name).
        """
        row = await self.get(node_id)
        if row["state"] != RETIRED:
            raise Conflict(f"the node {row['name']} is {row['state']}; retire it first")
        if confirm != row["name"]:
            raise BadInput(f"confirm: type the node's name, {row['name']}, to delete it with its data", field="confirm")

        async def work(session: Session) -> None:
            await self.erase(session, node_id, RETIRED)
            await self._audit.record(session, caller, "node.delete", f"node {node_id}", {"name": row["name"]}, now, nodes=())

        await self._db.transaction(work)
        self._wakeups.wake(node(node_id))

    async def retire_long_gone(self, days: int, now: int) -> int:
        """Retire nodes that were offline for `days`; how many. 0 days: none."""
        if days < 1:
            return 0
        rows = await self._db.rows(self._db.q.waiting.long_gone, {"before": now - days * 86_400_000})
        gone = [row["id"] for row in rows]
        if gone:
            by, why = Caller("node", "", "manager"), {"offline_days": days}
            # Nobody is there to be asked: the setting has said it of protected ones too.
            self._rung(await self._db.transaction(lambda session: retirement.retire(session, self._db, self._audit, by, gone, now, why)))
        return len(gone)

    async def erase(self, session: Session, node_id: str, state: str) -> None:
        """Every row of a node that is in this state. Raises Conflict when it is in another."""
        await retirement.erase(session, self._db, node_id, state)

    def _rung(self, done: list[Outcome]) -> list[Outcome]:
        for one in done:
            self._wakeups.wake(node(one.id))
        return done


def _well(done: Sequence[Outcome]) -> None:
    for one in done:
        if not one.ok:
            raise Conflict(one.message) if one.name else NodeUnknown(one.message)


def change_of(detail: str) -> Change | None:
    """What such an event tells; None where a host uses the name for an event of its own, with any text in it."""
    try:
        return msgspec.json.decode(detail, type=Change)
    except msgspec.DecodeError:
        return None


def _params(q: str, state: str, selected: Condition | None) -> Row:
    """Raises BadInput."""
    if state and state not in NODE:
        raise BadInput(f"state: {state!r} is unknown; use one of {', '.join(sorted(NODE))}", field="state")
    return {"state": state, "pattern": containing(q), "selected": int(selected is not None)}


def _shown(row: Row) -> Row:
    facts: Facts = facts_of(row)
    tags: dict[str, Any] = json.loads(row["tags"])
    return {**row, "facts": facts, "tags": tags, "online": row["state"] == ONLINE}
