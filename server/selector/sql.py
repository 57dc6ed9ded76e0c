"""Ast → a condition on nodes: the one place where a condition is put together.

Every piece is a constant of this file; what a person wrote only ever becomes a parameter. The query that it goes into
names the tables `nodes n` and `node_facts f`.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    Covered,
    Group,
    Maintenance,
    Not,
    Or,
    speaks_of_retired,
)
from server.selector.values import fold, number_of, size_of, span_of

_COLUMNS = {
    "name": "f.name",
    "hostname": "f.hostname",
    "id": "f.id_text",
    "os": "f.os",
    "kernel": "f.kernel",
    "arch": "f.arch",
    "version": "f.version",
    "cpu_count": "f.cpu_count",
    "memory": "f.memory",
    "state": "n.state",
}
_COMPARED = {EQUALS: "{0} = {1}", DIFFERS: "{0} <> {1}", "<": "{0} < {1}", "<=": "{0} <= {1}", ">": "{0} > {1}", ">=": "{0} >= {1}"}
_LIKE = "{0} LIKE {1} ESCAPE '!'"


@dataclass(frozen=True)
class Condition:
    """`text` for a WHERE; `params` are all of its parameters."""

    text: str
    params: dict[str, Any]


def to_sql(ast: Ast) -> Condition:
    """`ast` must be bound."""
    made = _Made()
    text = made.of(ast)
    if not speaks_of_retired(ast):
        text = f"({text}) AND n.state <> {made.param(RETIRED)}"
    return Condition(text, made.params)


class _Made:
    def __init__(self) -> None:
        self.params: dict[str, Any] = {}

    def param(self, value: Any) -> str:
        """A parameter's place; a list's is written out by the query."""
        name = f"s{len(self.params)}"
        self.params[name] = value
        return f":{name}*" if isinstance(value, list) else f":{name}"

    def of(self, ast: Ast) -> str:
        match ast:
            case All():
                return "1 = 1"
            case Group(ids=ids):
                return f"n.id IN (SELECT node_id FROM node_group_members WHERE group_id IN ({self.param(sorted(ids))}))"
            case Maintenance(covered=covered):
                return " OR ".join(self._covered(one) for one in covered) or "1 = 0"
            case Not(item):
                return f"NOT ({self.of(item)})"
            case And(items):
                return " AND ".join(f"({self.of(item)})" for item in items)
            case Or(items):
                return " OR ".join(f"({self.of(item)})" for item in items)
            case Compare():
                return self._compare(ast)
        raise AssertionError(ast)

    def _covered(self, one: Covered) -> str:
        """Retired nodes are in no window, whatever its selector says."""
        if one.zones is not None and not one.zones:
            return "1 = 0"
        zones = "" if one.zones is None else f" AND f.timezone IN ({self.param(sorted(one.zones))})"
        return f"(({self.of(one.ast)}) AND n.state <> {self.param(RETIRED)}{zones})"

    def _compare(self, ast: Compare) -> str:
        if ast.kind != FACT:
            return self._held(ast)
        if ast.type == ADDRESS:
            spans = " OR ".join(f"address BETWEEN {self.param(low)} AND {self.param(high)}" for low, high in map(span_of, ast.values))
            return f"n.id {self._in(ast)} (SELECT node_id FROM node_addresses WHERE {spans})"
        if ast.key == "agent":
            return f"n.id {self._in(ast)} (SELECT node_id FROM agents WHERE state IN ({self.param(list(ast.values))}))"
        if ast.key == "agent_version":
            same = Compare(ast.kind, ast.key, EQUALS, ast.values) if ast.op == DIFFERS else ast
            return f"n.id {self._in(ast)} (SELECT node_id FROM agents WHERE {self._against(same, 'LOWER(version)')})"
        column = _COLUMNS[ast.key]
        if ast.type in (NUMBER, SIZE):
            return f"({column} > 0 AND {self._against(ast, column)})"
        return self._against(ast, column)

    def _held(self, ast: Compare) -> str:
        """A tag or a field: one row for each that a node has."""
        table, name, value = ("node_field_values", "field", "folded") if ast.kind == FIELD else ("node_tags", "name", "value")
        column = "number" if ast.type == NUMBER else value
        same = Compare(ast.kind, ast.key, EQUALS, ast.values, ast.type) if ast.op == DIFFERS else ast
        key = self.param(ast.key)
        rest = "" if ast.op == HAS else f" AND {self._against(same, column)}"
        return f"n.id {self._in(ast)} (SELECT node_id FROM {table} WHERE {name} = {key}{rest})"

    @staticmethod
    def _in(ast: Compare) -> str:
        return "NOT IN" if ast.op == DIFFERS else "IN"

    def _against(self, ast: Compare, column: str) -> str:
        if ast.type == SIZE:
            values: list[Any] = [size_of(text) for text in ast.values]
        elif ast.type == NUMBER:
            values = [number_of(text) for text in ast.values]
        else:
            values = [fold(text) for text in ast.values]
        if ast.op == IN:
            return f"{column} IN ({self.param(values)})"
        if ast.op == CONTAINS:
            return _LIKE.format(column, self.param(f"%{_plain(values[0])}%"))
        if ast.op == GLOB:
            return _LIKE.format(column, self.param(_plain(values[0]).replace("*", "%").replace("?", "_")))
        return _COMPARED[ast.op].format(column, self.param(values[0]))


def _plain(text: str) -> str:
    """What LIKE takes for itself."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
