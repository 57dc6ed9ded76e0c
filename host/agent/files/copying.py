"""Reading a file from its first byte to its last, and noticing when it changes meanwhile."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

from host.agent.files.facts import mark_of
from host.agent.files.problems import of_os, wrong
from host.wire.protocol import FILE_CHUNK_BYTES


def pour(handle: int, seen: os.stat_result, path: str, into: Callable[[bytes], None]) -> tuple[str, int]:
    """All bytes, in chunks; their SHA-256 and number. Raises TaskProblem A3010 when the file is not as `seen` in the end."""
    digest, size = hashlib.sha256(), 0
    while True:
        try:
            data = os.pread(handle, FILE_CHUNK_BYTES, size)
        except OSError as problem:
            raise of_os(problem, path) from problem
        if not data:
            break
        digest.update(data)
        size += len(data)
        if size > seen.st_size:
            raise wrong("A3010", f"{path} grew while it was read")
        into(data)
    unchanged(handle, seen, path)
    if size != seen.st_size:
        raise wrong("A3010", f"{path} became shorter while it was read")
    return digest.hexdigest(), size


def unchanged(handle: int, seen: os.stat_result, path: str) -> None:
    """Raises TaskProblem A3010."""
    if mark_of(os.fstat(handle)) != mark_of(seen):
        raise wrong("A3010", f"{path} was changed while it was read")
