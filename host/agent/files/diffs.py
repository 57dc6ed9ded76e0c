"""What a dry run shows of a file that would be replaced: the difference, where both are small and text."""

from __future__ import annotations

import difflib
import os

from host.agent.files.copying import pour
from host.agent.files.facts import open_regular
from host.agent.files.places import Place

MAX_BYTES = 64 * 1024
MAX_SHOWN = 32 * 1024
"""Characters of the difference."""


def digest(handle: int, seen: os.stat_result, path: str) -> tuple[str, int]:
    """SHA-256 and size. Raises TaskProblem."""
    return pour(handle, seen, path, lambda data: None)


def small(place: Place) -> bytes | None:
    """The file's bytes; None when it is larger than is shown. Raises TaskProblem."""
    handle, found = open_regular(place)
    try:
        return None if found.st_size > MAX_BYTES else os.read(handle, MAX_BYTES + 1)
    finally:
        os.close(handle)


def unified(before: bytes | None, after: bytes | None, path: str) -> str:
    """A unified diff; "" where one of them is large or no text."""
    if before is None or after is None or b"\0" in before + after:
        return ""
    try:
        old, new = before.decode("utf-8"), after.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    whole = "".join(
        line if line.endswith("\n") else line + "\n"
        for line in difflib.unified_diff(old.splitlines(True), new.splitlines(True), path, path, n=3)
    )
    return whole if len(whole) <= MAX_SHOWN else whole[:MAX_SHOWN] + "\n… cut\n"
