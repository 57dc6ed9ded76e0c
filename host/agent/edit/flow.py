"""Items between brackets, parted by commas: adding and removing them (JSON, YAML's flow style, TOML's arrays and inline tables)."""

from __future__ import annotations

import re

from host.agent.edit.base import Edit, first_on_line, indent_of, line_end, line_start, newline, next_line
from host.agent.edit.tree import Node

HASH = re.compile(r"(?:\s|#[^\n]*)*")
SLASHES = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
NOTHING = re.compile(r"\s*")


def add(text: str, node: Node, written: str, skip: re.Pattern[str]) -> list[Edit]:
    """A further item at the end. On a line of its own where the last one is, behind the comment of that one, or where the
    brackets stand apart."""
    if node.items:
        return _behind(text, node, written, skip)
    inner = text[node.start + 1 : node.end - 1]
    if "\n" not in inner:
        if inner.strip():
            return [Edit(node.end - 1, node.end - 1, written)]
        return [Edit(node.start + 1, node.end - 1, inner + written + inner)]
    outer = indent_of(text, node.end - 1)
    at = node.start + 1 + len(inner.rstrip(" \t"))
    return [Edit(at, node.end - 1, outer + unit(text) + written + newline(text) + outer)]


def _behind(text: str, node: Node, written: str, skip: re.Pattern[str]) -> list[Edit]:
    last = node.items[-1]
    end = last.node.end
    if not first_on_line(text, last.start) or line_start(text, last.start) <= node.start:
        return [Edit(end, end, ", " + written)]
    gap = newline(text) + indent_of(text, last.start)
    trailing = _comma(text, end, skip)
    after = trailing or end
    stop = line_end(text, after)
    match = skip.match(text, after)
    if match and match.end() > stop and text[after:stop].strip():
        comma = [] if trailing else [Edit(end, end, ",")]
        return [*comma, Edit(stop, stop, gap + written + ("," if trailing else ""))]
    return [Edit(end, end, "," + gap + written)]


def drop(text: str, node: Node, gone: set[int], skip: re.Pattern[str]) -> list[Edit]:
    """Without the items of these numbers, and without the commas that are too many then."""
    items = node.items
    kept = [at for at in range(len(items)) if at not in gone]
    if not kept:
        comma = _comma(text, items[-1].node.end, skip)
        end = comma if comma else items[-1].node.end
        start = items[0].start
        if "\n" in text[node.start : start] and not text[node.start + 1 : start].strip() and not text[end : node.end - 1].strip():
            return [Edit(node.start + 1, node.end - 1, "")]
        return [Edit(start, end, "")]
    edits = []
    for at in sorted(gone):
        if at < kept[-1]:
            edits.append(_with_comma(text, items[at].start, items[at].node.end, items[at + 1].start, skip))
    if kept[-1] < len(items) - 1:
        edits += _tail(text, node, kept[-1], skip)
    return edits


def _tail(text: str, node: Node, kept: int, skip: re.Pattern[str]) -> list[Edit]:
    """Without all items behind `kept`. A comment behind it on its line stays."""
    end, last, following = node.items[kept].node.end, node.items[-1].node.end, node.items[kept + 1].start
    comma = _comma(text, end, skip)
    stop = line_end(text, comma)
    if following < stop or not comma:
        return [Edit(end, last, "")]
    trailing = _comma(text, last, skip)
    gone = trailing or last
    if text[gone : line_end(text, gone)].strip():
        stop = next_line(text, stop)  # a comment must not swallow what follows
    return [Edit(stop, gone, "")] if trailing else [Edit(comma - 1, comma, ""), Edit(stop, gone, "")]


def unit(text: str) -> str:
    """By how much the text indents: its first indented line's blanks."""
    match = re.search(r"^([ \t]+)\S", text, re.MULTILINE)
    return match[1] if match else "  "


def _comma(text: str, at: int, skip: re.Pattern[str]) -> int:
    """Behind the comma that follows; 0 without one."""
    match = skip.match(text, at)
    at = match.end() if match else at
    return at + 1 if text[at : at + 1] == "," else 0


def _with_comma(text: str, start: int, end: int, following: int, skip: re.Pattern[str]) -> Edit:
    behind = _comma(text, end, skip)
    if not behind or behind > following:
        return Edit(start, following, "")
    stop = line_end(text, behind)
    if following <= stop:
        return Edit(start, following, "")
    if first_on_line(text, start):
        # Its own line, with the comment behind it; comments of the next item stay.
        return Edit(line_start(text, start), next_line(text, stop), "")
    return Edit(start, following, "") if not text[behind:following].strip() else Edit(start, behind, "")
