"""Java properties: `key=value`, `key: value` or `key value`, with `\\` for escapes and for lines that go on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from host.agent.edit.base import (
    Edit,
    Named,
    Values,
    append,
    apply,
    check_count,
    insert_line,
    line_end,
    looks_secret,
    next_line,
    scalar_text,
    unparsable,
    whole_lines,
)

_KEY = re.compile(r"(?P<indent>[ \t\f]*)(?P<key>(?:\\(?:\r?\n[ \t\f]*|[^\r\n])|[^\\=:\s])*)(?P<gap>[ \t\f]*(?:[=:][ \t\f]*)?)")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|\r?\n[ \t\f]*|([^\r\n])|$)")
_CODES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_WRITTEN = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\f": "\\f"}


@dataclass
class Entry:
    key: str
    value: str
    start: int
    value_at: int
    end: int
    gap: str


class Properties:
    """`ascii`: what is not ASCII is written as an escape, as Java before 9 needs it. A key's dots are its own."""

    def __init__(self, ascii_only: bool = False) -> None:
        self._ascii = ascii_only

    def read(self, text: str, named: Named) -> Any:
        found = [one.value for one in _scan(text) if one.key == named.path]
        check_count(named, len(found))
        return found if named.every else found[0]

    def set(self, text: str, named: Named, value: Any) -> str:
        written = scalar_text(value, "a properties file")
        entries = _scan(text)
        found = [one for one in entries if one.key == named.path]
        if found:
            check_count(named, len(found))
            return apply(text, [self._put(one, written) for one in found if one.value != written])
        gap = next((one.gap for one in reversed(entries) if one.gap.strip()), "=")
        line = self._escaped(named.path, True) + gap + self._escaped(written, False)
        last = entries[-1] if entries else None
        return apply(text, [insert_line(text, max(last.start, last.end), line) if last else append(text, line)])

    def remove(self, text: str, named: Named) -> str:
        found = [one for one in _scan(text) if one.key == named.path]
        check_count(named, len(found))
        return apply(text, [whole_lines(text, one.start, max(one.start, one.end)) for one in found])

    def secrets(self, text: str) -> Values:
        return {part for one in _scan(text) if looks_secret(one.key) for part in (one.value, text[one.value_at : one.end]) if part}

    def _put(self, entry: Entry, value: str) -> Edit:
        return Edit(entry.value_at, entry.end, ("" if entry.gap else "=") + self._escaped(value, False))

    def _escaped(self, value: str, key: bool) -> str:
        out = []
        for at, one in enumerate(value):
            if one in _WRITTEN:
                out.append(_WRITTEN[one])
            elif (one == " " and (key or at == 0)) or (key and (one in "=:" or (one in "#!" and at == 0))) or (one in "=:" and at == 0):
                out.append("\\" + one)
            elif not one.isprintable() or (self._ascii and ord(one) > 126):
                out.append("".join(f"\\u{int.from_bytes(pair, 'big'):04x}" for pair in _pairs(one)))
            else:
                out.append(one)
        return "".join(out)


def _pairs(one: str) -> Iterator[bytes]:
    raw = one.encode("utf-16-be", "surrogatepass")
    return (raw[at : at + 2] for at in range(0, len(raw), 2))


def _plain(written: str) -> str:
    def one(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1], 16))
        return _CODES.get(match[2], match[2]) if match[2] else ""

    return _ESCAPE.sub(one, written).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _scan(text: str) -> list[Entry]:
    found = []
    at = 0
    while at < len(text):
        line = text[at : line_end(text, at)]
        if not line.strip() or line.lstrip(" \t\f")[0] in "#!":
            at = next_line(text, at)
            continue
        end = line_end(text, at)
        while _goes_on(text[at:end]) and next_line(text, end) < len(text):
            end = line_end(text, next_line(text, end))
        match = _KEY.match(text, at, end)
        if not match:
            raise unparsable("properties file", text, at)
        value = text[match.end() : end]
        if re.search(r"\\u(?![0-9a-fA-F]{4})", re.sub(r"\\[^u]", "", value + match["key"], flags=re.DOTALL)):
            raise unparsable("properties file", text, at)
        found.append(Entry(_plain(match["key"]), _plain(value), at, match.end(), end, match["gap"]))
        at = next_line(text, end)
    return found


def _goes_on(logical: str) -> bool:
    """An odd number of backslashes at the end."""
    return (len(logical) - len(logical.rstrip("\\"))) % 2 == 1
