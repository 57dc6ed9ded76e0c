"""YAML: sets and removes by changing the spans that `yaml_nodes` finds."""

from __future__ import annotations

from typing import Any

from host.agent.edit import flow, paths, tree, yaml_nodes, yaml_write
from host.agent.edit.base import (
    Edit,
    Named,
    alone,
    append,
    first_on_line,
    insert_line,
    line_end,
    line_start,
    newline,
    same,
    whole_lines,
)
from host.agent.edit.paths import Path
from host.agent.edit.tree import Item, Node
from host.agent.edit.yaml_write import block, flowing, is_block, scalar
from host.agent.tasks.base import TaskProblem


class Yaml(tree.Tree):
    """`document`: which one of the file, from 1."""

    def __init__(self, document: int = 1) -> None:
        self._document = document

    def _root(self, text: str) -> Node | None:
        found = yaml_nodes.documents(text)
        if self._document > len(found):
            raise TaskProblem("A4008", f"the file has {len(found)} documents and no document {self._document}", "name one of these")
        return found[self._document - 1]

    def data(self, text: str) -> Any:
        return yaml_nodes.expanded(self._root(text))

    def proof(self, text: str) -> Any:
        return yaml_nodes.literal(self._root(text))

    def set(self, text: str, named: Named, value: Any) -> str:
        return self._others_same(text, super().set(text, named, value))

    def remove(self, text: str, named: Named) -> str:
        return self._others_same(text, super().remove(text, named))

    def _others_same(self, before: str, after: str) -> str:
        one, other = ([yaml_nodes.literal(node) for node in yaml_nodes.documents(text)] for text in (before, after))
        one[self._document - 1] = other[self._document - 1]
        if not same(one, other):
            raise alone("another document of the file would change")
        return after

    def put(self, text: str, place: Path, value: Any) -> list[Edit]:
        node = self._root(text)
        if node is None:
            tree.nested(place, value)
            if len(yaml_nodes.documents(text)) > 1:
                raise alone("the document is empty")
            return [append(text, _block(text, tree.nested(place, value), ""))]
        parent = None
        for at, step in enumerate(place):
            found = self.child(node, step, place[:at])
            if found is None:
                if at < len(place) - 1 and node.child("<<") and paths.there(self.data(text), place[: at + 1]):
                    raise alone(f"{paths.shown(place[: at + 1])} comes from a merge")
                return _add(text, node, step, tree.nested(place[at + 1 :], value))
            parent, node = node, found.node
            if at < len(place) - 1 and node.kind == "scalar" and node.value is None:
                value = tree.nested(place[at + 1 :], value)
                break
        assert parent is not None
        return _replace(text, parent, node, value)

    def drop(self, text: str, places: list[Path]) -> list[Edit]:
        gone: dict[int, tuple[Node, set[int]]] = {}
        for place in places:
            node = self._root(text)
            assert node is not None
            for at, step in enumerate(place):
                found = self.child(node, step, place[:at])
                if found is None:
                    raise alone(f"{paths.shown(place[: at + 1])} comes from a merge")
                if at == len(place) - 1:
                    gone.setdefault(id(node), (node, set()))[1].add(node.items.index(found))
                node = found.node
        edits: list[Edit] = []
        for node, numbers in gone.values():
            edits += flow.drop(text, node, numbers, flow.HASH) if node.flow else _drop_block(text, node, numbers)
        return edits


def _replace(text: str, parent: Node, node: Node, value: Any) -> list[Edit]:
    gap = "" if text[node.start - 1 : node.start].isspace() or text[node.start - 1 : node.start] in ("[", "{", ",", "") else " "
    if parent.flow or (node.kind in ("map", "list") and node.flow and is_block(value)):
        return [Edit(node.start, node.end, gap + flowing(value, text[node.start : node.start + 1]))]
    old_block = node.kind in ("map", "list") and not node.flow
    clear = not text[node.lead : node.start].strip()
    if not is_block(value):
        if not old_block:
            indent = " " * (parent.column + len(flow.unit(text) if "\t" not in flow.unit(text) else "  "))
            return [Edit(node.start, node.end, gap + scalar(value, node.style, text, node, indent if text.endswith("\n") else ""))]
        written = scalar(value, "", "", None, "")
        if clear:
            return [Edit(node.lead, node.end, " " + written)]
        return [Edit(node.start, node.end, ("" if node.column > parent.column else "  ") + written)]
    if old_block:
        deeper = "  " if node.column == parent.column and isinstance(value, dict) else ""
        indent = " " * node.column + deeper
        return [Edit(node.start, node.end, deeper + _block(text, value, indent).lstrip(" "))]
    rest = text[node.end : line_end(text, node.end)].strip()
    if parent.kind == "list":
        if rest:
            return [Edit(node.start, node.end, gap + flowing(value, ""))]
        column = node.start - line_start(text, node.start) + len(gap)
        return [Edit(node.start, node.end, gap + _block(text, value, " " * column).lstrip(" "))]
    indent = " " * parent.column + yaml_write.unit(text)
    lines = newline(text) + _block(text, value, indent)
    end = line_end(text, node.end)
    if not rest:
        return [Edit(node.lead if clear else node.start, end, lines)]
    return [Edit(node.lead if clear else node.start, node.end, ""), Edit(end, end, lines)]


def _add(text: str, node: Node, step: Any, value: Any) -> list[Edit]:
    if node.flow:
        quote = text[node.items[-1].start] if node.items else ""
        written = flowing(value, quote)
        return flow.add(text, node, written if node.kind == "list" else _key(step, quote) + ": " + written, flow.HASH)
    indent = " " * node.column
    return [insert_line(text, node.end, _block(text, {step: value} if node.kind == "map" else [value], indent))]


def _block(text: str, value: Any, indent: str) -> str:
    # At the end of a text without line ending a block of text would lose its own last one.
    lines = block(value, indent, yaml_write.unit(text), literals=text.endswith("\n") or not text)
    return newline(text).join(lines)


def _key(step: Any, quote: str) -> str:
    return flowing(step, quote if quote in ('"', "'") else "")


def _drop_block(text: str, node: Node, gone: set[int]) -> list[Edit]:
    kept = [at for at in range(len(node.items)) if at not in gone]
    if not kept:
        empty = "{}" if node.kind == "map" else "[]"
        if node.lead and not text[node.lead : node.start].strip():
            return [Edit(node.lead, node.end, " " + empty)]
        return [Edit(node.start, node.end, "  " + empty)]
    edits = []
    for at in sorted(gone):
        item = node.items[at]
        if first_on_line(text, item.start):
            edits.append(whole_lines(text, item.start, _end(item)))
            continue
        following = next((node.items[later] for later in kept if later > at), None)
        if following is None:
            raise alone("it shares its line with something else")
        if "#" in text[line_end(text, _end(item)) : following.start]:
            edits.append(Edit(item.start, line_end(text, _end(item)), ""))
        else:
            edits.append(Edit(item.start, following.start, ""))
    return edits


def _end(item: Item) -> int:
    return max(item.start, item.node.end)
