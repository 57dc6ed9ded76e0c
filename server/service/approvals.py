"""Hosts that ask to be taken in without a token wait here for somebody's word (M1, DESIGN §4).

A host that asks becomes a node in the state `pending`: it has no certificate, so it can do nothing. People compare its key
with what its daemon logs. Approved, its next question is answered with a certificate; approved as a machine that was known
before, it goes on as that node with its history; rejected, its key is remembered and asks in vain.
"""

from __future__ import annotations

from host.wire.machine import marks_of
from host.wire.messages import EnrollAnswer, EnrollRequest
from host.wire.states import OFFLINE, PENDING
from server.auth import Caller
from server.db import Db, Row, Session
from server.errors import BadInput, Conflict, NodeUnknown, NotAuthenticated
from server.ids import new_id
from server.keys import public_key_hash
from server.service import waiting_list
from server.service.audit import Audit
from server.service.enrolment import Enrolment
from server.service.enrolment_texts import check_protocol
from server.service.facts import facts_of
from server.service.machines import read_fingerprint
from server.service.nodes import Nodes
from server.service.quarantine import Quarantine
from server.service.reimage import Reimage

FORGET_MS = 7 * 86_400_000
"""A host that has not asked for so long is dropped from the list; it may ask again."""

ASK_AGAIN_S = 30.0


class Approvals:
    def __init__(
        self, db: Db, audit: Audit, enrolment: Enrolment, nodes: Nodes, quarantine: Quarantine, reimage: Reimage, allowed: bool
    ) -> None:
        self._reimage = reimage
        self._db, self._q, self._audit, self._quarantine = db, db.q.waiting, audit, quarantine
        self._enrolment, self._nodes, self._allowed = enrolment, nodes, allowed

    async def ask(self, request: EnrollRequest, ip: str, now: int) -> EnrollAnswer | None:
        """The answer for a host that was approved; None while it waits.

        Raises BadInput, NotAuthenticated (only with a token here), NotAllowed (rejected), TooMany.
        """
        check_protocol(request.protocol)
        public_key = public_key_hash(request.csr)

        async def work(session: Session) -> EnrollAnswer | None:
            known = await session.row(self._db.q.enrolment.certificate_by_key, {"public_key": public_key})
            if known and known["revoked_at"] is None:
                return self._enrolment.answer(known["node_id"], known["name"], known["certificate"], now)
            if known:
                raise NotAuthenticated("this key was enrolled before; remove the host's identity folder and enrol again")
            if not self._allowed and not await self._quarantine.was_split(session, marks_of(request.fingerprint)):
                raise NotAuthenticated("this manager takes hosts in with an enrolment token only; make one there")
            if await waiting_list.asks_again(session, self._db, public_key, now):
                return None
            await waiting_list.check_room(session, self._db)
            await self._take_down(session, request, public_key, ip, now)
            return None

        return await self._db.transaction(work)

    async def waiting(self) -> list[Row]:
        """Who waits, longest first: the node with `facts` and `fingerprint` decoded, its `public_key`, and `same_as` with
        `same_name` and `same_state` where it looks like a machine known here."""
        return [
            {**row, "facts": facts_of(row), "fingerprint": read_fingerprint(row["fingerprint"])}
            for row in await self._db.rows(self._q.page)
        ]

    async def approve(self, caller: Caller, node_id: str, now: int, same_as: str = "") -> str:
        """Take a host in, as a new node or as the known one `same_as`; the id of the node that it is now.

        Raises Conflict (it does not wait any more), NodeUnknown, BadInput (`same_as` waits itself).
        """
        now_is = same_as or node_id

        async def work(session: Session) -> None:
            request = await self._request(session, node_id)
            pending = await session.row(self._db.q.nodes.by_id, {"id": node_id})
            assert pending is not None, "a request's node is a row"
            detail = {"name": pending["name"], "key": request["public_key"]}
            if same_as:
                # Locked from here on: a renewal that is under way must not leave a certificate behind that nobody revoked.
                known = await session.row(self._db.q.machines.node, {"id": same_as})
                if known is None:
                    raise NodeUnknown(f"there is no node {same_as[:40]!r}", field="same_as")
                if known["state"] == PENDING:
                    raise BadInput("same_as: this node waits for approval itself", field="same_as")
                found = read_fingerprint(pending["fingerprint"])
                await self._reimage.take_over(session, known, found, facts_of(pending), pending["ip"], now)
                await self._nodes.erase(session, node_id, PENDING)
                detail |= {"same_as": same_as, "was": known["name"]}
            elif not await self._nodes.move(session, node_id, OFFLINE, now):
                raise Conflict("this host does not wait for approval any more")
            await self._enrolment.certify(session, now_is, request["csr"], request["public_key"], now, request["token_id"] or None)
            await session.execute(self._q.delete_request, {"public_key": request["public_key"]})
            await self._audit.record(session, caller, "node.approve", f"node {now_is}", detail, now)

        await self._db.transaction(work)
        return now_is

    async def reject(self, caller: Caller, node_id: str, now: int) -> None:
        """Refuse a host for good: its key is remembered. Raises Conflict when it does not wait any more."""

        async def work(session: Session) -> None:
            request = await self._request(session, node_id)
            await session.execute(self._q.reject, {"public_key": request["public_key"], "now": now, "who": caller.name})
            await self._nodes.erase(session, node_id, PENDING)
            detail = {"key": request["public_key"]}
            await self._audit.record(session, caller, "node.reject", f"node {node_id}", detail, now, nodes=())

        await self._db.transaction(work)

    async def forget(self, now: int) -> int:
        """Drop those that have not asked for FORGET_MS; how many."""
        rows = await self._db.rows(self._q.silent, {"before": now - FORGET_MS})

        async def work(session: Session) -> None:
            for row in rows:
                await session.execute(self._q.delete_request, {"public_key": row["public_key"]})
                await self._nodes.erase(session, row["node_id"], PENDING)

        if rows:
            await self._db.transaction(work)
        return len(rows)

    async def _request(self, session: Session, node_id: str) -> Row:
        row = await session.row(self._q.by_node, {"node_id": node_id})
        if row is None:
            if await session.row(self._db.q.nodes.by_id, {"id": node_id}) is None:
                raise NodeUnknown(f"there is no node {node_id[:40]!r}")
            raise Conflict("this host does not wait for approval any more")
        return row

    async def _take_down(self, session: Session, request: EnrollRequest, public_key: str, ip: str, now: int) -> None:
        node_id = new_id(now)
        known = await self._reimage.known(session, request.fingerprint)
        name = await self._enrolment.new_node(session, node_id, request, "{}", PENDING, ip, now)
        row: Row = {"public_key": public_key, "node_id": node_id, "csr": request.csr, "ip": ip, "token_id": "", "now": now}
        await waiting_list.put(session, self._db, self._audit, row | {"same_as": known["id"] if known else ""}, name)
