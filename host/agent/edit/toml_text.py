"""TOML: tomlkit says what the text means and whether it is valid; `toml_spans` says where each value stands."""

from __future__ import annotations

import datetime
import json
import math
import re
from functools import lru_cache
from typing import Any

import tomlkit
import tomlkit.exceptions

from host.agent.edit import flow, paths, tree
from host.agent.edit.base import Edit, alone, insert_line, line_end, line_start, newline, next_line, whole_lines, wrong_type
from host.agent.edit.paths import Path, Step
from host.agent.edit.toml_spans import Spans, Table, spans
from host.agent.edit.tree import Node
from host.agent.tasks.base import TaskProblem

_BARE = re.compile(r"[A-Za-z0-9_-]+")


@lru_cache(maxsize=2)
def _checked(text: str) -> Any:
    try:
        return tomlkit.parse(text).unwrap()
    except tomlkit.exceptions.ParseError as problem:
        where = f"line {problem.line}, column {problem.col}"
        what = str(problem).rsplit(" at line", 1)[0]
        raise TaskProblem("A4005", f"the file is no valid TOML at {where}: {what}", "mend it by hand first") from problem
    except (tomlkit.exceptions.TOMLKitError, RecursionError, ValueError) as problem:
        raise TaskProblem("A4005", f"the file is no valid TOML: {problem}", "mend it by hand first") from problem


def _plain(data: Any) -> Any:
    if isinstance(data, dict):
        return {str(key): _plain(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_plain(value) for value in data]
    return data.isoformat() if isinstance(data, (datetime.date, datetime.time)) else data


class Toml(tree.Tree):
    def data(self, text: str) -> Any:
        return _plain(_checked(text))

    def expected(self, data: Any) -> Any:
        # A table that is there only by its keys' names goes with its last key; the order of tables is theirs in the file.
        if isinstance(data, dict):
            found = {key: self.expected(data[key]) for key in sorted(data)}
            return {key: value for key, value in found.items() if value != {}}
        return [self.expected(value) for value in data] if isinstance(data, list) else data

    def put(self, text: str, place: Path, value: Any) -> list[Edit]:
        found = spans(text)
        for size in range(len(place), -1, -1):
            node = found.values.get(place[:size])
            if node:
                return _in_value(text, node, place, size, value)
        data = self.data(text)
        if paths.there(data, place):
            raise wrong_type(f"{paths.shown(place)} is a table", "set its keys one by one, or remove it first")
        return [_new(text, found, data, place, value)]

    def drop(self, text: str, places: list[Path]) -> list[Edit]:
        found = spans(text)
        edits: list[Edit] = []
        inner: dict[int, tuple[Node, set[int]]] = {}
        for place in places:
            holder = found.values.get(place[:-1])
            if holder:
                item = next(one for one in holder.items if one.key == place[-1])
                inner.setdefault(id(holder), (holder, set()))[1].add(holder.items.index(item))
                continue
            lines = [one for one in found.assignments if one.place[: len(place)] == place]
            edits += [whole_lines(text, one.start, one.end) for one in lines]
            edits += [_table(text, one) for one in found.tables if one.place[: len(place)] == place]
            if not edits:
                raise alone(f"{paths.shown(place)} is not written in one place")
        return edits + [edit for node, numbers in inner.values() for edit in flow.drop(text, node, numbers, flow.HASH)]


def _table(text: str, table: Table) -> Edit:
    """A table's lines, and the empty ones behind it; comments above the next table are that one's."""
    stop = next_line(text, table.last)
    while stop < len(text) and not text[stop : line_end(text, stop)].strip():
        stop = next_line(text, stop)
    start = line_start(text, table.start)
    if stop == len(text):
        kept = text[:start].rstrip("\r\n")
        start = next_line(text, len(kept)) if kept else start
        if not text.endswith("\n") and kept:
            start = len(kept)
    return Edit(start, stop, "")


def _in_value(text: str, node: Node, place: Path, size: int, value: Any) -> list[Edit]:
    """The value itself, or a new item of the array or inline table that it is in."""
    if size == len(place):
        return [Edit(node.start, node.end, write(value, text[node.start : node.end]))]
    step = place[size]
    if node.kind == "scalar" or (node.kind == "list") != isinstance(step, int) or (isinstance(step, int) and step != len(node.items)):
        what = {"map": "an inline table", "list": "an array", "scalar": "a value"}[node.kind]
        raise wrong_type(f"{paths.shown(place[:size])} is {what} and has no place for {step!r}")
    written = write(tree.nested(place[size + 1 :], value))
    if node.kind == "map":
        written = f"{key(step)} = {written}"
    return flow.add(text, node, written, flow.HASH)


def _new(text: str, found: Spans, data: Any, place: Path, value: Any) -> Edit:
    if len(place) > 1 and isinstance(place[-1], int):
        return _element(text, found, data, place, value)
    for step in place:
        if isinstance(step, int) and not paths.there(data, place[: place.index(step) + 1]):
            raise wrong_type(f"there is no array of tables with a place {step}", "set it as a whole")
    holder, name = place[:-1], place[-1]
    line = f"{key(name)} = {write(value)}"
    table = next((one for one in found.tables if one.place == holder), None)
    if table:
        return insert_line(text, table.last, table.indent + line)
    siblings = [one for one in found.assignments if one.place[:-1] == holder]
    if siblings:
        last = siblings[-1]
        return insert_line(text, last.end, text[line_start(text, last.start) : last.start] + last.prefix + line)
    if not holder:
        return _first(text, line)
    if any(isinstance(step, int) for step in holder) and not all(isinstance(step, str) for step in holder[-1:]):
        raise alone(f"{paths.shown(holder)} is not written in one place")
    dotted = any(one.place[: len(holder)] == holder for one in found.assignments if len(one.table) < len(holder))
    if dotted:
        raise alone(f"{paths.shown(holder)} is made by dotted keys")
    header = ".".join(key(step) for step in holder if isinstance(step, str))
    lines = f"[{header}]{newline(text)}{line}"
    elements = [at for at, step in enumerate(holder) if isinstance(step, int)]
    if elements:
        # A table within an element of an array of tables stands behind that element.
        of = holder[: elements[-1] + 1]
        end = max(one.last for one in found.tables if one.place[: len(of)] == of)
        return insert_line(text, end, newline(text) + lines)
    return _at_end(text, lines)


def _at_end(text: str, lines: str) -> Edit:
    if not text.strip():
        return Edit(len(text), len(text), lines + newline(text))
    gap = newline(text) if text.endswith("\n") else newline(text) * 2
    return Edit(len(text), len(text), gap + lines + (newline(text) if text.endswith("\n") else ""))


def _first(text: str, line: str) -> Edit:
    """A key of no table, where there are only tables: behind the comment that the file begins with, or at the top."""
    at = 0
    while at < len(text) and text[at : at + 1] == "#":
        at = next_line(text, at)
    if at and text[at : line_end(text, at)].strip():
        at = 0  # the comment belongs to the table below it
    end = newline(text)
    if at == len(text):
        return _line_at_end(text, line)
    return Edit(at, at, (end if at else "") + line + (end if at else end * 2))


def _line_at_end(text: str, line: str) -> Edit:
    end = newline(text)
    return Edit(len(text), len(text), line + end if not text or text.endswith("\n") else end + line)


def _element(text: str, found: Spans, data: Any, place: Path, value: Any) -> Edit:
    """A further element of an array of tables."""
    tables = [one for one in found.tables if one.place[: len(place) - 1] == place[:-1]]
    count = len(paths.get(data, place[:-1])) if paths.there(data, place[:-1]) else -1
    if not tables or not isinstance(value, dict) or place[-1] != count:
        raise wrong_type(
            f"{paths.shown(place[:-1])} is an array of tables with {max(count, 0)} elements", f"give an object for the place {count}"
        )
    header = ".".join(key(step) for step in place[:-1] if isinstance(step, str))
    lines = [f"[[{header}]]", *(f"{key(name)} = {write(one)}" for name, one in value.items())]
    last = max(one.last for one in tables)
    return insert_line(text, last, newline(text) + newline(text).join(lines))


def key(name: Step) -> str:
    return str(name) if _BARE.fullmatch(str(name)) else quoted(str(name))


def write(value: Any, old: str = "") -> str:
    """A value on one line; text quoted as the old one was where that can hold it. Raises A4010 for null."""
    if value is None:
        raise wrong_type("TOML has no null", "give a value, or remove the key")
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key(name)} = {write(one)}" for name, one in value.items()) + " }" if value else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(write(one) for one in value) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if value != value else "inf" if value > 0 else "-inf"
    if not isinstance(value, str):
        return json.dumps(value)
    if old[:1] == "'" and old[:3] != "'''" and "'" not in value and value.isprintable():
        return f"'{value}'"
    return quoted(value)


def quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
