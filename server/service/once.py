"""What is asked for again with the same key is done once: the first answer comes again.

The answer is written in the transaction of what was made, under a key that is unique: whatever is killed when, either both
are there or neither. Of two at once, on one manager or two, the database lets one through; the other's transaction is undone,
begins anew and finds the first one's answer. What failed is not kept: it changed nothing, and may be tried again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import msgspec

from server.auth import Caller
from server.db import Along, Db, Row, Session
from server.errors import BadInput, Conflict, OtherRequest
from server.seals import Broken, Seals

T = TypeVar("T")
KEPT_MS = 86_400_000
MOST_CHARACTERS = 255


class _Again(Exception):
    """It was done before; `row` has what was answered."""

    def __init__(self, row: Row) -> None:
        self.row = row


class Once:
    def __init__(self, db: Db, seals: Seals) -> None:
        self._db, self._q, self._seals = db, db.q.answers, seals

    async def do(
        self, caller: Caller, key: str | None, request: bytes, kind: type[T], now: int, work: Callable[[Along[T] | None], Awaitable[T]]
    ) -> tuple[T, bool]:
        """What `work` returns, or returned when it was done under this key before; and whether it was before.

        `work` hands what it is given to the transaction that makes the thing, which returns the same as `work`. `request` is
        what was asked for. Without a key (None) it is just done. Raises BadInput, OtherRequest (the key stands for something else).
        """
        if key is None:
            return await work(None), False
        if not 1 <= len(key) <= MOST_CHARACTERS or not key.isprintable():
            raise BadInput(f"Idempotency-Key: 1 to {MOST_CHARACTERS} characters", field="Idempotency-Key")
        name = hashlib.sha256(f"{caller.id}\n{key}".encode()).hexdigest()
        wanted = hashlib.sha256(request).hexdigest()
        try:
            # Before anything else: what was possible then may not be now, and would be refused.
            if row := await self._db.row(self._q.find, {"id": name}):
                raise _Again(row)
            return await work(_Written(self, name, wanted, now)), False
        except _Again as again:
            return self._read(again.row, wanted, kind), True
        except Conflict:
            # The first of two at once has changed what the second one looked at before its transaction.
            if row := await self._db.row(self._q.find, {"id": name}):
                return self._read(row, wanted, kind), True
            raise

    async def forget(self, now: int) -> int:
        """Delete answers that have been kept long enough; how many."""
        return await self._db.transaction(lambda session: session.execute(self._q.forget, {"before": now - KEPT_MS}))

    def _read(self, row: Row, wanted: str, kind: type[T]) -> T:
        if row["request"] != wanted:
            raise OtherRequest("Idempotency-Key: it was used for another request; take a new key for each", field="Idempotency-Key")
        try:
            return msgspec.json.decode(self._seals.unlock(row["answer"], f"answer {row['id']}"), type=kind)
        except (Broken, msgspec.DecodeError) as problem:
            raise OtherRequest("Idempotency-Key: it was done, and its answer cannot be read any more", field="Idempotency-Key") from problem

    async def find(self, session: Session, name: str) -> None:
        """Raises _Again when it has been done."""
        if row := await session.row(self._q.find, {"id": name}):
            raise _Again(row)

    async def keep(self, session: Session, name: str, request: str, result: Any, now: int) -> None:
        answer = self._seals.lock(msgspec.json.encode(result).decode(), f"answer {name}")
        await session.execute(self._q.insert, {"id": name, "request": request, "answer": answer, "now": now})


class _Written(Generic[T]):
    """Rides along a transaction, see server.db.Along."""

    def __init__(self, once: Once, name: str, request: str, now: int) -> None:
        self._once, self._name, self._request, self._now = once, name, request, now

    async def before(self, session: Session) -> None:
        await self._once.find(session, self._name)

    async def after(self, session: Session, result: T) -> None:
        await self._once.keep(session, self._name, self._request, result, self._now)
