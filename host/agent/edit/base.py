"""What every format offers, and the small tools they share: changes as spans of the text, lines, problems.

A format never writes a document anew. It finds the span of what is named and changes that, so that comments, order,
quoting, indentation and line endings of everything else stay byte for byte. Texts keep their own line endings.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from host.agent.tasks.base import TaskProblem
from host.wire.masking import NAMES

MAX_DEPTH = 100
Values = set[str]
_SECRET = re.compile(rf"(?:{'|'.join(NAMES)})$", re.IGNORECASE)


@dataclass(frozen=True)
class Named:
    """What of a document is meant: a path in the format's own notation. `every`: several matches are meant."""

    path: str
    every: bool = False
    after: str = ""


class Format(Protocol):
    """One format. All raise TaskProblem: A4005 not parsable, A4007 path, A4008 no match, A4009 several, A4010 type,
    A4011 cannot be changed alone."""

    def read(self, text: str, named: Named) -> Any:
        """The value; a list of them with `every`."""
        ...

    def set(self, text: str, named: Named, value: Any) -> str:
        """The text with the value in place; made where its parent can hold it."""
        ...

    def remove(self, text: str, named: Named) -> str: ...

    def secrets(self, text: str) -> Values:
        """Values whose key looks secret, to be masked wherever they are shown."""
        ...


@dataclass(frozen=True)
class Edit:
    start: int
    end: int
    new: str


def apply(text: str, edits: Iterable[Edit]) -> str:
    """All edits, whose spans are of the same text and do not overlap; those that lie in another one go with it."""
    out, position = [], 0
    for edit in sorted(edits, key=lambda one: (one.start, -one.end)):
        if edit.end <= position and edit.start < position:
            continue
        if edit.start < position:
            raise alone("two of the matches overlap")
        out += [text[position : edit.start], edit.new]
        position = edit.end
    return "".join([*out, text[position:]])


def newline(text: str) -> str:
    """The line ending that most of its lines have."""
    crlf = text.count("\r\n")
    return "\r\n" if crlf * 2 > text.count("\n") else "\n"


def line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def line_end(text: str, at: int) -> int:
    """Where the line's content ends, before its line ending."""
    end = text.find("\n", at)
    end = len(text) if end < 0 else end
    return end - 1 if end > at and end < len(text) and text[end - 1] == "\r" else end


def next_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def whole_lines(text: str, start: int, end: int) -> Edit:
    """Takes the lines from `start`'s to `end`'s away. A file that ends without a line ending still does."""
    first, last = line_start(text, start), next_line(text, end)
    if last == len(text) and not text.endswith("\n") and text[:first].rstrip("\r\n") and not text[:first].endswith(("\n\n", "\n\r\n")):
        first -= 2 if text[:first].endswith("\r\n") else 1
    return Edit(first, last, "")


def insert_line(text: str, at: int, line: str) -> Edit:
    """`line` after the line that `at` is in."""
    end = line_end(text, at)
    return Edit(end, end, newline(text) + line)


def append(text: str, lines: str) -> Edit:
    """At the end; a file that ended with a line ending, or was empty, ends with one afterwards."""
    ending = newline(text)
    if not text or text.endswith("\n"):
        return Edit(len(text), len(text), lines + ending)
    return Edit(len(text), len(text), ending + lines)


def indent_of(text: str, at: int) -> str:
    """The blanks that the line of `at` begins with."""
    match = re.compile(r"[ \t]*").match(text, line_start(text, at))
    return match[0] if match else ""


def first_on_line(text: str, at: int) -> bool:
    return not text[line_start(text, at) : at].strip(" \t\ufeff")


def looks_secret(key: str) -> bool:
    return bool(_SECRET.search(key))


def scalar_text(value: Any, what: str) -> str:
    """A value in a format that knows only text. Raises A4010."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise wrong_type(f"{what} holds only text, not {named_type(value)}", "give text, a number, true or false")


def named_type(value: Any) -> str:
    words = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null", int: "a number", float: "a number"}
    return words.get(type(value), type(value).__name__)


def same(one: Any, other: Any) -> bool:
    """Equal, with types and with the order of keys."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and math.isnan(one):
        return bool(math.isnan(other))
    return bool(one == other)


def position(text: str, at: int) -> str:
    return f"line {text.count(chr(10), 0, at) + 1}, column {at - line_start(text, at) + 1}"


def unparsable(what: str, text: str, at: int) -> TaskProblem:
    return TaskProblem("A4005", f"the file is no valid {what} at {position(text, at)}", "mend it by hand first")


def bad_path(path: str, why: str) -> TaskProblem:
    return TaskProblem("A4007", f"the path {path[:200]!r} cannot be understood: {why}", "see docs/agent.md for the paths of each format")


def no_match(path: str, why: str = "nothing in the file is named so") -> TaskProblem:
    return TaskProblem("A4008", f"{path[:200]!r}: {why}", "read the file to see what it has")


def several(path: str, count: int) -> TaskProblem:
    return TaskProblem("A4009", f"{path[:200]!r} matches {count} places", "name one, or set all to true")


def wrong_type(what: str, mend: str = "name another path or give another value") -> TaskProblem:
    return TaskProblem("A4010", what, mend)


def alone(what: str) -> TaskProblem:
    return TaskProblem(
        "A4011", f"this cannot be changed without changing something else: {what}", "change it by hand, or name another path"
    )


def check_count(named: Named, count: int) -> None:
    """Raises A4008 and A4009."""
    if not count:
        raise no_match(named.path)
    if count > 1 and not named.every:
        raise several(named.path, count)


def too_deep(what: str) -> NoReturn:
    raise TaskProblem(
        "A4005", f"the file is no usable {what}: it is nested deeper than {MAX_DEPTH} levels", "name a file with fewer levels"
    )
