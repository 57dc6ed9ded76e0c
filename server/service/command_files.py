"""Files of commands: what a task's content names is tied to its commands, and only their hosts get at it (A2).

Written in the transaction that makes the commands. The SHA-256 goes into the signed content, so whoever changes the store
afterwards changes nothing on a host.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from host.wire.messages import FilePart, FileRead, FileStored, FileWrite
from host.wire.protocol import FILE_CHUNK_BYTES
from host.wire.schema import Schema
from host.wire.tasks import received_name
from server.auth import Caller
from server.db import Db, Row, Session
from server.errors import BadInput, Conflict, NotAllowed
from server.ids import new_id
from server.service.files import READY, Files, clean_name
from server.service.in_service import check

READ, WRITE = "read", "write"


@dataclass(frozen=True)
class Prepared:
    """One node's content as it is signed, and the files that its command gets: id → direction."""

    content: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)


class CommandFiles:
    def __init__(self, db: Db, files: Files) -> None:
        self._db, self._q, self._files = db, db.q.files, files

    async def prepare(
        self, session: Session, caller: Caller, schema: Schema, content: Mapping[str, Any], nodes: Sequence[str], now: int
    ) -> dict[str, Prepared]:
        """Each node's content: files that it names are there and whole; a file to fill is made. Raises BadInput naming the field."""
        names = [one.name for one in schema.fields if one.type == "file"]
        name = received_name(schema.kind, content)
        if name is not None:
            return {node_id: await self._to_fill(session, caller, content, name, node_id, now) for node_id in nodes}
        wanted = {name: str(content[name]) for name in names if content.get(name)}
        if not wanted:
            return {node_id: Prepared(dict(content)) for node_id in nodes}
        rows = {row["id"]: row for row in await session.rows(self._q.by_ids, {"ids": list(wanted.values())})}
        final = dict(content)
        for name, file_id in wanted.items():
            if file_id not in rows:
                raise BadInput(f"{name}: there is no file {file_id[:40]!r} in the store", field=name)
            if rows[file_id]["state"] != READY:
                raise BadInput(f"{name}: the file {file_id} is not whole yet", field=name)
            if name == "file" and any(one.name == "sha256" for one in schema.fields):
                final["sha256"] = _checked(final.get("sha256"), rows[file_id]["sha256"])
        await session.execute(self._q.use, {"ids": list(rows), "now": now})
        return {node_id: Prepared(final, dict.fromkeys(rows, READ)) for node_id in nodes}

    async def link(self, session: Session, prepared: Prepared, command_id: str, node_id: str) -> None:
        """Tie the files to their command, so that its host gets at them."""
        for file_id, direction in prepared.files.items():
            row = {"command_id": command_id, "file_id": file_id, "node_id": node_id, "direction": direction}
            await session.execute(self._q.link, row)

    async def filled_by(self, command_id: str) -> str:
        """The id of the whole file that a command's host has sent; "" when there is none."""
        row = await self._db.row(self._q.filled_by, {"command_id": command_id})
        return str(row["id"]) if row else ""

    async def read(self, caller: Caller, file_id: str, wanted: FileRead, now: int) -> FilePart:
        """Raises NotAllowed for a file that is not of one of the node's own unfinished commands; BadInput."""
        if wanted.offset < 0 or not 0 < wanted.length <= FILE_CHUNK_BYTES:
            raise BadInput(f"length: 1 to {FILE_CHUNK_BYTES} bytes from an offset on", field="length")
        row = await self._of(caller, file_id, READ)
        data = await self._files.read(file_id, wanted.offset, min(wanted.length, max(0, row["size"] - wanted.offset)))
        return FilePart(base64.b64encode(data).decode(), row["size"], row["sha256"])

    async def write(self, caller: Caller, file_id: str, sent: FileWrite, now: int) -> FileStored:
        """Raises as `read`; Conflict for a gap, another size, or a wrong SHA-256."""
        try:
            data = base64.b64decode(sent.data, validate=True)
        except (binascii.Error, ValueError) as problem:
            raise BadInput("data: is not base64", field="data") from problem
        if len(data) > FILE_CHUNK_BYTES or sent.offset < 0 or sent.total < 0:
            raise BadInput(f"data: at most {FILE_CHUNK_BYTES} bytes at an offset of a file", field="data")
        await self._of(caller, file_id, WRITE)
        if sent.total > self._files.max_bytes:
            raise BadInput(f"total: a file has at most {self._files.max_bytes} bytes here", field="total")

        async def work(session: Session) -> int:
            await check(session, self._db.q, caller.id)
            row = _given(await session.row(self._q.of_node, {"id": file_id, "node_id": caller.id, "direction": WRITE}))
            return await self._files.grow(session, row, sent.offset, sent.total, data, now)

        stored = await self._db.transaction(work)
        if not sent.sha256:
            return FileStored(stored, False)
        if not await self._files.close(await self._of(caller, file_id, WRITE), sent.sha256.lower(), now):
            raise Conflict("what arrived has another SHA-256; the file was removed")
        return FileStored(stored, True)

    async def _to_fill(self, session: Session, caller: Caller, content: Mapping[str, Any], name: str, node_id: str, now: int) -> Prepared:
        if content.get("file"):
            raise BadInput("file: leave it empty; the manager makes the file that the host fills", field="file")
        if content.get("dry_run"):
            # It sends nothing; the id is there because the kind asks for one.
            return Prepared({**content, "file": new_id(now)})
        row: Row = {"id": new_id(now), "name": clean_name(name), "size": None, "node_id": node_id}
        await session.execute(self._q.insert, row | {"created_by": caller.id, "now": now})
        return Prepared({**content, "file": row["id"]}, {row["id"]: WRITE})

    async def _of(self, caller: Caller, file_id: str, direction: str) -> Row:
        return _given(await self._db.row(self._q.of_node, {"id": file_id, "node_id": caller.id, "direction": direction}))


def _given(row: Row | None) -> Row:
    if row is None:
        raise NotAllowed("this file belongs to no command of this node that has not ended")
    return row


def _checked(given: object, stored: str) -> str:
    if given and given != stored:
        raise BadInput(f"sha256: the stored file has {stored}", field="sha256")
    return stored
