"""What a task printed, on disk: written by its keeper, read by the agent, also by one that was started later.

`stdout` and `stderr` hold the bytes; `order` says how they were interleaved. Bytes are written before the frame that speaks
of them, so a reader never finds a frame without its bytes.
"""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

READ_BYTES = 64 * 1024
STREAMS = {1: "stdout", 2: "stderr"}
FRAME = struct.Struct(">BI")
WINDOW_S = 0.05
WINDOW_BYTES = 4 * 1024 * 1024
"""The most that is taken of one task in a window (80 MB/s): a flood slows itself down, not the host."""
RETRY_S = 1.0


class Kept:
    """The writing side. `counts`: bytes seen of each stream; `lost`: of these, how many are past the limit."""

    def __init__(self, folder: Path, limit: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._files = {number: os.open(folder / name, flags, 0o600) for number, name in STREAMS.items()}
        self._order = os.open(folder / "order", flags, 0o600)
        self._left = limit
        self.counts = {1: 0, 2: 0}
        self.lost = 0
        self.full_disk: float | None = None
        self._held: list[tuple[int, bytes]] = []
        self._owed = b""
        self._window = (0.0, 0)

    def take(self, stream: int, data: bytes) -> None:
        """Count it, and keep what the limit allows; what the disk does not take now is held for `again`."""
        self.counts[stream] += len(data)
        part = data[: self._left]
        self._left -= len(part)
        self.lost += len(data) - len(part)
        if part:
            self._held.append((stream, part))
        now = time.monotonic()
        start, size = self._window
        self._window = (start, size + len(data)) if now - start < WINDOW_S else (now, len(data))
        if self.full_disk is None:
            self._write(now)

    def again(self, now: float) -> None:
        """Try once more what the disk did not take."""
        if self.full_disk is not None and now >= self.full_disk:
            self._write(now)

    def wait_until(self, now: float) -> float:
        """Until when (monotonic seconds) nothing more should be read; 0.0: go on."""
        if self.full_disk is not None:
            return self.full_disk
        start, size = self._window
        return start + WINDOW_S if size >= WINDOW_BYTES and now < start + WINDOW_S else 0.0

    def give_up(self) -> None:
        """The end: what could not be written is lost."""
        self._write(time.monotonic())
        self.lost += sum(len(data) for _, data in self._held)
        self._held = []

    def _write(self, now: float) -> None:
        try:
            self._speak()
            while self._held:
                stream, data = self._held[0]
                done = os.write(self._files[stream], data)
                self._owed += FRAME.pack(stream, done)
                if done == len(data):
                    del self._held[0]
                else:
                    self._held[0] = (stream, data[done:])
                self._speak()
        except OSError:
            self.full_disk = now + RETRY_S
        else:
            self.full_disk = None

    def _speak(self) -> None:
        """Write the frames that are owed: a full disk may take half of one."""
        while self._owed:
            self._owed = self._owed[os.write(self._order, self._owed) :]


class Tail:
    """The reading side. `skip`: bytes of each stream that were taken before (a restarted agent knows them from its ledger)."""

    def __init__(self, folder: Path, skip: dict[str, int]) -> None:
        self._folder, self._skip = folder, dict(skip)
        self._files: dict[str, int] = {}
        self._at = dict.fromkeys(STREAMS.values(), 0)
        self._place = 0
        self._frame: tuple[str, int] | None = None

    def read(self, most: int) -> list[tuple[str, bytes]]:
        """The next pieces in the order in which they were printed, at most `most` bytes; empty: there is nothing new."""
        pieces: list[tuple[str, bytes]] = []
        if not self._folder.is_dir():
            return pieces
        while most > 0:
            if self._frame is None:
                self._frame = self._next()
                if self._frame is None:
                    break
            stream, left = self._frame
            passed = min(left, self._skip.get(stream, 0))
            if passed:
                self._skip[stream] -= passed
                self._at[stream] += passed
                left -= passed
            data = os.pread(self._open(stream), min(left, most, READ_BYTES), self._at[stream]) if left else b""
            if left and not data:
                break  # its bytes are gone: somebody removed the file
            self._at[stream] += len(data)
            most -= len(data)
            left -= len(data)
            self._frame = (stream, left) if left else None
            if data:
                pieces.append((stream, data))
        return pieces

    def close(self) -> None:
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files = {}

    def _next(self) -> tuple[str, int] | None:
        head = os.pread(self._open("order"), FRAME.size, self._place)
        if len(head) < FRAME.size:
            return None
        self._place += FRAME.size
        number, length = FRAME.unpack(head)
        return STREAMS[number], length

    def _open(self, name: str) -> int:
        if name not in self._files:
            self._files[name] = os.open(self._folder / name, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._files[name]
