"""A task's output on its way into `output` records: counted, cut at the limit, in readable pieces.

Takes bytes as they are read and gives back records in the order of reading. Bytes are never changed.
Holds at most what was fed since the last `take`; the reader is to feed no more than `room`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping

from host.wire.protocol import MAX_CHUNK_BYTES
from host.wire.records import Output

STREAMS = ("stdout", "stderr")
FULL_BYTES = 256 * 1024
MAX_TURNS = 64
"""Changes between the two streams that are kept apart in one batch; finer ones are merged, or two
alternating streams of single bytes would make a record of each byte."""


def whole(data: bytes | bytearray) -> int:
    """How many leading bytes of `data` do not end inside a UTF-8 character: all, or up to 3 fewer."""
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue
        length = 2 if byte >> 5 == 0b110 else 3 if byte >> 4 == 0b1110 else 4 if byte >> 3 == 0b11110 else 1
        return len(data) - back if length > back else len(data)
    return len(data)


class Collector:
    """Output of one command. `limit` is in bytes over both streams; `allowed()` is False when the disk's share is used up.
    `chunk` and `offsets`: where an earlier agent stopped."""

    def __init__(
        self, command_id: str, limit: int, allowed: Callable[[], bool], chunk: int = 0, offsets: Mapping[str, int] | None = None
    ) -> None:
        offsets = offsets or dict.fromkeys(STREAMS, 0)
        self._command_id, self._left, self._allowed = command_id, max(0, limit - sum(offsets.values())), allowed
        self._segments: list[tuple[str, bytearray]] = []
        self._carry = dict.fromkeys(STREAMS, b"")
        self._offset = dict(offsets)
        self._chunk = chunk
        self._pending = 0
        self._unsaved: list[Output] = []
        self.counts = dict(offsets)
        self.truncated = False

    @property
    def room(self) -> int:
        """How many bytes should be fed before the next `saved`."""
        return max(0, FULL_BYTES - self._pending)

    def feed(self, stream: str, data: bytes) -> None:
        """Count `data`, keep what the limit allows."""
        self.counts[stream] += len(data)
        if self.truncated or not data:
            return
        left = self._left if self._allowed() else 0
        if len(data) > left:
            self.truncated = True
            data = data[: whole(data[:left])]
        self._left -= len(data)
        self._pending += len(data)
        same = [s for s in self._segments if s[0] == stream] if len(self._segments) >= MAX_TURNS else self._segments[-1:]
        if same and same[-1][0] == stream:
            same[-1][1].extend(data)
        elif data:
            self._segments.append((stream, bytearray(data)))

    def take(self, last: bool = False) -> list[Output]:
        """What is to be stored now, also what was taken but not `saved`. `last` gives an unfinished character too."""
        for stream, data in self._segments:
            self._cut(stream, self._carry[stream] + data)
        self._segments = []
        for stream in STREAMS if last else ():
            if self._carry[stream]:
                self._record(stream, self._carry[stream])
                self._carry[stream] = b""
        return list(self._unsaved)

    def saved(self) -> None:
        """What the last `take` gave is stored."""
        self._unsaved = []
        self._pending = 0

    def _cut(self, stream: str, data: bytes) -> None:
        while len(data) > MAX_CHUNK_BYTES:
            end = whole(data[:MAX_CHUNK_BYTES])
            self._record(stream, data[:end])
            data = data[end:]
        end = whole(data)
        self._carry[stream] = data[end:]
        if end:
            self._record(stream, data[:end])

    def _record(self, stream: str, data: bytes) -> None:
        text = base64.b64encode(data).decode("ascii")
        self._unsaved.append(Output(self._command_id, self._chunk, stream, self._offset[stream], text))
        self._chunk += 1
        self._offset[stream] += len(data)
