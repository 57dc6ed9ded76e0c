"""Values as YAML: in the style of what they replace, and so that readers of YAML 1.1 and 1.2 understand the same."""

from __future__ import annotations

import json
import re
from typing import Any

from host.agent.edit import flow
from host.agent.edit.base import newline
from host.agent.edit.tree import Node
from host.agent.edit.yaml_nodes import resolve

_PLAIN = re.compile(r"[A-Za-z_/.][A-Za-z0-9_./@+=~:(),-]*(?: [A-Za-z0-9_./@+=~:(),-]+)*")
_OTHERWISE = re.compile(r"(?:y|n|yes|no|on|off|true|false|null|nan|inf)", re.IGNORECASE)
_ESCAPED = re.compile("[\x7f-\x9f\xa0\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def is_block(value: Any) -> bool:
    """Whether it needs lines of its own where there is room."""
    return isinstance(value, (dict, list)) and bool(value)


def unit(text: str) -> str:
    """By how much the text indents; YAML knows no tabs."""
    found = flow.unit(text)
    return found if set(found) == {" "} and len(found) <= 8 else "  "


def scalar(value: Any, style: str, text: str, old: Node | None, indent: str) -> str:
    """One value on its line; text of several lines as a block where the old value was one or none was there."""
    if isinstance(value, str):
        lines = _literal(value, style, text, old, indent) if indent else ""
        if lines:
            return lines
        if style == "'" and value.isprintable():
            return "'" + value.replace("'", "''") + "'"
        return quoted(value) if style == '"' else _text(value, False)
    return _other(value)


def _literal(value: str, style: str, text: str, old: Node | None, indent: str) -> str:
    body = value[:-1] if value.endswith("\n") else value
    fits = "\n" in value and not body.endswith("\n") and body[:1] not in ("", " ", "\t", "\n")
    if style not in ("|", "") or not fits or not all(line.isprintable() for line in body.replace("\t", " ").split("\n")):
        return ""
    comment = ""
    if old is not None and style == "|":
        match = re.match(r"\|[-+0-9]*([ \t]+#[^\r\n]*)?", text[old.start : old.end])
        comment = (match[1] or "") if match else ""
    lines = [(indent + line) if line else "" for line in body.split("\n")]
    return ("|" if value.endswith("\n") else "|-") + comment + "".join(newline(text) + line for line in lines)


def _text(value: str, in_flow: bool) -> str:
    plain = _PLAIN.fullmatch(value) and resolve(value) == value and not _OTHERWISE.fullmatch(value)
    if (
        plain
        and ": " not in value
        and not value.endswith(":")
        and not (in_flow and re.search(r"[,:]", value))
        and value not in ("---", "...")
    ):
        return value
    return quoted(value)


def quoted(value: str) -> str:
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(value, ensure_ascii=False))


def _other(value: Any) -> str:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return ".nan" if value != value else ".inf" if value > 0 else "-.inf"
    return json.dumps(value)


def flowing(value: Any, quote: str) -> str:
    """Within brackets; `quote` is how the text beside it is quoted."""
    if isinstance(value, dict):
        names = quote if quote == '"' else ""
        return "{" + ", ".join(f"{flowing(key, names)}: {flowing(one, quote)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flowing(one, quote) for one in value) + "]"
    if isinstance(value, str):
        if quote == "'" and value.isprintable():
            return "'" + value.replace("'", "''") + "'"
        return quoted(value) if quote == '"' else _text(value, True)
    return _other(value)


def block(value: Any, indent: str, step: str, literals: bool = True) -> list[str]:
    """The lines of a map or list; one that is empty, and a plain value, is one line."""
    if not is_block(value):
        return [indent + scalar(value, "", "", None, "")]
    lines: list[str] = []
    for key, one in value.items() if isinstance(value, dict) else ((None, one) for one in value):
        if isinstance(value, list):
            inner = block(one, indent + "  ", step, literals)
            lines += [indent + "- " + inner[0].lstrip(" "), *inner[1:]]
            continue
        name = indent + (_text(key, False) if isinstance(key, str) else _other(key)) + ":"
        if is_block(one):
            lines += [name, *block(one, indent + step, step, literals)]
        else:
            lines += (name + " " + scalar(one, "", "", None, indent + step if literals else "")).split("\n")
    return lines
