"""Two texts side by side as one list of lines: what goes, what comes, and a little of what stays around it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

ADDED, REMOVED, SAME, SKIPPED = "added", "removed", "same", "skipped"
CONTEXT = 3
MAX_WORK = 1_000_000
"""Lines times lines: comparing takes that much time, for every visitor to wait. Past it all old lines go and all new ones come."""


@dataclass(frozen=True)
class Line:
    """`kind` is one of the above; `before` and `after` are the line's numbers in the two texts, where it stands in them."""

    kind: str
    before: int | None
    after: int | None
    text: str


def diff(before: str, after: str) -> list[Line]:
    """The lines that differ, each with CONTEXT lines around; empty when the texts are the same line for line."""
    old, new = _lines(before), _lines(after)
    found: list[Line] = []
    end = 0
    for group in _groups(old, new):
        if group[0][1] > end:
            found.append(Line(SKIPPED, None, None, ""))
        for tag, a, b, c, d in group:
            if tag == "equal":
                found += [Line(SAME, a + n + 1, c + n + 1, text) for n, text in enumerate(old[a:b])]
            else:
                found += [Line(REMOVED, a + n + 1, None, text) for n, text in enumerate(old[a:b])]
                found += [Line(ADDED, None, c + n + 1, text) for n, text in enumerate(new[c:d])]
        end = group[-1][2]
    if found and end < len(old):
        found.append(Line(SKIPPED, None, None, ""))
    return found


def counts(lines: list[Line]) -> tuple[int, int]:
    """How many lines come, and how many go."""
    return sum(line.kind == ADDED for line in lines), sum(line.kind == REMOVED for line in lines)


def _lines(text: str) -> list[str]:
    """As an editor numbers them; `splitlines` would also cut at characters that no editor takes for an end."""
    return text.removesuffix("\n").split("\n") if text else []


def _groups(old: list[str], new: list[str]) -> Iterable[list[tuple[str, int, int, int, int]]]:
    if len(old) * len(new) > MAX_WORK:
        return [[("replace", 0, len(old), 0, len(new))]] if old != new else []
    # Frequent lines mean something here, so no guess that they do not.
    return difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(CONTEXT)
