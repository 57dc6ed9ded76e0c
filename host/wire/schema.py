"""The shape of a kind of task as data: what an agent tells, and what pages, API and `opsctl` build their forms and checks from.

A kind is a frozen dataclass (`of` reads it) or, for a plugin, the same shape written as JSON (`read`). `check` is the one
place where content is held against a shape: the manager asks it before it signs, the agent before it accepts.

Every refusal is a ValueError of one sentence that begins with the field: `timeout: 0 is not between 1 and 86400`.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")
TYPES: Mapping[str, Any] = {
    "text": str,
    "block": str,  # text of many lines
    "path": str,
    "file": str,  # the id of a file in the manager's store
    "choice": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "list": list,  # of text
    "map": dict,  # text → text
    "value": object,  # any JSON
}
NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
KIND = re.compile(r"[a-z][a-z0-9_.-]{0,31}")
MAX_FIELDS, MAX_TEXT = 64, 512


@dataclass(frozen=True)
class Field:
    """One value of a task. `only`: field → the values of it with which this one may be set (`{"action": ["copy"]}`);
    `secret`: never stored readable or shown. `least` and `most` bound numbers; `unit` is for people."""

    name: str
    type: str = "text"
    label: str = ""
    help: str = ""
    required: bool = False
    default: Any = None
    choices: list[str] = field(default_factory=list)
    least: float | None = None
    most: float | None = None
    unit: str = ""
    secret: bool = False
    only: dict[str, list[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Schema:
    """A kind of task. `dry_run`: it has the field `dry_run`, and then says what it would change and changes nothing."""

    kind: str
    label: str = ""
    help: str = ""
    fields: list[Field] = field(default_factory=list)
    dry_run: bool = False


def fact(label: str, help: str = "", **more: Any) -> dict[str, Any]:
    """Metadata of a dataclass' field: `name: str = field(metadata=fact("Label", "help", choices=[…]))`."""
    return {"label": label, "help": help, **more}


def of(cls: type) -> Schema:
    """The schema of a dataclass; its `KIND`, `LABEL` and `HELP` are the kind's own words."""
    return _of(cast(Hashable, cls))


@cache
def _of(cls: Any) -> Schema:
    hints = get_type_hints(cls)
    found = []
    for one in fields(cls):
        facts = dict(one.metadata)
        default = one.default if one.default is not MISSING else one.default_factory() if one.default_factory is not MISSING else None
        required = one.default is MISSING and one.default_factory is MISSING
        facts.setdefault("required", required)
        found.append(Field(one.name, facts.pop("type", "") or _type_of(hints[one.name], facts), default=default, **facts))
    kind, label, help_text = (str(getattr(cls, name, "")) for name in ("KIND", "LABEL", "HELP"))
    return Schema(kind, label, help_text, found, any(f.name == "dry_run" for f in found))


def _type_of(hint: Any, facts: Mapping[str, Any]) -> str:
    if facts.get("choices"):
        return "choice"
    origin = get_origin(hint)
    if origin in (list, dict):
        if get_args(hint)[-1] is not str:
            raise TypeError(f"a schema has no type for {hint}")
        return "list" if origin is list else "map"
    return {str: "text", bool: "boolean", int: "integer", float: "number"}.get(hint, "value")


def check(schema: Schema, content: Any) -> dict[str, Any]:
    """`content` as it came, found to fit. Raises ValueError for the first thing that does not."""
    if not isinstance(content, dict):
        raise ValueError("content: must be an object")
    known = {one.name: one for one in schema.fields}
    for name in content:
        if name not in known:
            # Never ignored: a misspelt dry_run would change what it was meant to look at.
            raise ValueError(f"{str(name)[:64]}: {schema.kind} has no such field; it has {', '.join(known)}")
    for one in schema.fields:
        if one.name in content:
            _check_one(schema, one, content)
        elif one.required and _applies(one, schema, content):
            raise ValueError(f"{one.name}: is missing")
    return content


def _check_one(schema: Schema, one: Field, content: Mapping[str, Any]) -> None:
    value: Any = content[one.name]
    if one.only and value not in (one.default, "", None, [], {}) and not _applies(one, schema, content):
        rule = " and ".join(f"{name} {' or '.join(map(str, values))}" for name, values in one.only.items())
        raise ValueError(f"{one.name}: goes only with {rule}")
    if not isinstance(value, TYPES[one.type]) or (isinstance(value, bool) and one.type in ("integer", "number")):
        raise ValueError(f"{one.name}: has the wrong type ({type(value).__name__}); it is {_a(one.type)}")
    if one.type == "list" and not all(isinstance(item, str) for item in value):
        raise ValueError(f"{one.name}: has the wrong type; it is a list of text")
    if one.type == "map" and not all(isinstance(key, str) and isinstance(item, str) for key, item in value.items()):
        raise ValueError(f"{one.name}: has the wrong type; its names and values are text")
    if one.type == "choice" and value not in one.choices:
        raise ValueError(f"{one.name}: {value[:64]!r} is unknown; use one of {', '.join(one.choices)}")
    if one.type in ("integer", "number"):
        _check_bounds(one, value)
    if one.required and value == "" and one.type != "value" and _applies(one, schema, content):
        raise ValueError(f"{one.name}: is empty")


def _check_bounds(one: Field, value: float) -> None:
    low, high = one.least, one.most
    if value != value or (low is not None and value < low) or (high is not None and value > high):
        unit = f" {one.unit}" if one.unit else ""
        bounds = (
            f"between {low:g} and {high:g}"
            if low is not None and high is not None
            else f"at least {low:g}"
            if low is not None
            else f"at most {high:g}"
        )
        raise ValueError(f"{one.name}: {value} is not {bounds}{unit}")


def _applies(one: Field, schema: Schema, content: Mapping[str, Any]) -> bool:
    defaults = {other.name: other.default for other in schema.fields}
    return all(content.get(name, defaults.get(name)) in values for name, values in one.only.items())


def _a(type_name: str) -> str:
    words = {"integer": "a whole number", "number": "a number", "boolean": "true or false", "list": "a list", "map": "an object"}
    return words.get(type_name, "text")


def read(data: Any) -> Schema:
    """A schema from decoded JSON, of a plugin or of a record. Raises ValueError where it makes no sense."""
    if not isinstance(data, dict) or not isinstance(data.get("kind"), str) or not KIND.fullmatch(data["kind"]):
        raise ValueError("schema: must be an object whose kind begins with a letter and has letters, digits, '_', '.', '-'")
    items = data.get("fields", [])
    if not isinstance(items, list) or len(items) > MAX_FIELDS:
        raise ValueError(f"schema: fields must be a list of at most {MAX_FIELDS}")
    found = [_read_field(item) for item in items]
    names = [one.name for one in found]
    if len(set(names)) < len(names):
        raise ValueError("schema: two fields have the same name")
    for one in found:
        if stranger := next((name for name in one.only if name not in names), ""):
            raise ValueError(f"schema: field {one.name}: only: there is no field {stranger[:64]!r}")
    label, help_text = (_words(data, name, "schema") for name in ("label", "help"))
    return Schema(data["kind"], label or data["kind"], help_text, found, "dry_run" in names)


def _words(data: Mapping[str, Any], name: str, where: str) -> str:
    value = data.get(name, "")
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise ValueError(f"{where}: {name} must be text of at most {MAX_TEXT} characters")
    return value


def _read_field(item: Any) -> Field:
    if not isinstance(item, dict) or not isinstance(item.get("name"), str) or not NAME.fullmatch(item["name"]):
        raise ValueError("schema: a field must be an object whose name has small letters, digits and '_'")
    where = f"schema: field {item['name']}"
    known = {one.name for one in fields(Field)}
    if stranger := next((name for name in item if name not in known), ""):
        raise ValueError(f"{where}: {str(stranger)[:64]!r} is unknown; known: {', '.join(sorted(known))}")
    kind, choices, only = item.get("type", "text"), item.get("choices", []), item.get("only", {})
    if not isinstance(kind, str) or kind not in TYPES:
        raise ValueError(f"{where}: type {str(kind)[:64]!r} is unknown; use one of {', '.join(TYPES)}")
    if not isinstance(choices, list) or not all(isinstance(one, str) for one in choices) or (kind == "choice") != bool(choices):
        raise ValueError(f"{where}: choices must be a list of text, and goes with the type choice")
    if not isinstance(only, dict) or not all(isinstance(values, list) for values in only.values()):
        raise ValueError(f"{where}: only must be an object: field → list of values")
    for name in ("least", "most"):
        if item.get(name) is not None and (not isinstance(item[name], (int, float)) or isinstance(item[name], bool)):
            raise ValueError(f"{where}: {name} must be a number")
    for name in ("required", "secret"):
        if not isinstance(item.get(name, False), bool):
            raise ValueError(f"{where}: {name} must be true or false")
    words = {name: _words(item, name, where) for name in ("label", "help", "unit")}
    return Field(**{**item, **words, "type": kind, "choices": choices, "only": only})


def build(cls: type[T], content: Any) -> T:
    """`content` as the kind's dataclass. Raises ValueError."""
    return cls(**check(of(cls), content))


def deeper(value: Any, most: int) -> bool:
    """Whether objects and lists are nested more than `most` deep; never itself by recursion."""
    level = [value]
    for _ in range(most + 1):
        inner: list[Any] = []
        for item in level:
            inner.extend(item.values() if isinstance(item, dict) else item if isinstance(item, list) else ())
        if not inner:
            return False
        level = inner
    return True
