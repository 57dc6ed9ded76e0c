"""Signed JSON → the dataclasses of `host.wire`, types checked: a signature proves the sender, not the shape."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


def parse_object(body: bytes) -> dict[str, Any]:
    """A JSON object. Raises ValueError with one sentence."""
    try:
        data = json.loads(body.decode("utf-8"))
        # An escaped half of a character passes the parser, but no process can be given it.
        json.dumps(data, ensure_ascii=False).encode("utf-8")
    except UnicodeError as problem:
        raise ValueError("the body is not valid UTF-8 text") from problem
    except RecursionError as problem:
        raise ValueError("the body is nested too deeply") from problem
    except ValueError as problem:
        raise ValueError(f"the body is not JSON: {problem}") from problem
    if not isinstance(data, dict):
        raise ValueError("the body must be a JSON object")
    return data


def decode(cls: type[T], data: Any) -> T:
    """A flat dataclass from a JSON object; unknown fields are ignored, so that the manager may be newer.

    Raises ValueError naming the field.
    """
    if not isinstance(data, dict):
        raise ValueError(f"{cls.__name__.lower()}: must be an object")
    hints = get_type_hints(cls)
    values: dict[str, Any] = {}
    for field in fields(cls):  # type: ignore[arg-type]
        if field.name in data:
            if not _fits(hints[field.name], data[field.name]):
                raise ValueError(f"{field.name}: has the wrong type ({type(data[field.name]).__name__})")
            values[field.name] = data[field.name]
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{field.name}: is missing")
    return cls(**values)


def _fits(kind: Any, value: Any) -> bool:
    origin = get_origin(kind)
    if origin is list:
        return isinstance(value, list) and all(_fits(get_args(kind)[0], item) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(_fits(get_args(kind)[1], item) for item in value.values())
    if kind is object:
        return True
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)
