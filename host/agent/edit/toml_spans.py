"""Where everything stands in a TOML text that is known to be valid."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import lru_cache

from host.agent.edit import flow
from host.agent.edit.base import MAX_DEPTH, alone, line_start, next_line, too_deep
from host.agent.edit.paths import Path
from host.agent.edit.tree import Item, Node

_BLANK = re.compile(r"[ \t]*")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")|' + r"'''.*?'{3,5}(?!')|" + r'"(?:[^"\\\n]|\\.)*"|' + r"'[^'\n]*'",
    re.DOTALL,
)
_WORD = re.compile(r"\d{4}-\d\d-\d\d [\d:.+Zz-]+|[^\s,\]}#]+")
_KEY = re.compile(r'"(?:[^"\\\n]|\\.)*"|' + r"'[^'\n]*'|[A-Za-z0-9_-]+")


@dataclass
class Assignment:
    """`key = value` outside of brackets. `prefix`: what its dotted key has before the last name; `table`: whose it is."""

    place: Path
    table: Path
    start: int
    end: int
    prefix: str


@dataclass
class Table:
    """A header with its assignments: `last` is a position in its last line."""

    place: Path
    start: int
    last: int
    indent: str = ""


@dataclass
class Spans:
    values: dict[Path, Node] = field(default_factory=dict)
    assignments: list[Assignment] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)


@lru_cache(maxsize=2)
def spans(text: str) -> Spans:
    return _Scanner(text).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text, self._found = text, Spans()
        self._arrays: dict[Path, int] = {}

    def scan(self) -> Spans:
        at, text, table = 0, self._text, Table((), 0, 0)
        while True:
            at = self._skip(at, flow.HASH)
            if at >= len(text):
                return self._found
            if text[at] == "[":
                table, at = self._header(at)
                continue
            names, prefix, equals = self._key(at)
            start = at
            value = self._value(self._skip(equals, _BLANK), 0)
            place = table.place + names
            self._note(place, value)
            self._found.assignments.append(Assignment(place, table.place, start, value.end, prefix))
            table.last = value.end
            if table.place and table.indent == "":
                table.indent = text[line_start(text, start) : start]
            at = value.end

    def _header(self, at: int) -> tuple[Table, int]:
        start, text = at, self._text
        array = text.startswith("[[", at)
        names, _, at = self._key(self._skip(at + 2 if array else at + 1, _BLANK))
        place: Path = ()
        for number, name in enumerate(names):
            place = (*place, name)
            last = number == len(names) - 1
            if array and last:
                self._arrays[place] = self._arrays.get(place, -1) + 1
                for inner in [
                    one for one in self._arrays if len(one) > len(place) and one[: len(place) + 1] == (*place, self._arrays[place])
                ]:
                    del self._arrays[inner]
            if place in self._arrays and (array or not last):
                place = (*place, self._arrays[place])
        table = Table(place, start, start)
        self._found.tables.append(table)
        return table, next_line(text, at)

    def _key(self, at: int) -> tuple[tuple[str, ...], str, int]:
        """Names, what stands before the last one, and the position behind `=` or `]`."""
        names, start, last = [], at, at
        while True:
            match = _KEY.match(self._text, at)
            if not match:
                raise alone("a key is written in a way that is not understood")
            names.append(_name(match[0]))
            last = at
            at = self._skip(match.end(), _BLANK)
            if self._text[at : at + 1] != ".":
                return tuple(names), self._text[start:last], at + 1
            at = self._skip(at + 1, _BLANK)

    def _value(self, at: int, depth: int) -> Node:
        if depth > MAX_DEPTH:
            too_deep("TOML")
        text = self._text
        if match := _STRING.match(text, at):
            return Node("scalar", at, match.end())
        if text[at : at + 1] not in ("[", "{"):
            match = _WORD.match(text, at)
            if not match:
                raise alone("a value is written in a way that is not understood")
            return Node("scalar", at, match.end())
        is_map = text[at] == "{"
        node = Node("map" if is_map else "list", at, at)
        at = self._skip(at + 1, flow.HASH)
        while text[at : at + 1] not in ("]", "}"):
            start = at
            names: Path = (len(node.items),)
            if is_map:
                names, _, at = self._key(at)
            child = self._value(self._skip(at, flow.HASH), depth + 1)
            if len(names) > 1:
                raise alone("an inline table has dotted keys")
            node.items.append(Item(names[0], start, child))
            at = self._skip(child.end, flow.HASH)
            if text[at : at + 1] == ",":
                at = self._skip(at + 1, flow.HASH)
            elif text[at : at + 1] not in ("]", "}"):
                raise alone("a value is written in a way that is not understood")
        node.end = at + 1
        return node

    def _note(self, place: Path, node: Node) -> None:
        self._found.values[place] = node
        for item in node.items:
            self._note((*place, item.key), item.node)

    def _skip(self, at: int, what: re.Pattern[str]) -> int:
        match = what.match(self._text, at)
        return match.end() if match else at


def _name(written: str) -> str:
    if written[0] == "'":
        return written[1:-1]
    if written[0] != '"':
        return written
    plain = re.sub(r"\\U([0-9a-fA-F]{8})", lambda match: chr(int(match[1], 16)), written)
    return str(json.loads(plain.replace("\\e", "\\u001b"), strict=False))
