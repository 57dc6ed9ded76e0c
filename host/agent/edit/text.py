"""Bytes ⇄ text, and back to exactly the same bytes: encoding and byte order mark are kept."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from host.agent.tasks.base import TaskProblem

_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


@dataclass(frozen=True)
class Text:
    """`text` has no byte order mark and its own line endings."""

    text: str
    codec: str
    mark: bytes

    def bytes_of(self, text: str) -> bytes:
        """Another text written as this one was. Raises TaskProblem A4004."""
        try:
            return self.mark + text.encode(self.codec)
        except UnicodeEncodeError as problem:
            what = f"{problem.object[problem.start]!r} cannot be written in {self.codec}"
            raise TaskProblem("A4004", what, "give another value, or another encoding") from problem


def read(data: bytes, encoding: str, path: str) -> Text:
    """`encoding` is one of the task's; a byte order mark says more than it. Raises TaskProblem A4004."""
    codec, mark = {"utf-16": "utf-16-le"}.get(encoding, encoding), b""
    for one, found in _MARKS.items():
        if data.startswith(one) and encoding in ("utf-8", "utf-16"):
            codec, mark = found, one
    try:
        text = data[len(mark) :].decode(codec)
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise TaskProblem("A4004", f"{path} is no {codec} at byte {problem.start} (line {line})", "give its encoding") from problem
    if "\0" in text:
        raise TaskProblem("A4004", f"{path} is no text: it has NUL bytes", "name a text file, or give its encoding")
    result = Text(text, codec, mark)
    if mark + text.encode(codec) != data:
        raise TaskProblem("A4004", f"{path} cannot be read in {codec} without loss", "give its encoding")
    return result
