"""The output of commands: stored in chunks as it arrives, read from any point on, by whoever comes back (M4)."""

from __future__ import annotations

import asyncio
import base64
import binascii
from dataclasses import dataclass

from host.wire.protocol import MAX_CHUNK_BYTES
from host.wire.records import Output as OutputRecord
from host.wire.states import COMMAND_FINAL
from host.wire.tasks import MAX_OUTPUT_BYTES
from server.db import Db, Row, Session
from server.errors import BadInput
from server.service.commands import Commands
from server.wakeups import Wakeups, execution

PAGE = 200
LATE_MS = 30 * 86_400_000
"""How long after its end a command's output may still come: from a host that was away."""
LOOK_AGAIN_S = 1.0
"""Another manager may have stored the news: a wake only comes from this one, so look again after so long."""


@dataclass(frozen=True)
class Part:
    """Chunks from `after` on; read on at `next`. `done`: the command has ended and nothing more will come."""

    command: Row
    chunks: list[Row]
    next: int
    done: bool


class Output:
    def __init__(self, db: Db, commands: Commands, wakeups: Wakeups) -> None:
        self._db, self._q, self._commands, self._wakeups = db, db.q.output, commands, wakeups

    async def store(self, session: Session, node_id: str, record: OutputRecord, at: int, now: int) -> bool:
        """One chunk of the node's own command; False when it is there already, is another node's, is more than any command
        may print, or comes long after its end.

        Raises BadInput when it is no base64 or too large.
        """
        try:
            data = base64.b64decode(record.data, validate=True)
        except (binascii.Error, ValueError) as problem:
            raise BadInput("output: data is not base64") from problem
        too_much = len(data) > MAX_CHUNK_BYTES or record.offset + len(data) > MAX_OUTPUT_BYTES
        if too_much or record.stream not in ("stdout", "stderr") or record.chunk < 0 or record.offset < 0:
            raise BadInput("output: not a chunk")
        if await session.row(self._q.known_chunk, {"command_id": record.command_id, "chunk": record.chunk}):
            return False
        bound = {"command_id": record.command_id, "node_id": node_id, "size": len(data)}
        bound |= {"most": MAX_OUTPUT_BYTES, "since": now - LATE_MS}
        if await session.execute(self._q.take_in, bound) == 0:
            return False
        row = {"command_id": record.command_id, "chunk": record.chunk, "stream": record.stream}
        await session.execute(self._q.insert, row | {"start_offset": record.offset, "at": at, "data": data})
        return True

    async def read(self, command_id: str, after: int, wait: float, seen: str = "") -> Part:
        """Chunks `after` and later, at once or as soon as there are any; after `wait` seconds even if there are none.

        With `seen`, a state, also as soon as the command is in another one. Raises NotFound.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + wait
        with self._wakeups.listen(execution(command_id)) as bell:
            while True:
                # The state first: chunks that came before the end are then certain to be seen.
                command = await self._commands.get(command_id)
                chunks = await self._db.rows(self._q.after, {"command_id": command_id, "chunk": after, "limit": PAGE})
                done = command["state"] in COMMAND_FINAL and len(chunks) < PAGE
                left = until - loop.time()
                news = chunks or (seen and command["state"] != seen)
                if news or done or left <= 0 or self._wakeups.stopping:
                    return Part(command, chunks, chunks[-1]["chunk"] + 1 if chunks else after, done)
                await bell.wait(min(left, LOOK_AGAIN_S))

    async def whole(self, command_id: str, stream: str) -> bytes:
        """All stored bytes of `stdout`, `stderr`, or both in the order in which they came (`all`). Raises NotFound, BadInput."""
        if stream not in ("stdout", "stderr", "all"):
            raise BadInput("stream: use stdout, stderr or all", field="stream")
        await self._commands.get(command_id)
        parts: list[bytes] = []
        after = 0
        while rows := await self._db.rows(self._q.after, {"command_id": command_id, "chunk": after, "limit": PAGE}):
            parts += [row["data"] for row in rows if stream in ("all", row["stream"])]
            after = rows[-1]["chunk"] + 1
        return b"".join(parts)
