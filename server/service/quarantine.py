"""One certificate, two machines (DESIGN §4): noticed here, and resolved by somebody's word.

Each call says by a mark which machine it comes from (`host.wire.machine`). A mark that is not the node's own is judged:

    one card in common, no other board or installation   the same machine with a card replaced: taken over at once
    else, the known machine has been silent for QUIET_MS  its hardware was replaced, its disk moved: taken over, and noted
    else                                                  it claims the node and has to wait; nothing of it is lost
    the known machine calls while another claims the node two machines: quarantine
    a machine that was replaced before is back            two machines that take turns: quarantine

In quarantine neither is let in, reports included: both number their records alike, so those of one would be taken for what
the other has told already. Both keep what they have until somebody decides. *Split*: one of them keeps the node, the others
are told to enrol anew, with new keys. *Merge*: it is one machine after all; the node goes on with the mark that is named, and
is back in quarantine should another call again. Hosts whose daemon tells no mark are let in as ever.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from host.wire import machine
from host.wire.machine import Marks
from host.wire.states import OFFLINE, QUARANTINED
from server.auth import Caller
from server.db import Db, Row, Session
from server.errors import BadInput, Conflict, EnrolAnew, NodeUnknown, NotAllowed, OpsError, Unavailable
from server.service.audit import Audit
from server.service.in_service import IN_QUARANTINE
from server.service.machines import all_cards_new, same_marks
from server.service.nodes import Nodes
from server.wakeups import Wakeups, node

log = logging.getLogger("server.quarantine")

NOT_THIS_NODE = "this machine is a copy of another node's: it makes a new key and asks to be taken in as a node of its own"

OWN, CLAIMS, FORMER, SPLIT = "own", "claims", "former", "split"

QUIET_MS = 60_000
"""A machine that was there so recently may still be: a poll is held for less."""

IN_FLIGHT_MS = 5_000
"""What the known machine sent when the other one's first call came may arrive after it."""

FORGET_CLAIM_MS = 600_000
"""A claim that was not repeated for so long is none any more: the copy was ended before it could do harm."""

MOST_MACHINES = 20
"""Of one node so many are remembered: whoever holds its certificate may call with any mark."""

NOTE_EVERY_MS = 15_000
ASK_AGAIN_S = 15.0

SIMULTANEOUS, TAKES_TURNS = "two machines call at the same time", "a machine that was replaced is back"


@dataclass(frozen=True)
class Machine:
    """A machine that called as a node. `own`: the node is it. The last three are None when one of the two does not tell."""

    marks: str
    standing: str
    own: bool
    ip: str
    first_at: int
    last_at: int
    same_installation: bool | None
    same_board: bool | None
    cards_in_common: int | None


class Quarantine:
    def __init__(self, db: Db, audit: Audit, nodes: Nodes, wakeups: Wakeups) -> None:
        self._db, self._q, self._audit, self._nodes, self._wakeups = db, db.q.machines, audit, nodes, wakeups

    async def met(self, node_id: str, marks: str, ip: str, now: int) -> None:
        """A call as this node came from the machine with these marks. Returns when it may go on.

        Raises NotAllowed (quarantine), EnrolAnew (it was split off), Unavailable (it claims the node, and has to wait).
        """
        found = machine.read(marks)
        if found is None:
            return
        verdict: OpsError | None = await self._db.transaction(lambda session: self._judge(session, node_id, marks, found, ip, now))
        if isinstance(verdict, NotAllowed):
            self._wakeups.wake(node(node_id))  # it may have come into quarantine just now: a poll that is held looks again
        if verdict:
            raise verdict

    async def machines(self, node_id: str) -> list[Machine]:
        """The machines that called as this node, its own first; only its own calling, none was ever noted."""
        row = await self._db.row(self._db.q.nodes.by_id, {"id": node_id})
        if row is None:
            raise NodeUnknown(f"there is no node {node_id[:40]!r}")
        own = machine.read(row["machine"]) or Marks()
        found = [_machine(one, row["machine"], own) for one in await self._db.rows(self._q.of_node, {"node_id": node_id})]
        return sorted(found, key=lambda one: not one.own)

    async def split(self, caller: Caller, node_id: str, keep: str, now: int, since: int | None = None) -> None:
        """These are several machines: the one with the marks `keep` goes on as the node, the others enrol anew.

        `since`: the quarantine that was looked at (its `state_since`). Raises NodeUnknown, BadInput, Conflict.
        """
        await self._resolve(caller, node_id, keep, "keep", now, since, "node.split", SPLIT)

    async def merge(self, caller: Caller, node_id: str, marks: str, now: int, since: int | None = None) -> None:
        """It is one machine, and the one with these marks now: the node goes on with it. Raises as `split`."""
        await self._resolve(caller, node_id, marks, "machine", now, since, "node.merge", FORMER)

    async def take(self, session: Session, node_id: str, marks: str, now: int) -> None:
        """The node is another machine from now on, by somebody's word: what was known of others is forgotten."""
        row = await session.row(self._q.node, {"id": node_id})
        if row:
            await session.execute(self._q.delete_of_node, {"node_id": node_id})
            await session.execute(self._q.set_machine, {"id": node_id, "before": row["machine"], "machine": marks, "now": now})

    async def was_split(self, session: Session, marks: str) -> bool:
        """Whether a machine with these marks was told to enrol anew."""
        return bool(marks) and await session.row(self._q.split_off, {"marks": marks}) is not None

    # -- how it is judged -------------------------------------------------------------------------------------------

    async def _judge(self, session: Session, node_id: str, text: str, marks: Marks, ip: str, now: int) -> OpsError | None:
        """What to refuse the call with, if it is to be refused. All of one node's calls are judged one after another."""
        row = await session.row(self._q.node, {"id": node_id})
        if row is None:
            return None
        known = {one["marks"]: one for one in await session.rows(self._q.of_node, {"node_id": node_id})}
        if any(one["standing"] == SPLIT and same_marks(machine.read(one["marks"]) or Marks(), marks) for one in known.values()):
            await self._note(session, row, known, text, SPLIT, ip, now)
            return EnrolAnew(NOT_THIS_NODE)
        if row["state"] == QUARANTINED:
            standing = OWN if text == row["machine"] else known[text]["standing"] if text in known else CLAIMS
            await self._note(session, row, known, text, standing, ip, now)
            return NotAllowed(IN_QUARANTINE)
        if not row["machine"]:
            await self._become(session, row, text, now)
            return None
        if text == row["machine"]:
            return await self._own_calls(session, row, known, ip, now)
        own = machine.read(row["machine"]) or Marks()
        if same_marks(own, marks):
            await session.execute(self._q.delete_one, {"node_id": node_id, "marks": row["machine"]})
            await self._become(session, row, text, now)
            return None
        return await self._other_calls(session, row, known, text, ip, now, all_cards_new(own, marks))

    async def _own_calls(self, session: Session, row: Row, known: dict[str, Row], ip: str, now: int) -> OpsError | None:
        claims = [one for one in known.values() if one["standing"] == CLAIMS]
        stale = [one for one in claims if now - one["last_at"] > FORGET_CLAIM_MS]
        for one in stale:
            await session.execute(self._q.delete_one, {"node_id": row["id"], "marks": one["marks"]})
        rivals = [one for one in claims if one not in stale and now - one["first_at"] >= IN_FLIGHT_MS]
        if not rivals:
            return None
        await self._note(session, row, known, row["machine"], OWN, ip, now)
        return await self._quarantine(session, row, rivals[0]["marks"], rivals[0]["ip"], ip, SIMULTANEOUS, now)

    async def _other_calls(
        self, session: Session, row: Row, known: dict[str, Row], text: str, ip: str, now: int, all_new: bool
    ) -> OpsError | None:
        back = text in known and known[text]["standing"] == FORMER
        if back and not all_new:
            await self._note(session, row, known, text, CLAIMS, ip, now)
            if row["machine"] not in known:
                await self._insert(session, row, row["machine"], OWN, row["ip"], row["last_seen"])
            return await self._quarantine(session, row, text, ip, row["ip"], TAKES_TURNS, now)
        await self._note(session, row, known, text, CLAIMS, ip, now)
        if now - row["last_seen"] < QUIET_MS:
            what = "another machine was here as this node a moment ago; this one is let in when that one is gone"
            return Unavailable(what, retry_after=ASK_AGAIN_S)
        if row["machine"] in known:
            await session.execute(self._q.stand, {"node_id": row["id"], "marks": row["machine"], "standing": FORMER})
        else:
            await self._insert(session, row, row["machine"], FORMER, row["ip"], row["last_seen"])
        await self._become(session, row, text, now)
        await session.execute(self._q.stand, {"node_id": row["id"], "marks": text, "standing": OWN})
        detail = {"name": row["name"], "before": row["machine"], "now": text}
        await self._audit.record(session, Caller("node", row["id"], row["name"], ip), "node.machine", f"node {row['id']}", detail, now)
        return None

    async def _quarantine(self, session: Session, row: Row, other: str, other_ip: str, own_ip: str, why: str, now: int) -> OpsError:
        if await self._nodes.move(session, row["id"], QUARANTINED, now):
            detail = {"name": row["name"], "why": why, "known": row["machine"], "known_ip": own_ip, "other": other, "other_ip": other_ip}
            actor = Caller("node", row["id"], row["name"], other_ip)
            await self._audit.record(session, actor, "node.quarantine", f"node {row['id']}", detail, now)
            log.warning("node %s is in quarantine: %s (%s, %s)", row["name"], why, own_ip, other_ip)
        return NotAllowed(IN_QUARANTINE)

    async def _become(self, session: Session, row: Row, text: str, now: int) -> None:
        await session.execute(self._q.set_machine, {"id": row["id"], "before": row["machine"], "machine": text, "now": now})

    async def _note(self, session: Session, row: Row, known: dict[str, Row], text: str, standing: str, ip: str, now: int) -> None:
        """Who called, and when; not written at every call."""
        mine = known.get(text)
        if mine is None:
            if len(known) >= MOST_MACHINES:
                oldest = min((one for one in known.values() if one["marks"] != row["machine"]), key=lambda one: int(one["last_at"]))
                await session.execute(self._q.delete_one, {"node_id": row["id"], "marks": oldest["marks"]})
            await self._insert(session, row, text, standing, ip, now)
        elif mine["standing"] != standing or mine["ip"] != ip[:64] or now - mine["last_at"] >= NOTE_EVERY_MS:
            values = {"node_id": row["id"], "marks": text, "standing": standing, "ip": ip[:64], "now": now}
            await session.execute(self._q.touch, values)

    async def _insert(self, session: Session, row: Row, text: str, standing: str, ip: str, now: int) -> None:
        values = {"node_id": row["id"], "marks": text, "standing": standing, "ip": ip[:64], "now": now}
        # The node's own is noted only when another shows up; it was there from the beginning.
        await session.execute(self._q.insert, values | {"first": row["created_at"] if text == row["machine"] else now})

    # -- how it is resolved -----------------------------------------------------------------------------------------

    async def _resolve(
        self, caller: Caller, node_id: str, chosen: str, field: str, now: int, since: int | None, action: str, standing: str
    ) -> None:
        async def work(session: Session) -> None:
            row = await session.row(self._q.node, {"id": node_id})
            if row is None:
                raise NodeUnknown(f"there is no node {node_id[:40]!r}")
            if row["state"] != QUARANTINED:
                raise Conflict(f"the node {row['name']} is {row['state']} and not in quarantine")
            if since is not None and since != row["state_since"]:
                raise Conflict(f"the node {row['name']} was resolved meanwhile, and is in quarantine again; look at it anew")
            known = await session.rows(self._q.of_node, {"node_id": node_id})
            if chosen not in {one["marks"] for one in known}:
                raise BadInput(f"{field}: {chosen[:60]!r} is none of the machines that call as {row['name']}", field=field)
            for one in known:
                place = {"node_id": node_id, "marks": one["marks"], "standing": OWN if one["marks"] == chosen else standing}
                await session.execute(self._q.stand, place)
            leave = {"id": node_id, "machine": chosen, "since": row["state_since"], "now": now}
            if await session.execute(self._q.leave_quarantine, leave) != 1:
                raise Conflict("the node's state has changed; look again")
            await self._nodes.note_state(session, node_id, OFFLINE, now)
            others = [one["marks"] for one in known if one["marks"] != chosen]
            detail = {"name": row["name"], field: chosen, "others": others}
            await self._audit.record(session, caller, action, f"node {node_id}", detail, now)

        await self._db.transaction(work)


def _machine(one: Row, current: str, own: Marks) -> Machine:
    found = machine.read(one["marks"]) or Marks()
    return Machine(
        marks=one["marks"],
        standing=one["standing"],
        own=one["marks"] == current,
        ip=one["ip"],
        first_at=one["first_at"],
        last_at=one["last_at"],
        same_installation=own.installation == found.installation if own.installation and found.installation else None,
        same_board=own.board == found.board if own.board and found.board else None,
        cards_in_common=len(own.cards & found.cards) if own.cards and found.cards else None,
    )
