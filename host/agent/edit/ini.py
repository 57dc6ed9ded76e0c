"""INI and its relatives (systemd units, my.cnf, php.ini): `[section]`, then `key = value` lines.

A value is all that stands behind the first `=` or `:`, as configparser and systemd read it, quotes too; comments behind
values only when asked for. Lines that begin with blanks continue a value. A key may stand several times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from host.agent.edit import paths
from host.agent.edit.base import (
    Edit,
    Named,
    Values,
    append,
    apply,
    bad_path,
    check_count,
    insert_line,
    line_end,
    looks_secret,
    newline,
    next_line,
    no_match,
    scalar_text,
    unparsable,
    whole_lines,
    wrong_type,
)

_HEADER = re.compile(r"[ \t]*\[(?P<name>[^\r\n]*)\][ \t]*(?:[#;].*)?")
_LINE = re.compile(r"(?P<indent>[ \t]*)(?P<key>[^\s=:][^=:\r\n]*?)(?P<gap>[ \t]*[=:][ \t]*)(?P<value>.*?)[ \t]*")
_BARE = re.compile(r"(?P<indent>[ \t]*)(?P<key>[^\s=:]+)[ \t]*")
_COMMENT = re.compile(r"(?:^|[ \t]+)[#;].*$")


@dataclass
class Entry:
    """`end` is where its last line of value ends; `gap` what parts key and value, "" for a key alone."""

    section: str
    key: str
    start: int
    value_at: int
    end: int
    value: str | None
    gap: str
    indent: str


@dataclass
class Section:
    name: str
    start: int
    last: int


class Ini:
    """See `base.Format`."""

    def __init__(self, inline_comments: bool = False) -> None:
        self._inline = inline_comments

    def read(self, text: str, named: Named) -> Any:
        entries, sections = self._scan(text)
        name, key = _split(named.path, entries, sections)
        if key is None:
            found = [one for one in sections if one.name == name]
            if not found:
                raise no_match(named.path)
            return {one.key: one.value for one in entries if one.section == name}
        matches = [one.value for one in entries if (one.section, one.key) == (name, key)]
        check_count(named, len(matches))
        return matches if named.every else matches[0]

    def set(self, text: str, named: Named, value: Any) -> str:
        entries, sections = self._scan(text)
        name, key = _split(named.path, entries, sections)
        if key is None:
            raise wrong_type(f"{named.path} is a section", "name section.key")
        written = scalar_text(value, "an INI file")
        self._check(written, name, key)
        found = [one for one in entries if (one.section, one.key) == (name, key)]
        if found:
            check_count(named, len(found))
            return apply(text, [_put(one, written) for one in found if one.value != written])
        return apply(text, [_new(text, entries, sections, name, key, written)])

    def remove(self, text: str, named: Named) -> str:
        entries, sections = self._scan(text)
        name, key = _split(named.path, entries, sections)
        if key is not None:
            found = [one for one in entries if (one.section, one.key) == (name, key)]
            check_count(named, len(found))
            return apply(text, [whole_lines(text, one.start, max(one.start, one.end)) for one in found])
        gone = [one for one in sections if one.name == name]
        check_count(named, len(gone))
        return apply(text, [_section(text, one) for one in gone])

    def secrets(self, text: str) -> Values:
        return {one.value for one in self._scan(text)[0] if one.value and looks_secret(one.key.strip())}

    def _check(self, value: str, name: str, key: str) -> None:
        if "\n" in value or "\r" in value or value != value.strip():
            raise wrong_type("a value of an INI file is one line without blanks around it", "give another value")
        if self._inline and _COMMENT.search(value):
            raise wrong_type("what follows ' #' or ' ;' in the value would be a comment", "set inline_comments to false")
        if re.search(r"[\r\n]", name + key) or "]" in name or not key or key[0] in "#;[" or re.search(r"[=:]", key) or key != key.strip():
            raise bad_path(f"{name}.{key}", "an INI file cannot hold such a name")

    def _scan(self, text: str) -> tuple[list[Entry], list[Section]]:
        entries: list[Entry] = []
        sections: list[Section] = []
        name, current = "", None
        for at, end in _lines(text):
            line = text[at:end]
            if not line.strip() or line.lstrip()[0] in "#;":
                current = current if line[:1] in " \t" else None
            elif match := _HEADER.fullmatch(line):
                name, current = match["name"].strip(), None
                sections.append(Section(name, at, at))
            elif (
                line[0] in " \t"
                and current is not None
                and current.value is not None
                and len(current.indent) < len(line) - len(line.lstrip())
            ):
                current.value, current.end = f"{current.value}\n{line.strip()}", end
                if sections:
                    sections[-1].last = at
            else:
                current = self._entry(text, at, line, name)
                entries.append(current)
                if sections:
                    sections[-1].last = at
        return entries, sections

    def _entry(self, text: str, at: int, line: str, section: str) -> Entry:
        if match := _LINE.fullmatch(line):
            value, value_at = match["value"], at + match.start("value")
            if self._inline and (comment := _COMMENT.search(value)):
                value = value[: comment.start()].rstrip()
            return Entry(section, match["key"], at, value_at, value_at + len(value), value, match["gap"], match["indent"])
        if match := _BARE.fullmatch(line):
            end = at + match.end("key")
            return Entry(section, match["key"], at, end, end, None, "", match["indent"])
        raise unparsable("INI file", text, at)


def _lines(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    while at < len(text):
        yield at, line_end(text, at)
        at = next_line(text, at)


def _split(path: str, entries: list[Entry], sections: list[Section]) -> tuple[str, str | None]:
    """Section and key; key None: the section itself. What is there decides where names have dots themselves."""
    steps = [str(one) for one in paths.plain(path)]
    names = {one.name for one in sections} | {""}
    keys = {(one.section, one.key) for one in entries}
    ways = [(".".join(steps[:at]), ".".join(steps[at:])) for at in range(len(steps))]
    exact = [way for way in ways if way in keys]
    if len(exact) > 1:
        raise bad_path(path, "it can be read in several ways; write ['section']['key']")
    if exact:
        return exact[0]
    if ".".join(steps) in names:
        return ".".join(steps), None
    if len(steps) == 1:
        return "", steps[0]
    known = [way for way in ways if way[0] and way[0] in names]
    if known:
        return known[-1]
    if len(steps) > 2:
        raise bad_path(path, "there is no such section, and the names have dots; write ['section']['key']")
    return ways[1]


def _put(entry: Entry, value: str) -> Edit:
    return Edit(entry.value_at, entry.end, value if entry.gap else " = " + value)


def _new(text: str, entries: list[Entry], sections: list[Section], name: str, key: str, value: str) -> Edit:
    like = [one for one in entries if one.gap and one.section == name] or [one for one in entries if one.gap]
    gap = like[-1].gap if like and like[-1].gap.strip() else " = "
    gap = gap if like and (like[-1].value or gap.endswith((" ", "\t")) or len(gap) == 1) else gap + " "
    line = key + gap + value
    of = [one for one in sections if one.name == name]
    if name and not of:
        gap_line = newline(text) if text.strip() else ""
        return append(text, gap_line + f"[{name}]" + newline(text) + line)
    if name:
        indent = like[-1].indent if like and like[-1].section == name else ""
        return insert_line(text, of[-1].last, indent + line)
    loose = [one for one in entries if not one.section]
    if loose:
        return insert_line(text, max(loose[-1].start, loose[-1].end), loose[-1].indent + line)
    if not sections:
        return append(text, line)
    return Edit(sections[0].start, sections[0].start, line + newline(text))


def _section(text: str, section: Section) -> Edit:
    """Its lines up to its last key, and the empty lines behind; comments above the next section stay."""
    stop = next_line(text, section.last)
    while stop < len(text) and not text[stop : line_end(text, stop)].strip():
        stop = next_line(text, stop)
    if stop == len(text):
        kept = text[: section.start].rstrip("\r\n")
        start = (next_line(text, len(kept)) if text.endswith("\n") else len(kept)) if kept else section.start
        return Edit(start, stop, "")
    return Edit(section.start, stop, "")
