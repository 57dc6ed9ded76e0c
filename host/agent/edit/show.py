"""What is shown of a file: differences, bounded, and secrets masked."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from typing import Any
from xml.sax.saxutils import escape

from host.wire import masking

MAX_DIFF = 64 * 1024
_MAX_LINES = 4000
_SHORTEST = 4
"""Characters: shorter values would mask half the file; the name of their key masks them where it stands beside them."""


def difference(before: str, after: str, path: str, secrets: Iterable[str] = ()) -> str:
    """A unified diff with three lines around each change; "" when both are equal."""
    old, new = before.splitlines(True), after.splitlines(True)
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    if head == len(old) == len(new):
        return ""
    # What is equal at both ends is left out of the comparison, which takes long for long files.
    start, stop = max(0, head - 3), max(0, tail - 3)
    one, other = old[start : len(old) - stop], new[start : len(new) - stop]
    if max(len(one), len(other)) > _MAX_LINES:
        return f"--- {path}\n+++ {path}\n@@ lines {head + 1} to {len(old) - tail} are replaced: too many to show @@\n"
    found = list(difflib.unified_diff(one, other, path, path, n=3))
    lines = [_moved(line, start) if line.startswith("@@ ") else line for line in found]
    text = "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
    text = masked(text.replace("\r\n", "\n").replace("\r", "\n"), secrets)
    return text if len(text) <= MAX_DIFF else text[:MAX_DIFF].rpartition("\n")[0] + "\n… the rest is not shown\n"


def _moved(line: str, by: int) -> str:
    """The numbers of a hunk's lines, in the whole file."""

    def one(part: str) -> str:
        number, comma, rest = part[1:].partition(",")
        return f"{part[0]}{int(number) + by}{comma}{rest}"

    _, old, new, *_ = line.split(" ")
    return f"@@ {one(old)} {one(new)} @@\n"


def spellings(secret: str) -> set[str]:
    """How a format may write a value."""
    return {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], escape(secret), secret.replace("'", "''")}


def masked(text: str, secrets: Iterable[str]) -> str:
    """Without these values and without those whose key says that they are secret."""
    parts = {line.strip() for secret in secrets for one in spellings(secret) for line in one.splitlines()}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= _SHORTEST:
            text = text.replace(part, masking.MASK)
    return masking.mask(text)


def masked_value(value: Any, secrets: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: masked_value(one, secrets) for key, one in value.items()}
    if isinstance(value, list):
        return [masked_value(one, secrets) for one in value]
    if isinstance(value, str) and value not in secrets:
        return masked(value, secrets)
    return masking.MASK if value is not None and not isinstance(value, bool) and str(value) in secrets else value
