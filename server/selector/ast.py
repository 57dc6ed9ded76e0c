"""What a selector is made of. `at` and `length` say where it stood, and do not count when two are compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Union

from host.wire.states import NODE, RETIRED

FACT, TAG, FIELD, OPEN = "fact", "tag", "field", "open"
"""Whose name a comparison's key is. OPEN: not known yet, a tag's or a field's; `bind` decides."""

TEXT, NUMBER, SIZE, ADDRESS, WORD, DATE = "text", "number", "size", "address", "word", "date"

FACTS = {
    "name": TEXT,
    "hostname": TEXT,
    "id": TEXT,
    "address": ADDRESS,
    "os": TEXT,
    "kernel": TEXT,
    "arch": TEXT,
    "version": TEXT,
    "cpu_count": NUMBER,
    "memory": SIZE,
    "state": WORD,
    "agent": WORD,
    "agent_version": TEXT,
}
"""What every node can be asked for → how its values are compared."""

ALIASES = {"ip": "address", "cpus": "cpu_count", "cpu": "cpu_count", "ram": "memory", "system": "os"}
WORDS = {"state": tuple(sorted(NODE)), "agent": ("failed", "running", "stopped", "unknown")}
MAINTENANCE = "maintenance"
RESERVED = frozenset({"all", "and", "or", "not", "in", "group", "tag", "field", MAINTENANCE, *FACTS, *ALIASES, *NODE})
"""No tag or field of such a name can be asked for by its bare name; `tag:` and `field:` reach it."""

EQUALS, DIFFERS, CONTAINS, IN, GLOB, HAS = "=", "!=", "~", "in", ":", "has"
ORDER = ("<", "<=", ">", ">=")


@dataclass(frozen=True)
class All:
    """Every node but the retired ones."""


@dataclass(frozen=True)
class Compare:
    """`key op values`. HAS takes no value, IN several, every other one. `type` is how values are compared."""

    kind: str
    key: str
    op: str
    values: tuple[str, ...] = ()
    type: str = TEXT
    at: int = field(default=0, compare=False)
    length: int = field(default=1, compare=False)
    value_at: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Group:
    """In the group with this name or path, or below it; `ids` are that group and all below, once bound."""

    path: str
    ids: frozenset[str] = field(default=frozenset(), compare=False)
    at: int = field(default=0, compare=False)
    length: int = field(default=1, compare=False)


@dataclass(frozen=True)
class Covered:
    """What one open maintenance window covers: the nodes that `ast` (bound) means, of them those that tell one of these time zones.
    None: whatever they tell."""

    ast: Ast
    zones: frozenset[str] | None = None


@dataclass(frozen=True)
class Maintenance:
    """In a maintenance window now; `covered` is what the windows that are open cover, once bound."""

    covered: tuple[Covered, ...] = field(default=(), compare=False)
    at: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Not:
    item: Ast


@dataclass(frozen=True)
class And:
    items: tuple[Ast, ...]


@dataclass(frozen=True)
class Or:
    items: tuple[Ast, ...]


Ast = Union[All, Compare, Group, Maintenance, Not, And, Or]  # noqa: UP007 - evaluated, and the parts are only named here


def speaks_of_retired(ast: Ast) -> bool:
    """Whether retired nodes are named in it, so that they can be meant."""
    match ast:
        case Compare(kind="fact", key="state", values=values):
            return RETIRED in values
        case Not(item):
            return speaks_of_retired(item)
        case And(items) | Or(items):
            return any(speaks_of_retired(item) for item in items)
    return False


def speaks_of_maintenance(ast: Ast) -> bool:
    """Whether it must be known which maintenance windows are open."""
    match ast:
        case Maintenance():
            return True
        case Not(item):
            return speaks_of_maintenance(item)
        case And(items) | Or(items):
            return any(speaks_of_maintenance(item) for item in items)
    return False
