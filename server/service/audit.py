"""The record of what people did (M8, S4): one row with the action, in the action's own transaction.

Each row's hash is an HMAC over the row and the hash before it, with a key that is not in the database: a row
that is edited, removed or moved breaks the chain from there on, and nobody without the key can mend it. Cutting off the
end leaves a whole chain: so the manager keeps a checkpoint, the number and hash of an entry, in a file beside its keys,
and what is missing up to there is noticed. What came after the last checkpoint (a minute at most) is not covered.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from server.auth import Caller
from server.db import Db, Row, Session
from server.keys import write_private
from server.service.page import Order, Page, filtered, ordered

SORTS = {"id": "a.id"}
FILTERS = {name: f"a.{name} = :{name}" for name in ("actor", "action", "resource")}
FILTERS |= {"since": "a.created_at >= :since", "until": "a.created_at < :until"}
IDENTITY, ACTION = "identity", "action"
_IDENTITY = frozenset(
    f"node.{verb}" for verb in ("enrol", "ask", "approve", "renew", "certificate", "machine", "quarantine", "split", "merge")
)
"""Actions about which machine a node is; all others are what people did to it. Migration 0022 lists those from before."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""Made once: to verify is to encode every entry there is."""

_FIELDS = ("id", "created_at", "user_id", "actor", "action", "resource", "detail", "ip")


class Audit:
    def __init__(self, db: Db, key: bytes, checkpoint: Path) -> None:
        self._db, self._key, self._checkpoint = db, key, checkpoint

    async def record(
        self,
        session: Session,
        caller: Caller,
        action: str,
        resource: str,
        detail: Mapping[str, Any],
        now: int,
        nodes: Sequence[str] | None = None,
    ) -> None:
        """Write one entry in the running transaction: no entry, no action. `detail` must hold no secret.

        `nodes`: ids of those whose timeline has it; unless given, the one that `resource` (`node <id>`) names.
        """
        q = self._db.q.audit
        await session.execute(q.lock)
        head = await session.row(q.head)
        assert head is not None, "audit_head has lost its row"
        entry: Row = {
            "id": head["entries"],
            "created_at": now,
            "user_id": caller.id,
            "actor": caller.name or caller.role,
            "action": action,
            "resource": resource[:190],
            "detail": json.dumps(detail, ensure_ascii=False, sort_keys=True)[:16000],
            "ip": caller.ip,
        }
        entry["hash"] = self._hash(head["hash"], entry)
        await session.execute(q.insert, entry)
        await session.execute(q.set_head, {"hash": entry["hash"]})
        if nodes is None:
            nodes = [resource.removeprefix("node ")] if resource.startswith("node ") else ()
        topic = IDENTITY if action in _IDENTITY else ACTION
        links = [{"node_id": node_id, "topic": topic, "at": now, "entry": entry["id"]} for node_id in dict.fromkeys(nodes)]
        await session.insert_rows(q.link, links)

    async def page(
        self,
        limit: int,
        offset: int,
        order: Order = (),
        *,
        actor: str = "",
        action: str = "",
        resource: str = "",
        since: int | None = None,
        until: int | None = None,
    ) -> Page:
        """Newest first, or in this order: by whom, what, and on what (`node 01K…`) it was done, in [`since`, `until`) UTC ms."""
        q, wanted = self._db.q.audit, {"actor": actor, "action": action, "resource": resource, "since": since, "until": until}
        page, params = filtered(q.page, FILTERS, wanted)
        rows = await self._db.rows(ordered(page, SORTS, order), {**params, "limit": limit, "offset": offset})
        # Of all of them the head knows the number: a log of years is not counted for each page.
        total = await self._db.row(filtered(q.total_of, FILTERS, wanted)[0] if params else q.total, params)
        return Page(rows, total["total"] if total else 0)

    async def first_broken(self) -> int | None:
        """The number of the first entry that is not as it was written, or missing; None when all are there."""
        kept = self._kept()
        previous, expected = "", 1
        async for entry in self._entries():
            if entry["id"] != expected or not hmac.compare_digest(entry["hash"], self._hash(previous, entry)):
                return expected
            if kept and kept[0] == expected and kept[1] != entry["hash"]:
                return expected
            previous, expected = entry["hash"], expected + 1
        head = await self._db.row(self._db.q.audit.head)
        if head is None or head["entries"] != expected - 1 or head["hash"] != previous:
            return expected
        return expected if kept and kept[0] >= expected else None

    async def keep_checkpoint(self) -> None:
        """Note the newest entry outside the database. An older one never replaces a newer one."""
        head = await self._db.row(self._db.q.audit.head)
        kept = self._kept()
        if head and head["entries"] > (kept[0] if kept else 0):
            write_private(self._checkpoint, json.dumps([head["entries"], head["hash"]]).encode())

    async def oldest_unkept(self) -> int | None:
        """When the oldest entry was written that is past the checkpoint; None when the checkpoint has all."""
        kept = self._kept()
        row = await self._db.row(self._db.q.audit.written_at, {"id": kept[0] + 1 if kept else 1})
        return row["created_at"] if row else None

    async def begin_checkpoint_anew(self) -> None:
        """The database was restored on purpose: its newest entry, which says so, is the one to be found from now on."""
        head = await self._db.row(self._db.q.audit.head)
        if head:
            write_private(self._checkpoint, json.dumps([head["entries"], head["hash"]]).encode())

    def known_entries(self) -> int:
        """How many entries there were at the last checkpoint."""
        kept = self._kept()
        return kept[0] if kept else 0

    def _kept(self) -> tuple[int, str] | None:
        if not self._checkpoint.exists():
            return None
        entries, digest = json.loads(self._checkpoint.read_text())
        return int(entries), str(digest)

    async def _entries(self) -> AsyncIterator[Row]:
        after = 0
        while rows := await self._db.rows(self._db.q.audit.chain, {"after": after}):
            for row in rows:
                yield row
            after = rows[-1]["id"]

    def _hash(self, previous: str, entry: Row) -> str:
        text = _encode([previous, *(entry[name] for name in _FIELDS)])
        return hmac.digest(self._key, text.encode(), "sha256").hex()
