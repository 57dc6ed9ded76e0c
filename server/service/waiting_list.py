"""Who waits for somebody's word: one row a key, beside the node in the state `pending` that it would become (approvals.py)."""

from __future__ import annotations

from server.auth import Caller
from server.db import Db, Row, Session
from server.errors import NotAllowed, TooMany
from server.service.audit import Audit

MAX_WAITING = 500
"""Anybody who reaches the node link may ask: no more than so many are kept."""

REJECTED = "an administrator has rejected this host; ask them, or enrol with a token and a new identity folder"


async def asks_again(session: Session, db: Db, public_key: str, now: int) -> Row | None:
    """The row of a key that waits already, noted as heard of. Raises NotAllowed for one that was rejected."""
    row = await session.row(db.q.waiting.by_key, {"public_key": public_key})
    if row and row["rejected_at"] is not None:
        raise NotAllowed(REJECTED)
    if row:
        await session.execute(db.q.waiting.asked, {"public_key": public_key, "now": now})
    return row


async def check_room(session: Session, db: Db) -> None:
    """Raises TooMany."""
    waiting = await session.row(db.q.waiting.total)
    if waiting and waiting["total"] >= MAX_WAITING:
        raise TooMany(f"{MAX_WAITING} hosts wait for approval already; try again later", retry_after=600)


async def put(session: Session, db: Db, audit: Audit, row: Row, name: str) -> None:
    """`row`: `public_key`, `node_id`, `csr`, `ip`, `same_as`, `token_id` (both "" for none) and `now`; `name` is the node's."""
    await session.execute(db.q.waiting.insert, row | {"ip": row["ip"][:64]})
    detail = {"name": name, "key": row["public_key"], "same_as": row["same_as"]}
    detail |= {"token": row["token_id"]} if row["token_id"] else {}
    actor = Caller("node", row["node_id"], name, row["ip"])
    await audit.record(session, actor, "node.ask", f"node {row['node_id']}", detail, row["now"])
