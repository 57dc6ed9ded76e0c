"""Whether a node is meant, in Python: the same answer as the condition of sql.py, and the proof of it in the tests."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from host.wire.states import RETIRED
from server.selector.ast import (
    ADDRESS,
    CONTAINS,
    DIFFERS,
    EQUALS,
    FACT,
    FIELD,
    GLOB,
    HAS,
    IN,
    NUMBER,
    SIZE,
    All,
    And,
    Ast,
    Compare,
    Group,
    Maintenance,
    Not,
    Or,
    speaks_of_retired,
)
from server.selector.values import address_key, fold, number_of, size_of, span_of

_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@dataclass(frozen=True)
class NodeView:
    """A node as selectors see it. Texts as they are; they are folded here. `groups` are ids of the groups it is in itself."""

    state: str
    facts: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, int] = field(default_factory=dict)
    addresses: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    groups: frozenset[str] = frozenset()
    timezone: str = ""


def matches(ast: Ast, node: NodeView) -> bool:
    """`ast` must be bound."""
    if node.state == RETIRED and not speaks_of_retired(ast):
        return False
    return _holds(ast, node)


def _holds(ast: Ast, node: NodeView) -> bool:
    match ast:
        case All():
            return True
        case Group(ids=ids):
            return bool(ids & node.groups)
        case Maintenance(covered=covered):
            # Retired nodes are in no window, whatever its selector says.
            return node.state != RETIRED and any(_holds(one.ast, node) and _in_zone(one.zones, node) for one in covered)
        case Not(item):
            return not _holds(item, node)
        case And(items):
            return all(_holds(item, node) for item in items)
        case Or(items):
            return any(_holds(item, node) for item in items)
        case Compare():
            return _compared(ast, node)
    raise AssertionError(ast)


def _in_zone(zones: frozenset[str] | None, node: NodeView) -> bool:
    return zones is None or node.timezone in zones


def _compared(ast: Compare, node: NodeView) -> bool:
    if ast.kind == FACT:
        if ast.type == ADDRESS:
            keys = [address_key(address) for address in node.addresses]
            found = any(low <= key <= high for low, high in map(span_of, ast.values) for key in keys)
            return not found if ast.op == DIFFERS else found
        if ast.type in (NUMBER, SIZE):
            told = node.numbers.get(ast.key, 0)
            read: Callable[[str], float] = size_of if ast.type == SIZE else number_of
            return told > 0 and _number(ast, told, read)
        value = node.state if ast.key == "state" else fold(node.facts.get(ast.key, ""))
        return _text(ast, value)
    held = {fold(name): value for name, value in (node.fields if ast.kind == FIELD else node.tags).items()}
    if ast.key not in held:
        return ast.op == DIFFERS
    if ast.op == HAS:
        return True
    if ast.type == NUMBER:
        return _number(ast, number_of(held[ast.key]), number_of)
    return _text(ast, fold(held[ast.key]))


def _number(ast: Compare, value: float, read: Callable[[str], float]) -> bool:
    wanted = [read(text) for text in ast.values]
    if ast.op in _ORDER:
        return _ORDER[ast.op](value, wanted[0])
    return value not in wanted if ast.op == DIFFERS else value in wanted


def _text(ast: Compare, value: str) -> bool:
    wanted = [fold(text) for text in ast.values]
    if ast.op in (EQUALS, IN):
        return value in wanted
    if ast.op == DIFFERS:
        return value != wanted[0]
    if ast.op == CONTAINS:
        return wanted[0] in value
    if ast.op == GLOB:
        pattern = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in wanted[0])
        return re.fullmatch(pattern, value, re.DOTALL) is not None
    return _ORDER[ast.op](value, wanted[0])
