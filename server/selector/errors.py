"""What is wrong with a selector, and where."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SelectorError(ValueError):
    """`column` counts characters from 1; `length` is how many of them are meant. `str()` is one line with all of it."""

    def __init__(self, column: int, what: str, length: int = 1) -> None:
        self.column, self.what, self.length = column, what, max(1, length)
        super().__init__(f"column {column}: {what}")


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean …?` for the name that comes closest, or nothing."""
    near = difflib.get_close_matches(word.lower(), sorted(set(known)), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""
