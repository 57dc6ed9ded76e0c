"""A task's content, and what it returned, as people read them: facts in words, long text as text, a difference as one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from host.wire.schema import Field, Schema
from host.wire.tasks import KINDS
from server.web.diffs import ADDED, REMOVED, SAME, SKIPPED, Line
from server.web.forms import DRY_RUN

FILE = "file"
"""A line of a difference that names what it is about."""

MAX_LINES = 2_000
_HUNK = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@.*")


@dataclass(frozen=True)
class Fact:
    """`how` it is shown: text, mono, block, list, pairs, names, secret, yes, seconds, bytes, number, json."""

    label: str
    how: str
    value: Any


def facts(
    kind: str, content: Mapping[str, Any], secret: Collection[str], schema: Schema | None, translate: Callable[[str], str]
) -> list[Fact]:
    """What was asked for, in the order of the form, without what stands at its default; the time limit is said beside."""
    say = translate if kind in KINDS else str
    fields = {one.name: one for one in schema.fields} if schema else {}
    found = []
    for name in [*(name for name in fields if name in content), *(name for name in content if name not in fields)]:
        one, value = fields.get(name, Field(name, "value")), content[name]
        if name in (DRY_RUN, "timeout") or (name not in secret and value in (one.default, "", None, [], {}) and not one.required):
            continue
        label = say(one.label) if one.label else name
        found.append(Fact(label, *_shown(one, value, name in secret, translate)))
    return found


def _shown(one: Field, value: Any, secret: bool, translate: Callable[[str], str]) -> tuple[str, Any]:
    if secret:
        return ("names", sorted(value)) if isinstance(value, dict) and value else ("secret", None)
    if isinstance(value, bool):
        return "yes" if value else "no", value
    if isinstance(value, (int, float)):
        return {"s": "seconds", "bytes": "bytes"}.get(one.unit, "number"), value
    if one.type == "list" and isinstance(value, list):
        return "list", value
    if one.type == "map" and isinstance(value, dict):
        return "pairs", value
    return _plain(value, one.type)


def _plain(value: Any, type_name: str = "") -> tuple[str, Any]:
    if isinstance(value, str):
        if type_name == "block" or "\n" in value.strip("\n"):
            return "block", value
        return ("mono" if type_name in ("path", "file", "") else "text"), value
    return "json", json.dumps(value, ensure_ascii=False, indent=2)


@dataclass(frozen=True)
class Result:
    """`error` is code and message of a task that failed and said why; `rows` all else that it returned; `text` a difference in it."""

    error: tuple[str, str] | None
    rows: list[Fact]
    text: str


def result(returned: Mapping[str, Any] | None) -> Result:
    """What a host returned: any JSON under any name, so that nothing in it is believed to have a shape."""
    error, rows, text = None, [], ""
    for name, value in (returned or {}).items():
        if name == "error" and isinstance(value, dict) and isinstance(value.get("message"), str):
            error = str(value.get("code") or ""), value["message"]
        elif name == "diff" and isinstance(value, str) and changes(value):
            text = value
        elif isinstance(value, bool):
            rows.append(Fact(name, "yes" if value else "no", value))
        elif isinstance(value, (int, float)):
            rows.append(Fact(name, "number", value))
        elif value is None or value in ("", [], {}):
            rows.append(Fact(name, "nothing", None))
        elif isinstance(value, list) and all(isinstance(item, str) and "\n" not in item for item in value):
            rows.append(Fact(name, "list", value))
        else:
            rows.append(Fact(name, *_plain(value)))
    return Result(error, rows, text)


def changes(text: str) -> list[Line]:
    """The unified differences in a text, whatever stands around them. At most MAX_LINES of them."""
    found: list[Line] = []
    lines = text.split("\n")
    at = 0
    while at < len(lines) and len(found) < MAX_LINES:
        hunk = _HUNK.fullmatch(lines[at])
        if hunk:
            at = _hunk(lines, at + 1, [int(part) for part in hunk.groups("1")], found)
            continue
        if lines[at].startswith("+++ ") and at and lines[at - 1].startswith("--- "):
            gone = lines[at].startswith("+++ /dev/null")
            found.append(Line(FILE, None, None, (lines[at - 1] if gone else lines[at])[4:].rstrip("\t")))
        at += 1
    return found[:MAX_LINES] if any(line.kind in (ADDED, REMOVED) for line in found) else []


def _hunk(lines: list[str], at: int, place: list[int], found: list[Line]) -> int:
    before, old, after, new = place
    if found and found[-1].kind != FILE:
        found.append(Line(SKIPPED, None, None, ""))
    while at < len(lines) and (old > 0 or new > 0):
        sign, text = lines[at][:1], lines[at][1:]
        if sign == "-":
            found.append(Line(REMOVED, before, None, text))
        elif sign == "+":
            found.append(Line(ADDED, None, after, text))
        elif sign in (" ", ""):
            found.append(Line(SAME, before, after, text))
        elif sign != "\\":
            break
        step = sign in ("-", " ", ""), sign in ("+", " ", "")
        before, old, after, new, at = before + step[0], old - step[0], after + step[1], new - step[1], at + 1
    return at
