"""How a host becomes a node (D4, DESIGN §4): tokens, certificates, and who a certificate belongs to.

A token is `ops1.<secret>.<SHA-256 of the CA certificate>`: with it alone a host can find out that it talks to the
right manager. It is stored hashed, ends, and has a number of uses. The same key asking again with the same token is
the same host whose answer was lost: it gets the same certificate and uses nothing up.

A certificate is renewed over a connection that proves the old one. The old one serves until a connection proves the
new one; from then on all older ones are revoked.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from host.wire.machine import marks_of
from host.wire.messages import EnrollAnswer, EnrollRequest, RenewAnswer
from host.wire.states import OFFLINE, PENDING, QUARANTINED, RETIRED
from server.auth import Caller, nobody
from server.db import Along, Db, Row, Session
from server.errors import BadInput, Conflict, NodeUnknown, NotAuthenticated
from server.ids import new_id, new_secret
from server.keys import Keys, public_key_hash
from server.service import waiting_list
from server.service.arrivals import Arrivals
from server.service.audit import Audit
from server.service.enrolment_texts import check_protocol, fingerprint_text, plain_name
from server.service.facts import facts_text, main_address
from server.service.in_service import IS_RETIRED, check, refusal
from server.service.node_index import NodeIndex
from server.service.quarantine import Quarantine
from server.service.reimage import Reimage, there

log = logging.getLogger("server.enrolment")

TOKEN_PREFIX = "ops1."
WAITS = "it waits for approval: its hardware is that of a node that is known here"
MAX_HOURS = 24 * 30
MAX_TAGS = 64


@dataclass(frozen=True)
class Token:
    id: str
    token: str
    uses: int
    expires_at: int


class Enrolment:
    def __init__(
        self,
        db: Db,
        audit: Audit,
        keys: Keys,
        index: NodeIndex,
        quarantine: Quarantine,
        reimage: Reimage,
        arrivals: Arrivals,
        certificate_days: int,
    ) -> None:
        self._reimage = reimage
        self._arrivals = arrivals
        self._db, self._q, self._nodes, self._quarantine = db, db.q.enrolment, db.q.nodes, quarantine
        self._audit, self._keys, self._index, self._days = audit, keys, index, certificate_days

    async def create_token(
        self,
        caller: Caller,
        uses: int,
        hours: float,
        note: str,
        tags: dict[str, str],
        now: int,
        name: str = "",
        along: Along[Token] | None = None,
        *,
        node: str = "",
    ) -> Token:
        """A token for `uses` hosts within `hours`; with a `name` for the one host that becomes the node of this name; with `node`,
        an id, for that node's machine when it is installed anew (reimage.py).

        Raises BadInput; Conflict when there is a node of that name already; NodeUnknown.
        """
        if not 1 <= uses <= 10_000:
            raise BadInput("uses: between 1 and 10000 hosts", field="uses")
        if not 0 < hours <= MAX_HOURS:
            raise BadInput(f"hours: more than 0 and at most {MAX_HOURS}", field="hours")
        if len(tags) > MAX_TAGS or not all(1 <= len(key) <= 64 and len(value) <= 255 for key, value in tags.items()):
            raise BadInput(f"tags: at most {MAX_TAGS}, names of 1 to 64 and values of up to 255 characters", field="tags")
        name = name.strip()
        if node and (uses != 1 or name):
            raise BadInput("node: a token for a machine installed anew has one use, and no other name", field="node")
        if name and uses != 1:
            raise BadInput("name: a token for one named host has one use", field="name")
        if len(name) > 180 or name != plain_name(name):
            raise BadInput("name: at most 180 characters, none of them a space or one of % _ \\ < > \" ' &", field="name")
        secret = new_secret("")
        token_id, expires = new_id(now), now + int(hours * 3_600_000)

        async def work(session: Session) -> Token:
            if name and name in {row["name"] for row in await session.rows(self._nodes.names_like, {"name": name, "pattern": name})}:
                raise Conflict(f"name: there is a node {name} already", field="name")
            again = await session.row(self._nodes.by_id, {"id": node}) if node else None
            if node and again is None:
                raise NodeUnknown(f"there is no node {node[:40]!r}", field="node")
            if again and again["state"] == PENDING:
                raise Conflict(f"the node {again['name']} waits for approval itself", field="node")
            row = {
                "id": token_id,
                "node_name": name,
                "for_node": node,
                "hash": self._keys.seals.token(secret),
                "note": note[:255],
                "tags": json.dumps(tags),
                "uses": uses,
            }
            row |= {"expires_at": expires, "created_by": caller.id, "now": now}
            await session.execute(self._q.insert_token, row)
            detail = {"uses": uses, "expires_at": expires, "note": note[:255], "tags": tags} | ({"name": name} if name else {})
            detail |= {"node": node, "name": again["name"]} if again else {}
            await self._audit.record(
                session, caller, "enrolment.token", f"enrolment token {token_id}", detail, now, nodes=[node] if node else ()
            )
            return Token(token_id, f"{TOKEN_PREFIX}{secret}.{self._keys.ca_pin}", uses, expires)

        return await self._db.transaction(work, along)

    async def enroll(self, request: EnrollRequest, ip: str, now: int) -> EnrollAnswer | None:
        """Take a host in; None when it has to wait for somebody's word, because it looks like a node that is known (reimage.py).

        Raises NotAuthenticated (token), NotAllowed (rejected), TooMany, BadInput (request).
        """
        check_protocol(request.protocol)
        token_hash = self._keys.seals.token(_secret_of(request.token))
        public_key = public_key_hash(request.csr)

        found: Row | None = None

        async def work(session: Session) -> EnrollAnswer | None:
            nonlocal found
            token = found = await session.row(self._q.token_by_hash, {"hash": token_hash})
            if token is None:
                raise NotAuthenticated("the enrolment token is unknown; make a new one on the manager")
            known = await session.row(self._q.certificate_by_key, {"public_key": public_key})
            if known and known["token_id"] == token["id"] and known["revoked_at"] is None:
                return self.answer(known["node_id"], known["name"], known["certificate"], now)
            if known:
                raise NotAuthenticated("this key was enrolled before; remove the host's identity folder and enrol with a new token")
            asked = await session.row(self._db.q.waiting.by_key, {"public_key": public_key})
            if asked and asked["token_id"] == token["id"]:
                await waiting_list.asks_again(session, self._db, public_key, now)
                return None
            if await session.execute(self._q.use_token, {"id": token["id"], "now": now}) != 1:
                raise NotAuthenticated(f"the enrolment token {_why_not(token, now)}; make a new one on the manager")
            return await self._decide(session, request, token, public_key, ip, now)

        try:
            answer = await self._db.transaction(work)
            if answer is None and found:
                await self._arrivals.refuse(found["id"], request.facts.hostname, ip, WAITS, now)
            return answer
        except NotAuthenticated as problem:
            # For whoever watches the token: a host that is turned away says so in its own log only.
            if found:
                await self._arrivals.refuse(found["id"], request.facts.hostname, ip, problem.message, now)
            raise

    async def caller(self, certificate_der: bytes | None, ip: str, now: int, machine: str = "") -> Caller:
        """The node whose certificate the connection proved; its `credential` is the certificate's fingerprint. `machine` is the
        mark that came with the call (`host.wire.machine`), "" of a host that tells none.

        Raises NotAuthenticated with the reason; NotAllowed for a node in quarantine, which is told nothing else; and what
        `Quarantine.met` raises for another machine than the node's.
        """
        if certificate_der is None:
            return nobody(ip)
        row = await self._db.row(self._q.caller, {"fingerprint": hashlib.sha256(certificate_der).hexdigest()})
        if row is None:
            raise NotAuthenticated("this certificate is not one of a node here; enrol again")
        if row["state"] == RETIRED:
            raise NotAuthenticated(IS_RETIRED)
        if row["revoked_at"] is not None:
            raise NotAuthenticated("this node's certificate was revoked; enrol again with a new token")
        if row["not_after"] <= now:
            raise NotAuthenticated("this node's certificate has ended; enrol again with a new token")
        if machine and (machine != row["machine"] or row["claims"] or row["state"] == QUARANTINED):
            await self._quarantine.met(row["node_id"], machine, ip, now)
        if problem := refusal(row["state"]):
            raise problem
        caller = Caller("node", row["node_id"], row["name"], ip, credential=row["fingerprint"], node_state=row["state"])
        if row["older"]:
            await self._retire_older(caller, row["created_at"], now)
        return caller

    async def renew(self, caller: Caller, csr: str, now: int) -> RenewAnswer:
        """A new certificate for the node that calls; its old one serves until the new one is used.

        The same key asking again gets the same certificate. Raises BadInput when the CSR is none, or its key is not new.
        """
        public_key = public_key_hash(csr)

        async def work(session: Session) -> str:
            await check(session, self._db.q, caller.id)
            mine = await session.row(self._q.caller, {"fingerprint": caller.credential})
            if mine is None or mine["revoked_at"] is not None:
                raise NotAuthenticated("this node's certificate was revoked; enrol again with a new token")
            known = await session.row(self._q.certificate_by_key, {"public_key": public_key})
            if known:
                if known["node_id"] != caller.id or known["fingerprint"] == caller.credential or known["revoked_at"] is not None:
                    raise BadInput("csr: a renewal needs a key that was never used here", field="csr")
                return str(known["certificate"])
            # What was made before and never used is given up: a host has at most two certificates that are good.
            await session.execute(self._q.revoke_newer, {"node_id": caller.id, "created_at": mine["created_at"], "now": now})
            newest = await session.row(self._q.newest, {"node_id": caller.id})
            assert newest is not None, "the caller's own certificate is a row"
            certificate = self._keys.issue(csr, caller.id, self._days, now)
            row = self._certificate_row(certificate, caller.id, public_key, None)
            # Their order decides which one is old, also when this manager's clock was set back.
            await session.execute(self._q.insert_certificate, row | {"now": max(now, newest["newest"] + 1)})
            detail = {"name": caller.name, "not_after": row["not_after"]}
            await self._audit.record(session, caller, "node.renew", f"node {caller.id}", detail, now)
            return str(row["certificate"])

        return RenewAnswer(await self._db.transaction(work), self._keys.ca_pem, now)

    async def _retire_older(self, caller: Caller, created_at: int, now: int) -> None:
        """The first use of a renewed certificate ends the ones before it; of several first uses at once, one does it."""

        async def work(session: Session) -> int:
            ended = await session.execute(self._q.revoke_older, {"node_id": caller.id, "created_at": created_at, "now": now})
            if ended:
                detail = {"name": caller.name, "revoked": ended, "in_use": caller.credential}
                await self._audit.record(session, caller, "node.certificate", f"node {caller.id}", detail, now)
            return ended

        if await self._db.transaction(work):
            log.info("node %s uses its new certificate; the older ones are revoked", caller.name)

    async def _decide(
        self, session: Session, request: EnrollRequest, token: Row, public_key: str, ip: str, now: int
    ) -> EnrollAnswer | None:
        """Which node it is: the one that the token was made for, a new one, or whichever somebody says. The token was used."""
        if token["for_node"]:
            known, at_once = await self._reimage.of_token(session, token["for_node"], request.fingerprint, now)
            if known is None:
                raise NotAuthenticated("the node that this enrolment token is for was deleted; make a new one on the manager")
            if at_once:
                return await self._go_on(session, request, token, known, public_key, ip, now)
            await self._wait(session, request, token, known["id"], public_key, ip, now)
            return None
        known = None if token["node_name"] else await self._reimage.known(session, request.fingerprint)
        if known and not there(known, now):
            await self._wait(session, request, token, known["id"], public_key, ip, now)
            return None
        return await self._take_in(session, request, token, public_key, ip, now)

    async def _go_on(
        self, session: Session, request: EnrollRequest, token: Row, known: Row, public_key: str, ip: str, now: int
    ) -> EnrollAnswer:
        await self._reimage.take_over(session, known, request.fingerprint, request.facts, ip, now)
        certificate = await self.certify(session, known["id"], request.csr, public_key, now, token["id"])
        detail = {"name": known["name"], "token": token["id"], "installed_anew": True}
        actor = Caller("node", known["id"], known["name"], ip)
        await self._audit.record(session, actor, "node.enrol", f"node {known['id']}", detail, now)
        return self.answer(known["id"], known["name"], certificate, now)

    async def _wait(self, session: Session, request: EnrollRequest, token: Row, same_as: str, public_key: str, ip: str, now: int) -> None:
        held = {"public_key": public_key, "same_as": same_as, "token_id": token["id"], "now": now}
        if await waiting_list.asks_again(session, self._db, public_key, now):
            await session.execute(self._db.q.waiting.vouched, held)  # it asked before somebody gave it a token
            return
        await waiting_list.check_room(session, self._db)
        node_id = new_id(now)
        name = await self.new_node(session, node_id, request, token["tags"], PENDING, ip, now)
        await waiting_list.put(session, self._db, self._audit, held | {"node_id": node_id, "csr": request.csr, "ip": ip}, name)

    async def _take_in(self, session: Session, request: EnrollRequest, token: Row, public_key: str, ip: str, now: int) -> EnrollAnswer:
        node_id = new_id(now)
        name = await self.new_node(session, node_id, request, token["tags"], OFFLINE, ip, now, token["node_name"])
        certificate = await self.certify(session, node_id, request.csr, public_key, now, token["id"])
        actor = Caller("node", node_id, name, ip)
        await self._audit.record(session, actor, "node.enrol", f"node {node_id}", {"name": name, "token": token["id"]}, now)
        return self.answer(node_id, name, certificate, now)

    async def new_node(
        self, session: Session, node_id: str, request: EnrollRequest, tags: str, state: str, ip: str, now: int, name: str = ""
    ) -> str:
        """A host's row under `name`, or one made of its host name, or the next to it that is free; the name."""
        name = await self._free_name(session, name or request.facts.hostname)
        node = {
            "id": node_id,
            "name": name,
            "hostname": request.facts.hostname[:255],
            "ip": main_address(request.facts, ip),
            "tags": tags,
            "state": state,
            "facts": facts_text(request.facts),
            "fingerprint": fingerprint_text(request.fingerprint),
            "machine": marks_of(request.fingerprint),
            "daemon_version": request.facts.daemon_version[:32],
            "last_seen": now,
            "now": now,
        }
        await session.execute(self._nodes.insert, node)
        await self._index.tell(session, node)
        await session.execute(self._db.q.reports.new_agent, {"node_id": node_id})
        return name

    async def certify(self, session: Session, node_id: str, csr: str, public_key: str, now: int, token_id: str | None = None) -> str:
        """A first certificate for a node's key, PEM."""
        row = self._certificate_row(self._keys.issue(csr, node_id, self._days, now), node_id, public_key, token_id)
        newest = await session.row(self._q.newest, {"node_id": node_id})
        # Their order decides which one is old, also when one was given in the same millisecond.
        at = max(now, newest["newest"] + 1) if newest and newest["newest"] else now
        await session.execute(self._q.insert_certificate, row | {"now": at})
        return str(row["certificate"])

    @staticmethod
    def _certificate_row(certificate: x509.Certificate, node_id: str, public_key: str, token_id: str | None) -> Row:
        return {
            "fingerprint": certificate.fingerprint(hashes.SHA256()).hex(),
            "node_id": node_id,
            "public_key": public_key,
            "certificate": certificate.public_bytes(serialization.Encoding.PEM).decode(),
            "token_id": token_id,
            "not_after": int(certificate.not_valid_after_utc.timestamp() * 1000),
        }

    async def _free_name(self, session: Session, hostname: str) -> str:
        wanted = plain_name(hostname) or "host"
        rows = await session.rows(self._nodes.names_like, {"name": wanted, "pattern": f"{wanted}-%"})
        taken = {row["name"] for row in rows}
        return next(name for name in [wanted, *(f"{wanted}-{i}" for i in range(2, len(taken) + 3))] if name not in taken)

    def answer(self, node_id: str, name: str, certificate: str, now: int) -> EnrollAnswer:
        """What a host that is taken in is told."""
        return EnrollAnswer(node_id, name, certificate, self._keys.ca_pem, self._keys.dispatch_key(node_id).hex(), now)


def _secret_of(token: str) -> str:
    parts = token.split(".")
    if len(parts) != 3 or parts[0] + "." != TOKEN_PREFIX:
        raise NotAuthenticated("an enrolment token of the form ops1.… is needed; make one on the manager")
    return parts[1]


def _why_not(token: Row, now: int) -> str:
    if token["revoked_at"] is not None:
        return "was revoked"
    return "has ended" if token["expires_at"] <= now else "has been used up"
