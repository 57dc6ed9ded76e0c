"""Plain text, by lines: a line is named by its number, or by a regular expression that finds something in it."""

from __future__ import annotations

import re
from typing import Any

from host.agent.edit.base import (
    Edit,
    Named,
    Values,
    append,
    apply,
    bad_path,
    check_count,
    insert_line,
    line_end,
    next_line,
    no_match,
    scalar_text,
    whole_lines,
    wrong_type,
)


class Plain:
    """`set` puts a line in place of the one that is named; where none is and `after` is given, behind the last line that
    `after` finds. What stands there already stays, so that it can be repeated. See `base.Format`."""

    def read(self, text: str, named: Named) -> Any:
        found = [text[start:end] for start, end in _find(text, named.path)]
        check_count(named, len(found))
        return found if named.every else found[0]

    def set(self, text: str, named: Named, value: Any) -> str:
        line = scalar_text(value, "a text file")
        if "\n" in line or "\r" in line:
            raise wrong_type("the value has several lines", "set one line after another")
        found = _find(text, named.path) if named.path else []
        if found:
            check_count(named, len(found))
            return apply(text, [Edit(start, end, line) for start, end in found])
        if not named.after:
            if text:
                raise no_match(named.path, "no line is named so, and 'after' does not say where it is to stand")
            return apply(text, [append(text, line)])
        anchors = _find(text, named.after)
        if not anchors:
            raise no_match(named.after, "no line is found to insert after")
        start, _ = anchors[-1]
        following = next_line(text, start)
        if following < len(text) and text[following : line_end(text, following)] == line:
            return text
        return apply(text, [insert_line(text, start, line)])

    def remove(self, text: str, named: Named) -> str:
        found = _find(text, named.path)
        check_count(named, len(found))
        return apply(text, [whole_lines(text, start, end) for start, end in found])

    def secrets(self, text: str) -> Values:
        return set()


def _find(text: str, path: str) -> list[tuple[int, int]]:
    lines = []
    at = 0
    while at < len(text):
        lines.append((at, line_end(text, at)))
        at = next_line(text, at)
    if path.isascii() and path.isdigit():
        return lines[int(path) - 1 : int(path)] if int(path) else []
    try:
        pattern = re.compile(path)
    except (re.error, RecursionError, OverflowError) as problem:
        raise bad_path(path, f"it is no regular expression: {problem}") from problem
    return [(start, end) for start, end in lines if pattern.search(text[start:end])]
