"""A plugin's schema, read without trust: its own fields, then the limits that every task has."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from typing import Any

from host.wire import codec
from host.wire.schema import Field, Schema, check, of, read
from host.wire.tasks import PLUGIN_PREFIX, Limits

MAX_SCHEMA_BYTES = 32 * 1024
"""Of one plugin, as it prints it and as it is told."""
NAME = re.compile(r"[a-z][a-z0-9_-]{0,24}")
"""A plugin's name: with its prefix it has to be the name of a kind."""
_KEYS = ("kind", "label", "help", "fields", "dry_run")


def parse(name: str, text: bytes) -> Schema:
    """The schema of the plugin `name` from the JSON that it printed. Raises ValueError with one sentence."""
    try:
        data = codec.loads(text)
    except (ValueError, RecursionError) as problem:
        raise ValueError(f"its schema is not JSON: {str(problem)[:200]}") from problem
    return make(name, data)


def make(name: str, data: Any) -> Schema:
    """The same from decoded JSON."""
    if not isinstance(data, dict):
        raise ValueError("its schema is no object")
    if stranger := next((key for key in data if key not in _KEYS), ""):
        raise ValueError(f"schema: {str(stranger)[:64]!r} is unknown; known: {', '.join(_KEYS)}")
    kind = PLUGIN_PREFIX + name
    if data.get("kind", kind) not in (kind, name):
        raise ValueError(f"schema: its kind is {str(data['kind'])[:64]!r}; leave it out, or write {kind!r}")
    own = read({**data, "kind": kind})
    for one in own.fields:
        _check_default(one)
    limits = of(Limits).fields
    if taken := next((one.name for one in own.fields if one.name in {limit.name for limit in limits}), ""):
        raise ValueError(f"schema: field {taken}: every task has one of that name already; choose another")
    whole = replace(own, label=own.label if own.label != kind else name, fields=[*own.fields, *limits])
    if len(json.dumps(asdict(whole))) > MAX_SCHEMA_BYTES:
        raise ValueError(f"its schema is larger than {MAX_SCHEMA_BYTES} bytes")
    return whole


def _check_default(one: Field) -> None:
    if one.default is None:
        return
    if one.required:
        raise ValueError(f"schema: field {one.name}: what is required has no default")
    try:
        check(Schema("", fields=[replace(one, only={})]), {one.name: one.default})
    except ValueError as problem:
        raise ValueError(f"schema: the default of field {problem}") from problem
