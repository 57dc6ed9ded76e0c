"""The store of files for tasks: put and fetched in chunks by people, read and written by the hosts of commands (A2).

A file grows from its first byte on by compare-and-set, so whichever manager takes the next chunk, there is never a gap or a
mixture, and a chunk that comes again changes nothing. Only with the right SHA-256 over all of it does it become `ready`.
What was not used for `keep_days` goes, unless a command that has not ended needs it.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import AsyncIterator

from server.auth import Caller
from server.db import Along, Db, Row, Session
from server.errors import BadInput, Conflict, NotFound
from server.ids import new_id
from server.service.audit import Audit
from server.service.page import Order, Page, containing, filtered, ordered

log = logging.getLogger("server.files")

RECEIVING, READY = "receiving", "ready"
STATES = (READY, RECEIVING)
CHUNK = 256 * 1024
"""Bytes of one row."""
MAX_PUT = 1024 * 1024
"""Bytes of one call."""
MAX_NAME = 190
_ROWS = 4
_SWEEP = 64
SORTS = {name: f"f.{name}" for name in ("name", "size", "state", "created_at", "used_at")}
FILTERS = {"q": "LOWER(f.name) LIKE :q ESCAPE '!'", "state": "f.state = :state", "node_id": "f.node_id = :node_id"}


class Files:
    """`keep_days` after its last use a file goes; `max_bytes` of one file, `quota` of all of them."""

    def __init__(self, db: Db, audit: Audit, keep_days: int, max_bytes: int, quota: int) -> None:
        self._db, self._q, self._audit = db, db.q.files, audit
        self._keep_ms, self.max_bytes, self.quota = keep_days * 86_400_000, max_bytes, quota

    async def create(self, caller: Caller, name: str, size: int, now: int, along: Along[Row] | None = None) -> Row:
        """A new, empty file of `size` bytes to come. Raises BadInput, Conflict (no room left)."""
        clean = clean_name(name)
        if not 0 <= size <= self.max_bytes:
            raise BadInput(f"size: a file has 0 to {self.max_bytes} bytes here", field="size")

        async def work(session: Session) -> Row:
            await self._check_quota(session, size)
            row = {"id": new_id(now), "name": clean, "size": size, "node_id": None, "created_by": caller.id, "now": now}
            await session.execute(self._q.insert, row)
            await self._audit.record(session, caller, "file.create", f"file {row['id']}", {"name": clean, "size": size}, now)
            return await self._get(session, str(row["id"]))

        return await self._db.transaction(work, along)

    async def put(self, file_id: str, offset: int, data: bytes, now: int) -> int:
        """Bytes at `offset`; how many are stored now. What is there already may come again. Raises NotFound, BadInput, Conflict."""
        if len(data) > MAX_PUT:
            raise BadInput(f"a chunk has at most {MAX_PUT} bytes")

        async def work(session: Session) -> int:
            row = await self._get(session, file_id)
            return await self.grow(session, row, offset, int(row["size"] or 0), data, now)

        return await self._db.transaction(work)

    async def finish(self, caller: Caller, file_id: str, sha256: str, now: int) -> Row:
        """The file is whole. Raises NotFound; Conflict where bytes are missing; BadInput where the SHA-256 is another: it goes then.

        With an empty `sha256` whatever came counts as right.
        """
        row = await self.get(file_id)
        found = await self._whole(row)
        if sha256 and not hmac.compare_digest(found, sha256.lower()):
            await self._give_up(caller, file_id, "its SHA-256 was wrong", now)
            raise BadInput(f"sha256: what arrived has {found}; the file was removed, put it again", field="sha256")

        async def work(session: Session) -> Row:
            if row["state"] == RECEIVING and await session.execute(self._q.finish, _finishing(row, found, now)) == 1:
                detail = {"name": row["name"], "size": row["size"], "sha256": found}
                await self._audit.record(session, caller, "file.finish", f"file {file_id}", detail, now)
            return await self._get(session, file_id)

        return await self._db.transaction(work)

    async def get(self, file_id: str) -> Row:
        """Raises NotFound."""
        row = await self._db.row(self._q.by_id, {"id": file_id})
        if row is None:
            raise _unknown(file_id)
        return row

    async def page(self, limit: int, offset: int, order: Order = (), *, q: str = "", state: str = "", node_id: str = "") -> Page:
        """Newest first, with the names of who made them or sent them, and the number of commands that use them.

        `q` is looked for in the name; `node_id`: those that this node sent. Raises BadInput for an unknown state.
        """
        if state and state not in STATES:
            raise BadInput(f"state: {state[:20]!r} is unknown; use one of {', '.join(STATES)}", field="state")
        wanted = {"q": containing(q), "state": state, "node_id": node_id}
        page, params = filtered(self._q.page, FILTERS, wanted)
        rows = await self._db.rows(ordered(page, SORTS, order), {**params, "limit": limit, "offset": offset})
        total = await self._db.row(filtered(self._q.total, FILTERS, wanted)[0], params)
        return Page(rows, total["total"] if total else 0)

    async def occupied(self) -> int:
        """Bytes of all files, with what is still to come."""
        row = await self._db.row(self._q.occupied)
        return int(row["bytes"]) if row else 0

    async def open(self, caller: Caller, file_id: str, now: int) -> Row:
        """A whole file that somebody is about to read. Raises NotFound, Conflict while it is not whole."""
        row = await self.get(file_id)
        if row["state"] != READY:
            raise Conflict("the file is not whole yet")

        async def work(session: Session) -> None:
            await session.execute(self._q.use, {"ids": [file_id], "now": now})
            await self._audit.record(session, caller, "file.read", f"file {file_id}", {"name": row["name"]}, now)

        await self._db.transaction(work)
        return row

    async def parts(self, file_id: str, offset: int, until: int) -> AsyncIterator[bytes]:
        """The bytes from `offset` up to, not including, `until`, in pieces; it ends early where the file has gone meanwhile."""
        while offset < until:
            params = {"file_id": file_id, "least": offset - CHUNK, "offset": offset, "until": until, "limit": _ROWS}
            rows = await self._db.rows(self._q.chunks, params)
            if not rows or rows[0]["start_offset"] > offset:
                return
            for row in rows:
                data = row["data"][offset - row["start_offset"] : until - row["start_offset"]]
                offset += len(data)
                yield data

    async def read(self, file_id: str, offset: int, length: int) -> bytes:
        """As many of these bytes as there are."""
        return b"".join([part async for part in self.parts(file_id, offset, offset + length)])

    async def delete(self, caller: Caller, file_id: str, now: int) -> None:
        """Raises NotFound; Conflict while a command that has not ended needs it."""

        async def work(session: Session) -> None:
            row = await self._get(session, file_id)
            if used := await session.row(self._q.in_use, {"id": file_id}):
                raise Conflict(f"the command {used['command_id']} still needs this file; cancel it first")
            await session.execute(self._q.give_up, {"id": file_id})
            await self._audit.record(session, caller, "file.delete", f"file {file_id}", {"name": row["name"]}, now)

        await self._db.transaction(work)

    async def forget(self, now: int) -> int:
        """Let go of what nobody used for long; how many files that were."""
        expired = {"before": now - self._keep_ms}
        return await self._db.transaction(lambda session: session.execute(self._q.expire, expired))

    async def sweep(self) -> int:
        """Remove the bytes of deleted files, little by little so that nobody waits long; how many files went."""
        gone = await self._db.rows(self._q.deleted)
        for row in gone:
            while await self._db.transaction(lambda session, row=row: self._sweep(session, row["id"])):  # type: ignore[misc]
                pass
        return len(gone)

    async def grow(self, session: Session, row: Row, offset: int, total: int, data: bytes, now: int) -> int:
        """Add bytes in the running transaction; how many are stored then. Raises BadInput, Conflict."""
        stored, size = int(row["received"]), row["size"]
        if row["state"] != RECEIVING:
            if offset + len(data) <= stored:
                return stored
            raise Conflict("the file is whole already")
        if size is not None and size != total:
            raise Conflict(f"the file was begun with {size} bytes, not {total}; it changed meanwhile")
        if size is None:
            await self._check_quota(session, total)
        if not 0 <= offset <= stored:
            raise Conflict(f"offset: {stored} bytes are stored; go on there", field="offset")
        fresh = data[stored - offset :]
        if stored + len(fresh) > total or total > self.max_bytes:
            raise BadInput(f"size: more than the {min(total, self.max_bytes)} bytes that this file may have", field="size")
        if not fresh and size is not None:
            return stored
        after = stored + len(fresh)
        change = {"id": row["id"], "before": stored, "after": after, "size": total, "now": now}
        if await session.execute(self._q.grow, change) != 1:
            raise Conflict("the file was written by somebody else just now; ask how much is stored and go on there")
        for start in range(0, len(fresh), CHUNK):
            part = fresh[start : start + CHUNK]
            chunk = {"file_id": row["id"], "start_offset": stored + start, "size": len(part), "data": part}
            await session.execute(self._q.insert_chunk, chunk)
        return after

    async def close(self, row: Row, sha256: str, now: int) -> bool:
        """A host says that it has sent all. False where the SHA-256 is another; the file goes then. Raises Conflict."""
        if row["state"] == READY:
            return hmac.compare_digest(row["sha256"], sha256)
        found = await self._whole(row)
        if not hmac.compare_digest(found, sha256):
            await self._db.transaction(lambda session: session.execute(self._q.give_up, {"id": row["id"]}))
            return False
        await self._db.transaction(lambda session: session.execute(self._q.finish, _finishing(row, found, now)))
        return True

    async def _whole(self, row: Row) -> str:
        """The SHA-256 of all bytes. Raises Conflict where some are missing."""
        if row["received"] != row["size"]:
            raise Conflict(f"{row['received']} of {row['size']} bytes are stored; put the rest first")
        digest, size = hashlib.sha256(), 0
        async for part in self.parts(row["id"], 0, row["size"]):
            digest.update(part)
            size += len(part)
        if size != row["size"]:
            raise _unknown(row["id"])
        return digest.hexdigest()

    async def _get(self, session: Session, file_id: str) -> Row:
        row = await session.row(self._q.by_id, {"id": file_id})
        if row is None:
            raise _unknown(file_id)
        return row

    async def _give_up(self, caller: Caller, file_id: str, why: str, now: int) -> None:
        async def work(session: Session) -> None:
            if await session.execute(self._q.give_up, {"id": file_id}):
                await self._audit.record(session, caller, "file.delete", f"file {file_id}", {"why": why}, now)

        await self._db.transaction(work)

    async def _check_quota(self, session: Session, more: int) -> None:
        row = await session.row(self._q.occupied)
        used = int(row["bytes"]) if row else 0
        if used + more > self.quota:
            raise Conflict(f"no room for {more} bytes: {used} of {self.quota} are used; delete files, or raise files_max_bytes")

    async def _sweep(self, session: Session, file_id: str) -> bool:
        rows = await session.rows(self._q.first_chunks, {"id": file_id, "limit": _SWEEP})
        if rows:
            await session.execute(self._q.delete_chunks, {"id": file_id, "last": rows[-1]["start_offset"]})
            return True
        await session.execute(self._q.unlink, {"id": file_id})
        await session.execute(self._q.delete, {"id": file_id})
        return False


def clean_name(name: str) -> str:
    """The last part of what a person or a host calls it. Raises BadInput."""
    last = name.strip().replace("\\", "/").rstrip("/").rpartition("/")[2]
    clean = "".join(c for c in last if c.isprintable())[:MAX_NAME]
    if not clean or clean in (".", ".."):
        raise BadInput("name: give the file a name", field="name")
    return clean


def _finishing(row: Row, sha256: str, now: int) -> Row:
    return {"id": row["id"], "sha256": sha256, "size": row["size"], "now": now}


def _unknown(file_id: str) -> NotFound:
    return NotFound(f"there is no file {file_id[:40]!r}")
