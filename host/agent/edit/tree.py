"""Formats of maps and lists (YAML, JSON, TOML): the rules that they share.

Each change is proved before it is given back: the new text is parsed and must differ from the old in what was named and
in nothing else, otherwise A4011 and nothing is written.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from host.agent.edit import paths
from host.agent.edit.base import Edit, Named, Values, alone, apply, check_count, looks_secret, no_match, same, wrong_type
from host.agent.edit.paths import Path, Step


@dataclass
class Item:
    """`start` is where its key begins, in a list its value (in a YAML block its dash)."""

    key: Step
    start: int
    node: Node


@dataclass
class Node:
    """A value and its span. `flow`: its items stand between brackets, parted by commas."""

    kind: str  # map, list, scalar, alias
    start: int
    end: int
    value: Any = None
    items: list[Item] = field(default_factory=list)
    flow: bool = True
    column: int = 0
    style: str = ""
    lead: int = 0
    """Where its place begins: behind the colon or the dash (YAML)."""
    duplicates: set[Step] = field(default_factory=set)

    def child(self, step: Step) -> Item | None:
        if step in self.duplicates:
            raise alone(f"the key {step!r} stands twice in the same place")
        return next((one for one in self.items if one.key == step), None)


class Tree:
    """What a format of this kind must give: `data` (plain values), and the edits for one parsed text."""

    def data(self, text: str) -> Any:
        """Plain values; raises A4005."""
        raise NotImplementedError

    def proof(self, text: str) -> Any:
        """What must stay the same but for the change; other than `data` where the text has references."""
        return self.data(text)

    def put(self, text: str, place: Path, value: Any) -> list[Edit]:
        raise NotImplementedError

    def drop(self, text: str, places: list[Path]) -> list[Edit]:
        raise NotImplementedError

    def expected(self, data: Any) -> Any:
        """Both sides of the proof go through this."""
        return data

    # What `Format` promises

    def read(self, text: str, named: Named) -> Any:
        data = self.data(text)
        found, _ = paths.select(data, named.path)
        check_count(named, len(found))
        values = [paths.get(data, one) for one in found]
        return values if named.every else values[0]

    def set(self, text: str, named: Named, value: Any) -> str:
        data = self.data(text)
        found, missing = paths.select(data, named.path)
        places = found or missing
        check_count(named, len(places))
        if places == [()]:
            raise no_match(named.path, "the whole file is meant; name something in it")
        places = [one for one in places if not (paths.there(data, one) and same(paths.get(data, one), value))]
        edits = [edit for place in places for edit in self.put(text, place, value)]
        expected = self.proof(text)
        for place in places:
            paths.put(expected, place, copy.deepcopy(value))
        return self._proved(text, apply(text, edits), expected, named)

    def remove(self, text: str, named: Named) -> str:
        data = self.data(text)
        found, _ = paths.select(data, named.path)
        check_count(named, len(found))
        if () in found:
            raise no_match(named.path, "the whole file is meant; name something in it")
        # What lies in something that goes as well needs no edit of its own.
        tops = [one for one in found if not any(one[:size] in found for size in range(len(one)))]
        edits = self.drop(text, tops)
        expected = self.proof(text)
        paths.drop(expected, found)
        return self._proved(text, apply(text, edits), expected, named)

    def child(self, node: Node, step: Step, way: Path) -> Item | None:
        """What stands at this step; None where nothing does. Raises A4010 for a value that holds nothing, A4011 for a reference."""
        if node.kind == "alias":
            raise alone(f"{paths.shown(way)} only refers to {node.style}, which others use too")
        if node.kind == "scalar" or (node.kind == "list" and (not isinstance(step, int) or not 0 <= step <= len(node.items))):
            what = "a list" if node.kind == "list" else "a value"
            raise wrong_type(f"{paths.shown(way) or 'the file'} is {what} and has no place for {step!r}")
        if node.kind == "map" and isinstance(step, int) and not node.child(step):
            raise wrong_type(f"{paths.shown(way) or 'the file'} is no list and has no place {step}")
        return node.child(step)

    def secrets(self, text: str) -> Values:
        return set(_secrets(self.data(text), False))

    def _proved(self, before: str, after: str, expected: Any, named: Named) -> str:
        from host.agent.tasks.base import TaskProblem

        try:
            found = self.proof(after)
        except TaskProblem as problem:
            raise alone(f"{named.path} would leave a file that cannot be read") from problem
        if not same(self.expected(found), self.expected(expected)):
            raise alone(f"around {named.path} the file is written in a way that this cannot be sure about")
        return after


def _secrets(data: Any, secret: bool) -> Iterator[str]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _secrets(value, secret or looks_secret(str(key)))
    elif isinstance(data, list):
        for value in data:
            yield from _secrets(value, secret)
    elif secret and data is not None and not isinstance(data, bool):
        yield str(data)


def plain(node: Node) -> Any:
    """The node as plain values; of a key that stands twice the last."""
    if node.kind == "map":
        return {one.key: plain(one.node) for one in node.items}
    if node.kind == "list":
        return [plain(one.node) for one in node.items]
    return copy.copy(node.value)


def nested(steps: Path, value: Any) -> Any:
    """The value in maps of its own. Raises A4010: a list is not made by naming a place in it."""
    for step in reversed(steps):
        if isinstance(step, int):
            raise wrong_type(f"there is no list with a place {step}", "set the list as a whole")
        value = {step: value}
    return value
