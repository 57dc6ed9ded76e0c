"""YAML as nodes with spans, made from the parser's events: so aliases, comments and styles stay what they are.

Plain values are read by YAML 1.2's core schema, so `yes` and `22:22` are text; what 1.1 reads otherwise (`0644`) is text too,
and is quoted when written.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import yaml

from host.agent.edit import flow
from host.agent.edit.base import MAX_DEPTH, line_start, too_deep
from host.agent.edit.paths import Step
from host.agent.edit.tree import Item, Node
from host.agent.tasks.base import TaskProblem

MAX_VALUES = 500_000
_PROPERTIES = re.compile(r"(?:[&!][^\s,\[\]{}]*(?:[ \t]+|(?=\r?\n|$|[,\]}])))+")
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,4000})")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WORDS = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NOT_FINITE = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def resolve(text: str) -> Any:
    """What a plain scalar means."""
    if text in _WORDS:
        return None
    if text in _WORDS_BOOL:
        return _WORDS_BOOL[text]
    if _INT.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text) and not re.fullmatch(r"[-+]?0[0-9]+", text):
        return float(text)
    if match := _NOT_FINITE.fullmatch(text):
        return float((match[1] or "") + (match[2] or match[3]).lower())
    return text


@lru_cache(maxsize=2)
def documents(text: str) -> list[Node | None]:
    """The documents' roots; None for an empty one. Raises A4005."""
    try:
        return _Composer(text).documents()
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise TaskProblem("A4005", f"the file is no valid YAML{where}: {problem.problem}", "mend it by hand first") from problem
    except yaml.YAMLError as problem:
        raise TaskProblem("A4005", f"the file is no valid YAML: {' '.join(str(problem).split())}", "mend it by hand first") from problem


class _Composer:
    def __init__(self, text: str) -> None:
        self._text = text
        self._events: Any = yaml.parse(text, Loader=Loader)
        self._anchors: dict[str, Node] = {}

    def documents(self) -> list[Node | None]:
        found: list[Node | None] = []
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors = {}
                node = self._node(next(self._events), 0)
                empty = node.kind == "scalar" and node.start == node.end and not node.style
                found.append(None if empty and not event.explicit else node)
        return found or [None]

    def _node(self, event: Any, depth: int) -> Node:
        if depth > MAX_DEPTH:
            too_deep("YAML")
        if isinstance(event, yaml.AliasEvent):
            assert event.start_mark is not None
            assert event.end_mark is not None
            if event.anchor not in self._anchors:
                mark = event.start_mark
                where = f"line {mark.line + 1}, column {mark.column + 1}"
                raise TaskProblem(
                    "A4005", f"the file is no valid YAML at {where}: *{event.anchor} refers to nothing", "mend it by hand first"
                )
            return Node("alias", event.start_mark.index, event.end_mark.index, self._anchors[event.anchor], style="*" + event.anchor)
        start = event.start_mark.index
        if event.anchor or event.tag:
            match = _PROPERTIES.match(self._text, start)
            start = match.end() if match else start
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event, start)
        else:
            is_map = isinstance(event, yaml.MappingStartEvent)
            node = Node("map" if is_map else "list", start, start, flow=bool(event.flow_style))
            if not node.flow:
                match = flow.HASH.match(self._text, start)
                node.start = match.end() if match else start
                node.column = node.start - line_start(self._text, node.start)
        if event.anchor:
            self._anchors[event.anchor] = node
        if node.kind != "scalar":
            self._items(node, depth)
        return node

    def _scalar(self, event: Any, start: int) -> Node:
        end = max(start, event.end_mark.index)
        style = event.style or ""
        if style in "|>" and style:
            end = start + len(self._text[start:end].rstrip("\r\n \t"))
        plain = event.implicit[0] and not style and (not event.tag or event.tag == "!")
        return Node("scalar", start, end, resolve(event.value) if plain else event.value, style=style)

    def _items(self, node: Node, depth: int) -> None:
        seen: set[Step] = set()
        for event in self._events:
            if isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                break
            start = event.start_mark.index
            if node.kind == "list":
                child = self._node(event, depth + 1)
                dash = start if node.flow else self._dash(node, start)
                child.lead = start if node.flow else dash + 1
                node.items.append(Item(len(node.items), dash, child))
                continue
            key = self._node(event, depth + 1)
            child = self._node(next(self._events), depth + 1)
            name: Any = (
                key.value if key.kind == "scalar" and isinstance(key.value, (str, int)) and not isinstance(key.value, bool) else None
            )
            if name is None:
                name = self._text[start : key.end]
            if name in seen:
                node.duplicates.add(name)
            seen.add(name)
            colon = self._text.find(":", key.end)
            child.lead = min(colon + 1, child.start) if colon >= 0 else child.start
            node.items.append(Item(name, start, child))
        if node.flow:
            node.end = event.end_mark.index
        else:
            node.end = max(node.start, node.items[-1].node.end) if node.items else node.start

    def _dash(self, node: Node, before: int) -> int:
        line = line_start(self._text, before)
        while True:
            at = line + node.column
            if at < before and self._text[at : at + 1] == "-" and self._text[at + 1 : at + 2] in ("", " ", "\t", "\r", "\n"):
                return at
            if not line:
                return before
            line = line_start(self._text, line - 1)


def expanded(node: Node | None) -> Any:
    """Plain values with aliases and merges carried out. Raises A4005 where that grows beyond reason."""
    budget = [MAX_VALUES]

    def walk(one: Node, depth: int) -> Any:
        budget[0] -= 1
        if budget[0] < 0 or depth > MAX_DEPTH:
            raise TaskProblem(
                "A4005", f"the file's aliases make more than {MAX_VALUES} values, or lead in a circle", "mend it by hand first"
            )
        if one.kind == "alias":
            return walk(one.value, depth + 1)
        if one.kind == "list":
            return [walk(item.node, depth + 1) for item in one.items]
        if one.kind == "scalar":
            return one.value
        out: dict[Step, Any] = {}
        merged: dict[Step, Any] = {}
        for item in one.items:
            value = walk(item.node, depth + 1)
            if item.key == "<<" and isinstance(value, (dict, list)):
                for source in [value] if isinstance(value, dict) else value:
                    merged = {**(source if isinstance(source, dict) else {}), **merged}
            else:
                out[item.key] = value
        return out | {key: value for key, value in merged.items() if key not in out}

    return walk(node, 0) if node else {}


def literal(node: Node | None) -> Any:
    """Plain values with aliases as what they are: for the proof that nothing else changed."""
    if node is None:
        return {}
    if node.kind == "alias":
        return ("*", node.style)
    if node.kind == "list":
        return [literal(item.node) for item in node.items]
    return {item.key: literal(item.node) for item in node.items} if node.kind == "map" else node.value
