"""YAML file → frozen dataclasses: defaults for everything, unknown keys refused with file and line (D13).

A dataclass field may carry `metadata={"min": …, "max": …, "unit": …}`; a field whose type is a
dataclass is a section; with `{"listed": True}` a text may be written as a list, joined by commas. Durations are
written `60`, `60s`, `5m`, `1h` and become seconds.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import yaml

from host.lib.errors import ConfigError

T = TypeVar("T")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
_SECONDS = {"ms": 0.001, None: 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def load(cls: type[T], path: Path) -> T:
    """The settings in `path`. Raises ConfigError D1001 (cannot be read) or D1002 (not valid), naming file and line."""
    return parse(cls, text_of(path), str(path))


def text_of(path: Path) -> str:
    """What stands in `path`. Raises ConfigError D1001."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as problem:
        raise ConfigError("D1001", f"{path}: {problem.strerror}", "give an existing, readable file with --config") from problem
    except UnicodeDecodeError as problem:
        raise ConfigError("D1001", f"{path}: not UTF-8 text", "save the file as UTF-8") from problem


def parse(cls: type[T], text: str, name: str) -> T:
    """The same for text; `name` stands in messages."""
    try:
        loader = yaml.SafeLoader(text)
    except yaml.YAMLError as problem:
        line = text.count("\n", 0, getattr(problem, "position", 0)) + 1
        raise ConfigError("D1001", f"{name}:{line}: a character that may not stand in YAML", "remove it") from problem
    try:
        node = loader.get_single_node()
        if node is None:
            node = yaml.MappingNode("tag:yaml.org,2002:map", [], None, None)
        return _section(cls, node, name, "", loader)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark else name
        what = getattr(problem, "problem", None) or "not YAML"
        raise ConfigError("D1001", f"{where}: {what}", "correct the YAML at that line") from problem
    finally:
        loader.dispose()


def _line(name: str, node: yaml.Node) -> str:
    return f"{name}:{node.start_mark.line + 1}" if node.start_mark else name


def _section(cls: type[T], node: yaml.Node, name: str, prefix: str, loader: yaml.SafeLoader) -> T:
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(
            "D1002", f"{_line(name, node)}: {prefix.rstrip('.') or 'the file'} must be a section of keys", "indent its keys below it"
        )
    hints = get_type_hints(cls)
    known: dict[str, Field[Any]] = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(getattr(key_node, "value", ""))
        if key not in known:
            near = ", ".join(sorted(known))
            raise ConfigError("D1002", f"{_line(name, key_node)}: unknown key {prefix}{key}", f"known here: {near}")
        if key in values:
            raise ConfigError("D1002", f"{_line(name, key_node)}: {prefix}{key} stands twice", "remove one of them")
        kind = hints[key]
        if is_dataclass(kind):
            values[key] = _section(kind, value_node, name, f"{prefix}{key}.", loader)  # type: ignore[arg-type]
        else:
            value = loader.construct_document(value_node)
            values[key] = _value(known[key], kind, value, _line(name, value_node), prefix + key)
    for key, field in known.items():
        if key not in values and field.default is MISSING and field.default_factory is MISSING:
            if is_dataclass(hints[key]):
                empty = yaml.MappingNode("tag:yaml.org,2002:map", [], None, None)
                values[key] = _section(hints[key], empty, name, f"{prefix}{key}.", loader)
            else:
                raise ConfigError("D1002", f"{name}: {prefix}{key} is missing", "add it; it has no default")
    return cls(**values)


def _value(field: Field[Any], kind: Any, value: Any, where: str, key: str) -> Any:
    unit = field.metadata.get("unit", "")
    if unit == "s" and isinstance(value, (str, int, float)) and not isinstance(value, bool):
        match = _DURATION.fullmatch(str(value).strip())
        if not match:
            raise ConfigError("D1002", f"{where}: {key}: {value!r} is not a duration", "write 30s, 5m or 1h")
        value = float(match[1]) * _SECONDS[match[2]]
    if field.metadata.get("listed") and isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        value = ",".join(value)
    fitted = _fit(kind, value)
    if fitted is None and value is not None:
        raise ConfigError("D1002", f"{where}: {key}: {value!r} is not {_name(kind)}", "correct the value")
    if value is None and kind not in (type(None),):
        raise ConfigError("D1002", f"{where}: {key} has no value", "give one, or remove the line for the default")
    low, high = field.metadata.get("min"), field.metadata.get("max")
    if (low is not None and fitted < low) or (high is not None and fitted > high):
        raise ConfigError("D1002", f"{where}: {key}: {fitted:g} is not between {low:g} and {high:g} {unit}".rstrip(), "correct the value")
    allowed = field.metadata.get("one_of")
    if allowed and fitted not in allowed:
        raise ConfigError("D1002", f"{where}: {key}: {fitted!r} is unknown", f"use one of {', '.join(allowed)}")
    return fitted


def _fit(kind: Any, value: Any) -> Any:
    origin = get_origin(kind)
    if origin in (list, tuple):
        item = get_args(kind)[0]
        if not isinstance(value, list):
            return None
        items = [_fit(item, one) for one in value]
        return None if any(one is None for one in items) else items
    if origin is dict:
        if not isinstance(value, dict):
            return None
        return {str(k): str(v) for k, v in value.items()}
    if kind is Path:
        return Path(value) if isinstance(value, str) and value else None
    if kind is float:
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    if kind is bool or kind is str:
        return value if isinstance(value, kind) else None
    if kind is int:
        return value if isinstance(value, int) and not isinstance(value, bool) else None
    raise TypeError(f"settings of type {kind} are not supported")


def _name(kind: Any) -> str:
    names = {str: "text", int: "a whole number", float: "a number", bool: "true or false", Path: "a path"}
    return names.get(kind, "a list" if get_origin(kind) in (list, tuple) else "a section")
