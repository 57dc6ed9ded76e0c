"""Where every element and attribute stands in an XML text, in the order of the document; by expat's positions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from xml.parsers import expat

from host.agent.edit.base import MAX_DEPTH, Edit, first_on_line, line_end, too_deep
from host.agent.tasks.base import TaskProblem

_ATTRIBUTE = re.compile(r"""\s+([^\s=>/]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")


@dataclass
class Span:
    """`content` is None for `<a/>`; `start_end` is behind the start tag's `>`; `attributes`: name → start, end, quote."""

    name: str
    start: int
    start_end: int
    end: int = 0
    content: tuple[int, int] | None = None
    attributes: dict[str, tuple[int, int, str]] = field(default_factory=dict)

    def without(self, text: str, name: str) -> Edit:
        """The attribute with the blanks before it; on a line of its own with the line."""
        start, end, _ = self.attributes[name]
        start = text.rindex(name, 0, start)
        if first_on_line(text, start) and not text[end + 1 : line_end(text, end + 1)].strip():
            return Edit(text.rindex("\n", 0, start) + 1, min(len(text), text.index("\n", end) + 1), "")
        while text[start - 1].isspace():
            start -= 1
        return Edit(start, end + 1, "")

    def with_attribute(self, name: str, quoted: str) -> Edit:
        at = max([end + 1 for _, end, _ in self.attributes.values()], default=self.start + 1 + len(self.name))
        return Edit(at, at, f" {name}={quoted}")


@lru_cache(maxsize=2)
def spans(text: str) -> list[Span]:
    """Raises A4005, and A4016 for a document that declares entities."""
    raw = text.encode("utf-8")
    # Positions are in bytes: a map to characters only where they differ.
    places: list[int] | None = None
    if len(raw) != len(text):
        places = [0] * (len(raw) + 1)
        at = 0
        for number, one in enumerate(text):
            places[at] = number
            at += len(one.encode("utf-8"))
        places[at] = len(text)

    found: list[Span] = []
    stack: list[Span] = []
    parser = expat.ParserCreate(encoding="utf-8")

    def here() -> int:
        at = parser.CurrentByteIndex
        return places[at] if places else at

    def start(name: str, _attributes: object) -> None:
        if len(stack) > MAX_DEPTH:
            too_deep("XML")
        at = here()
        span = Span(name, at, at)
        behind = at + 1 + len(name)
        while match := _ATTRIBUTE.match(text, behind):
            quote = '"' if match[2] is not None else "'"
            group = 2 if quote == '"' else 3
            span.attributes[match[1]] = (match.start(group), match.end(group), quote)
            behind = match.end()
        span.start_end = text.index(">", behind) + 1
        found.append(span)
        stack.append(span)

    def end(_name: str) -> None:
        span = stack.pop()
        if text[span.start_end - 2] == "/":
            span.end = span.start_end
            return
        at = here()
        span.content = (span.start_end, at)
        span.end = text.index(">", at) + 1

    def entity(name: str, *_: object) -> None:
        raise TaskProblem("A4016", f"the file declares the entity {name[:64]!r}; entities are not expanded", "write its text in its place")

    parser.StartElementHandler, parser.EndElementHandler, parser.EntityDeclHandler = start, end, entity
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as problem:
        where = f"line {problem.lineno}, column {problem.offset + 1}"
        words = expat.errors.messages.get(problem.code, "not well-formed")
        raise TaskProblem("A4005", f"the file is no valid XML at {where}: {words}", "mend it by hand first") from problem
    return found
