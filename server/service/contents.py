"""What is kept and said of a task's content where it may be read: without secrets, and bounded (S5, M8)."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any

from host.wire.schema import Schema
from host.wire.tasks import Limits
from server.db import Row

NAME_CHARACTERS = 190
NAME_WORDS = 4
VALUE_CHARACTERS, ALL_CHARACTERS = 2_000, 8_000
LIMITS = frozenset(one.name for one in fields(Limits))


def readable(content: Mapping[str, Any], secret: Collection[str]) -> dict[str, Any]:
    """`content` without the values of its secret fields: of a map the names stay, of anything else nothing."""
    return {name: _withheld(value) if name in secret else value for name, value in content.items()}


def withheld(row: Row) -> list[str]:
    """The secret fields of a stored command's task (`task_withheld`)."""
    names: list[str] = json.loads(row["task_withheld"] or '["environment"]')
    return names


def _withheld(value: Any) -> Any:
    return dict.fromkeys(value, "") if isinstance(value, dict) else None


def title(schema: Schema, content: Mapping[str, Any], secret: Collection[str]) -> str:
    """How people find a task again that they gave no name: the first line of a script, `service restart nginx`."""
    words: list[str] = []
    for one in schema.fields:
        value = content.get(one.name)
        if one.name in secret or one.name in LIMITS or not isinstance(value, str) or not value.strip():
            continue
        if one.type == "block":
            return value.strip().splitlines()[0][:NAME_CHARACTERS] if not words else " ".join([schema.kind, *words])[:NAME_CHARACTERS]
        words.append(" ".join(value.split()))
    return " ".join([schema.kind, *words[:NAME_WORDS]])[:NAME_CHARACTERS]


def excerpt(content: Mapping[str, Any]) -> dict[str, Any]:
    """What an audit entry says of readable content: each value cut, and all of them together."""
    said: dict[str, Any] = {}
    left = ALL_CHARACTERS
    for name, value in content.items():
        text = value if isinstance(value, str) else repr(value)
        if left <= 0:
            said["…"] = f"{len(content) - len(said)} more"
            break
        cut = text[: min(VALUE_CHARACTERS, left)]
        said[name] = value if cut == text else cut + "…"
        left -= len(cut)
    return said
