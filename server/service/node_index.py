"""What selectors look at: facts, addresses and tags of each node in a form that every database compares alike.

Derived from the row in `nodes`, in the transaction that changes it; `index_missing` makes it for nodes from before
there were selectors.
"""

from __future__ import annotations

import json

from host.wire.messages import Facts
from server.db import Db, Row, Session
from server.selector.values import address_key, fold
from server.service.facts import facts_of

MOST_ADDRESSES = 64
LARGEST = 2**62
MOST_ZONE = 64


class NodeIndex:
    def __init__(self, db: Db) -> None:
        self._db, self._q = db, db.q.organising

    async def tell(self, session: Session, row: Row) -> None:
        """Make it anew for a node; `row` has id, name, hostname, ip, tags, facts (as stored) and daemon_version."""
        await self._facts(session, row)
        await self.tags(session, row["id"], json.loads(row["tags"]))

    async def tags(self, session: Session, node_id: str, tags: dict[str, str]) -> None:
        await session.execute(self._q.delete_tags, {"node_id": node_id})
        folded = {fold(name): fold(value) for name, value in tags.items()}
        rows = [{"node_id": node_id, "name": name, "value": value} for name, value in folded.items() if name]
        await session.execute_many(self._q.insert_tag, rows)

    async def _facts(self, session: Session, row: Row) -> None:
        facts: Facts = facts_of(row)
        for query in (self._q.delete_facts, self._q.delete_addresses):
            await session.execute(query, {"node_id": row["id"]})
        values = {
            "node_id": row["id"],
            "id_text": fold(row["id"]),
            "name": fold(row["name"]),
            "hostname": fold(row["hostname"]),
            "os": fold(facts.os),
            "kernel": fold(facts.kernel),
            "arch": fold(facts.arch),
            "version": fold(row["daemon_version"]),
            "cpu_count": min(max(facts.cpu_count, 0), LARGEST),
            "memory": min(max(facts.memory, 0), LARGEST),
            "timezone": facts.timezone[:MOST_ZONE],
        }
        await session.execute(self._q.insert_facts, values)
        keys = dict.fromkeys(key for text in [*facts.addresses[:MOST_ADDRESSES], row["ip"]] if (key := _key(text)))
        await session.execute_many(self._q.insert_address, [{"node_id": row["id"], "address": key} for key in keys])

    async def index_missing(self) -> int:
        """For every node that has none yet; how many that were."""
        total = 0
        while rows := await self._db.rows(self._q.not_indexed):

            async def work(session: Session, rows: list[Row] = rows) -> None:
                for row in rows:
                    await self.tell(session, row)

            await self._db.transaction(work)
            total += len(rows)
        return total


def _key(text: str) -> str:
    """Empty for what is no address: hosts may say anything."""
    try:
        return address_key(text)
    except ValueError:
        return ""
