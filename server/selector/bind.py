"""Names → what they are on this manager: tags, fields with their types, groups with all below them.

A name that nobody has is an error and not an empty set: `evn!=prod` would otherwise mean every node.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from server.selector.ast import (
    DATE,
    FACTS,
    FIELD,
    MAINTENANCE,
    NUMBER,
    OPEN,
    ORDER,
    TAG,
    All,
    And,
    Ast,
    Compare,
    Covered,
    Group,
    Maintenance,
    Not,
    Or,
)
from server.selector.errors import SelectorError, suggestion
from server.selector.parser import check_values
from server.selector.values import fold


@dataclass(frozen=True)
class GroupName:
    """`path` leads from the top of its tree to it."""

    id: str
    kind: str
    path: tuple[str, ...]


@dataclass(frozen=True)
class Vocabulary:
    """The names that there are: tags and fields in lower case, a field's type as in ast.py. `windows`: what the maintenance windows that
    are open now cover; None where nodes cannot be asked for by that."""

    tags: frozenset[str] = frozenset()
    fields: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[GroupName, ...] = ()
    windows: tuple[Covered, ...] | None = None


def bind(ast: Ast, vocabulary: Vocabulary) -> Ast:
    """The same with names resolved. Raises SelectorError for one that is unknown, or a group's that is ambiguous."""
    match ast:
        case All():
            return ast
        case Compare():
            return _compare(ast, vocabulary)
        case Group():
            return _group(ast, vocabulary.groups)
        case Maintenance(at=at):
            if vocabulary.windows is None:
                raise SelectorError(at, "a maintenance window cannot cover the nodes that are in maintenance; name them", len(MAINTENANCE))
            return replace(ast, covered=vocabulary.windows)
        case Not(item):
            return Not(bind(item, vocabulary))
        case And(items):
            return And(tuple(bind(item, vocabulary) for item in items))
        case Or(items):
            return Or(tuple(bind(item, vocabulary) for item in items))
    raise AssertionError(ast)


def _compare(ast: Compare, vocabulary: Vocabulary) -> Ast:
    key = fold(ast.key)
    if ast.kind == OPEN:
        if key in vocabulary.fields:
            ast = replace(ast, kind=FIELD, key=key)
        elif key in vocabulary.tags:
            ast = replace(ast, kind=TAG, key=key)
        else:
            near = suggestion(key, [*FACTS, *vocabulary.tags, *vocabulary.fields])
            what = f"no node has a tag or field {ast.key[:40]!r}{near or f'; write tag:{key} if one will have it'}"
            raise SelectorError(ast.at, what, len(ast.key))
    if ast.kind == FIELD:
        if key not in vocabulary.fields:
            near = suggestion(key, vocabulary.fields)
            raise SelectorError(ast.at, f"there is no field {ast.key[:40]!r}{near}", ast.length)
        ast = check_values(replace(ast, key=key, type=vocabulary.fields[key]))
    if ast.kind == TAG:
        ast = replace(ast, key=key)
    if ast.op in ORDER and ast.kind in (TAG, FIELD) and ast.type not in (NUMBER, DATE):
        raise SelectorError(ast.at, f"{ast.key} is text and cannot be compared with {ast.op}; use = != ~ : or in", ast.length)
    if ast.kind == FIELD and ast.type == NUMBER and ast.op in ("~", ":"):
        raise SelectorError(ast.at, f"{ast.key} is a number and cannot be compared with {ast.op}; use = != < > or in", ast.length)
    return ast


def _group(ast: Group, groups: tuple[GroupName, ...]) -> Group:
    wanted = tuple(fold(part) for part in ast.path.strip("/").split("/"))
    fits = [one for one in groups if _ends(one, wanted)]
    if not fits:
        near = suggestion(wanted[-1], [fold(one.path[-1]) for one in groups])
        raise SelectorError(ast.at, f"there is no group {ast.path[:60]!r}{near}", ast.length)
    whole = [one for one in fits if _folded(one) == wanted or (one.kind, *_folded(one)) == wanted]
    fits = whole if len(whole) == 1 else fits
    if len(fits) > 1:
        places = ", ".join(f"group:{'/'.join((one.kind, *one.path))}" for one in fits[:4])
        raise SelectorError(ast.at, f"{len(fits)} groups fit {ast.path[:60]!r}; write one of {places}", ast.length)
    top = (fits[0].kind, *_folded(fits[0]))
    below = frozenset(one.id for one in groups if (one.kind, *_folded(one))[: len(top)] == top)
    return replace(ast, ids=below)


def _folded(one: GroupName) -> tuple[str, ...]:
    return tuple(fold(part) for part in one.path)


def _ends(one: GroupName, wanted: tuple[str, ...]) -> bool:
    path = (one.kind, *_folded(one))
    return len(wanted) <= len(path) and path[-len(wanted) :] == wanted and wanted != (one.kind,)
