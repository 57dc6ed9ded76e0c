"""Dataclass ↔ JSON for the host, where every megabyte of an imported library counts.

The manager decodes the same classes with msgspec, which also checks their types.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

T = TypeVar("T")


def plain(value: Any) -> Any:
    """`value` with every dataclass in it as a dict; fields that are None are left out."""
    if is_dataclass(value) and not isinstance(value, type):
        pairs = ((f.name, getattr(value, f.name)) for f in fields(value))
        return {name: plain(item) for name, item in pairs if item is not None}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def dumps(value: Any) -> bytes:
    """`value` as compact UTF-8 JSON."""
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogateescape")


def loads(text: str | bytes) -> Any:
    """Decoded JSON, without the numbers that are none (NaN, Infinity): nobody else reads those. Raises ValueError, RecursionError."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def build(cls: type[T], data: Any) -> T:
    """A flat dataclass from a decoded JSON object; unknown fields are ignored.

    Raises ValueError when `data` is no object or a field without default is missing.
    """
    if not isinstance(data, dict):
        raise ValueError(f"{cls.__name__}: expected a JSON object, got {type(data).__name__}")
    known = {f.name for f in fields(cls)}  # type: ignore[arg-type]
    try:
        return cls(**{key: item for key, item in data.items() if key in known})
    except TypeError as problem:
        raise ValueError(f"{cls.__name__}: {problem}") from problem
