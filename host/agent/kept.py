"""Output that is longer than what was sent: kept on this host, bounded in age and size, read by offset (A5)."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from host.agent.storing import STREAMS

_ID = re.compile(r"[A-Za-z0-9_.-]{1,80}")


class KeptOutput:
    """`spool` holds the folders of tasks that run, `folder` what is kept of those that have ended. `most` in bytes over all."""

    def __init__(self, spool: Path, folder: Path, most: int) -> None:
        self._spool, self.folder, self._most = spool, folder, most

    def keep(self, place: Path) -> None:
        """Take over the streams of a task's folder."""
        target = self.folder / place.name
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in STREAMS.values():
            if (place / name).exists():
                os.replace(place / name, target / name)

    def read(self, command_id: str, stream: str, offset: int, most: int) -> tuple[bytes, int] | None:
        """At most `most` bytes from `offset` on, and how many there are in all. None: nothing is kept of it here."""
        if not _ID.fullmatch(command_id) or command_id.startswith("."):
            return None
        for place in (self._spool / command_id, self.folder / command_id):
            try:
                descriptor = os.open(place / stream, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            except OSError:
                continue
            try:
                return os.pread(descriptor, most, offset), os.fstat(descriptor).st_size
            finally:
                os.close(descriptor)
        return None

    def ended(self, command_id: str, stream: str) -> int | None:
        """An open file with all that is kept of a task that has ended; None: nothing is."""
        if not _ID.fullmatch(command_id) or command_id.startswith("."):
            return None
        try:
            return os.open(self.folder / command_id / stream, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None

    def prune(self, before: int) -> None:
        """Remove what is older than `before` (UTC ms), then the oldest until the rest is within the bound."""
        if not self.folder.is_dir():
            return
        found = sorted((place.stat().st_mtime_ns // 1_000_000, place) for place in self.folder.iterdir())
        sizes = {place: sum(file.stat().st_size for file in place.iterdir()) for _, place in found}
        total = sum(sizes.values())
        for at, place in found:
            if at < before or total > self._most:
                total -= sizes[place]
                shutil.rmtree(place, ignore_errors=True)
