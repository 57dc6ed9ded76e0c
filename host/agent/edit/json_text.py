"""JSON, also with comments (`//`, `/* */`): a parser that keeps the span of every value (RFC 8259)."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from host.agent.edit import flow, tree
from host.agent.edit.base import MAX_DEPTH, Edit, Named, indent_of, newline, too_deep, unparsable
from host.agent.edit.paths import Path
from host.agent.edit.tree import Item, Node

_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])")
_WORDS = {"true": True, "false": False, "null": None}


class Json(tree.Tree):
    def data(self, text: str) -> Any:
        return tree.plain(parse(text))

    def set(self, text: str, named: Named, value: Any) -> str:
        return super().set(text if text.strip() else "{}" + newline(text), named, value)

    def put(self, text: str, place: Path, value: Any) -> list[Edit]:
        node = parse(text)
        for at, step in enumerate(place):
            found = self.child(node, step, place[:at])
            if found is None:
                return self._add(text, node, place[at:], value)
            node = found.node
            if at < len(place) - 1 and node.kind == "scalar" and node.value is None:
                value = tree.nested(place[at + 1 :], value)
                break
        return [Edit(node.start, node.end, _write(text, value, indent_of(text, node.start)))]

    def _add(self, text: str, node: Node, steps: Path, value: Any) -> list[Edit]:
        base = indent_of(text, node.items[-1].start if node.items else node.start)
        if not node.items and "\n" in text[node.start : node.end]:
            base += flow.unit(text)
        written = _write(text, tree.nested(steps[1:], value), base)
        if node.kind == "map":
            written = json.dumps(str(steps[0]), ensure_ascii=False) + _colon(text, node) + written
        if (
            not node.items
            and not text[node.start + 1 : node.end - 1].strip()
            and "\n" in text.strip()
            and "\n" not in text[node.start : node.end]
        ):
            # A document of many lines: what was {} gets lines of its own.
            outer = indent_of(text, node.start)
            inner = outer + flow.unit(text)
            written = written.replace(newline(text), newline(text) + flow.unit(text))
            return [Edit(node.start + 1, node.end - 1, newline(text) + inner + written + newline(text) + outer)]
        return flow.add(text, node, written, flow.SLASHES)

    def drop(self, text: str, places: list[Path]) -> list[Edit]:
        return drop_flow(parse(text), text, places, flow.SLASHES)


def drop_flow(root: Node, text: str, places: list[Path], skip: re.Pattern[str]) -> list[Edit]:
    """The edits that remove these places, a container at a time."""
    gone: dict[int, tuple[Node, set[int]]] = {}
    for place in places:
        node = root
        for step in place[:-1]:
            found = node.child(step)
            assert found is not None
            node = found.node
        found = node.child(place[-1])
        assert found is not None
        gone.setdefault(id(node), (node, set()))[1].add(node.items.index(found))
    return [edit for node, numbers in gone.values() for edit in flow.drop(text, node, numbers, skip)]


def _colon(text: str, node: Node) -> str:
    """As the last key has it."""
    if node.items:
        last = node.items[-1]
        match = _STRING.match(text, last.start)
        between = text[match.end() : last.node.start] if match else ""
        if between.strip() == ":" and "\n" not in between:
            return between
    return ": "


def _write(text: str, value: Any, indent: str) -> str:
    if not isinstance(value, (dict, list)) or not value:
        return json.dumps(value, ensure_ascii=False)
    if "\n" not in text.strip():
        compact = re.search(r'":\S', text) and not re.search(r'": ', text)
        return json.dumps(value, ensure_ascii=False, separators=(",", ":") if compact else None)
    lines = json.dumps(value, ensure_ascii=False, indent=flow.unit(text)).split("\n")
    return (newline(text) + indent).join(lines)


@lru_cache(maxsize=2)
def parse(text: str) -> Node:
    """The document with spans; an empty text is an empty object. Raises A4005."""
    at = _skip(text, 0)
    if at == len(text):
        return Node("map", 0, 0, flow=True)
    node = _value(text, at, 0)
    at = _skip(text, node.end)
    if at != len(text):
        raise unparsable("JSON", text, at)
    return node


def _skip(text: str, at: int) -> int:
    match = flow.SLASHES.match(text, at)
    return match.end() if match else at


def _value(text: str, at: int, depth: int) -> Node:
    if depth > MAX_DEPTH:
        too_deep("JSON")
    first = text[at : at + 1]
    if first in ("{", "["):
        return _container(text, at, depth)
    if match := _STRING.match(text, at):
        return Node("scalar", at, match.end(), json.loads(match[0]))
    if match := _NUMBER.match(text, at):
        try:
            return Node("scalar", at, match.end(), json.loads(match[0]))
        except ValueError:  # more digits than Python converts
            raise unparsable("JSON", text, at) from None
    for word, value in _WORDS.items():
        if text.startswith(word, at) and not text[at + len(word) : at + len(word) + 1].isalnum():
            return Node("scalar", at, at + len(word), value)
    raise unparsable("JSON", text, at)


def _container(text: str, at: int, depth: int) -> Node:
    is_map = text[at] == "{"
    close = "}" if is_map else "]"
    node = Node("map" if is_map else "list", at, at)
    seen: set[Any] = set()
    at = _skip(text, at + 1)
    if text[at : at + 1] == close:
        node.end = at + 1
        return node
    while True:
        start, key = at, len(node.items)
        name: Any = key
        if is_map:
            match = _STRING.match(text, at)
            if not match:
                raise unparsable("JSON", text, at)
            name = json.loads(match[0])
            if name in seen:
                node.duplicates.add(name)
            seen.add(name)
            at = _skip(text, match.end())
            if text[at : at + 1] != ":":
                raise unparsable("JSON", text, at)
            at = _skip(text, at + 1)
        child = _value(text, at, depth + 1)
        node.items.append(Item(name, start, child))
        at = _skip(text, child.end)
        if text[at : at + 1] == close:
            node.end = at + 1
            return node
        if text[at : at + 1] != ",":
            raise unparsable("JSON", text, at)
        at = _skip(text, at + 1)
