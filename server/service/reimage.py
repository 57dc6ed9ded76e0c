"""Machines installed anew (DESIGN §4): the same hardware asks without the certificate that it had, and its history is to be kept.

What a host says of its hardware can be made up by anybody, and a token says who may come in, not who somebody is. So neither
makes a host the node that it looks like:

    a token made for that node, the same hardware, nobody there as that node   goes on as it, at once
    a token made for that node, else                                           somebody decides
    any other token, and it looks like a node that is not there                somebody decides
    no token                                                                   somebody decides, as for every host

Until then the known node keeps its certificates, and the host has none. A token for a host under a new name has decided already.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from host.wire.machine import marks_of
from host.wire.messages import Facts
from host.wire.states import OFFLINE, ONLINE, QUARANTINED, RETIRED, UNKNOWN
from server.db import Db, Row, Session
from server.service.enrolment_texts import fingerprint_text
from server.service.machines import read_fingerprint, same_machine
from server.service.nodes import Nodes
from server.service.quarantine import QUIET_MS, Quarantine

MOST_CARDS = 16
_CARD = re.compile(r"[0-9a-f:.-]{11,47}")


class Reimage:
    def __init__(self, db: Db, nodes: Nodes, quarantine: Quarantine) -> None:
        self._db, self._nodes, self._quarantine = db, nodes, quarantine

    async def known(self, session: Session, fingerprint: Mapping[str, str]) -> Row | None:
        """The node whose hardware this is, the newest of several: `id`, `name`, `state`, `last_seen`. None for none."""
        found: dict[str, Row] = {}
        for card in [one for one in fingerprint.get("macs", "").lower().split(",") if _CARD.fullmatch(one)][:MOST_CARDS]:
            for row in await session.rows(self._db.q.waiting.with_card, {"pattern": f"%{card}%"}):
                if same_machine(read_fingerprint(row["fingerprint"]), fingerprint):
                    found[row["id"]] = row
        return found[max(found)] if found else None

    async def of_token(self, session: Session, node_id: str, fingerprint: Mapping[str, str], now: int) -> tuple[Row | None, bool]:
        """The node that a token was made for, locked until the transaction ends, and whether this machine goes on as it at once."""
        row = await session.row(self._db.q.machines.node, {"id": node_id})
        whole = await session.row(self._db.q.nodes.by_id, {"id": node_id}) if row else None
        if row is None or whole is None:
            return None, False
        same = same_machine(read_fingerprint(whole["fingerprint"]), fingerprint)
        return row, same and row["state"] in (OFFLINE, UNKNOWN, ONLINE) and not there(row, now)

    async def take_over(self, session: Session, row: Row, fingerprint: Mapping[str, str], facts: Facts, ip: str, now: int) -> None:
        """The node `row` is this machine from now on: the certificates from before are revoked, its history stays."""
        node_id = row["id"]
        await session.execute(self._db.q.enrolment.revoke_certificates, {"node_id": node_id, "now": now})
        told = {"id": node_id, "fingerprint": fingerprint_text(fingerprint), "now": now}
        await session.execute(self._db.q.waiting.set_machine, told)
        await self._quarantine.take(session, node_id, marks_of(fingerprint), now)
        if row["state"] in (RETIRED, QUARANTINED):
            await self._nodes.move(session, node_id, OFFLINE, now)
        await self._nodes.update_facts(session, node_id, facts, ip, now)


def there(row: Row, now: int) -> bool:
    """Somebody calls as this node now: then another one that looks like it is not it, installed anew."""
    return bool(row["state"] == ONLINE and now - row["last_seen"] < QUIET_MS)
