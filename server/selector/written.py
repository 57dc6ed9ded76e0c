"""Ast → its canonical text."""

from __future__ import annotations

from server.selector.ast import FIELD, HAS, IN, MAINTENANCE, TAG, All, And, Ast, Compare, Group, Maintenance, Not, Or

_PLAIN_MORE = frozenset("-_./*?+@%:#")
_WORDS = frozenset({"and", "or", "not", "in"})


def written(ast: Ast) -> str:
    """`parse(written(ast)) == ast`."""
    match ast:
        case All():
            return "all"
        case Maintenance():
            return MAINTENANCE
        case Group(path):
            return f"group:{_value(path)}"
        case Compare():
            return _compare(ast)
        case Not(item):
            return f"not {_inner(item, And, Or)}"
        case And(items):
            return " and ".join(_inner(item, Or) for item in items)
        case Or(items):
            return " or ".join(written(item) for item in items)
    raise AssertionError(ast)


def _compare(ast: Compare) -> str:
    prefix = {TAG: "tag:", FIELD: "field:"}.get(ast.kind, "")
    key = prefix + (_value(ast.key, colon=False) if prefix else ast.key)
    if ast.op == HAS:
        return key
    if ast.op == IN:
        return f"{key} in ({', '.join(_value(value) for value in ast.values)})"
    return f"{key}{ast.op}{_value(ast.values[0])}"


def _inner(ast: Ast, *wrapped: type) -> str:
    return f"({written(ast)})" if isinstance(ast, wrapped) else written(ast)


def _value(text: str, colon: bool = True) -> str:
    plain = text and text.lower() not in _WORDS and all(c.isalnum() or (c in _PLAIN_MORE and (colon or c != ":")) for c in text)
    if plain:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
