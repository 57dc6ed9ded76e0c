"""A command's output as safe HTML: colours (ANSI SGR) become classes, every other control code goes, all else is escaped.

Chunks cut through characters and codes alike, so what is unfinished travels on: `Screen.carry()` is a short text that
the browser sends back with its next request. It comes from outside, so `Screen(carry)` takes nothing but what fits.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable

from markupsafe import escape

from server.db import Row

MAX_PENDING = 64
_CODE = re.compile(
    r"\x1b\[([0-9;:]*)m"  # SGR: the one that is kept
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # other CSI: cursor, erase
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC and other strings: titles, links
    r"|\x1b[ -/]*[0-~]"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]"
    r"|\r(?=\n)"
)
_UNFINISHED = re.compile(r"(?:\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)?|\r)\Z")
_STYLES = {1: "b", 2: "dim", 3: "i", 4: "u", 7: "rev", 9: "s"}
_ENDS = {22: ("b", "dim"), 23: ("i",), 24: ("u",), 27: ("rev",), 29: ("s",)}
_CLASS = re.compile(r"b|dim|i|u|rev|s|f\d{1,2}|g\d{1,2}")


class _Stream:
    def __init__(self, pending: bytes, classes: list[str]) -> None:
        self.pending, self.classes = pending, classes

    def feed(self, data: bytes, last: bool) -> str:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        text = decoder.decode(self.pending + data, final=last)
        rest = decoder.getstate()[0]
        # Only the end is looked at: a search through all of it would be slow for output made to be slow.
        unfinished = None if last else _UNFINISHED.search(text[-MAX_PENDING // 2 :])
        if unfinished and len(unfinished[0].encode()) + len(rest) <= MAX_PENDING:
            text, rest = text[: -len(unfinished[0])], unfinished[0].encode() + rest
        self.pending = rest
        return "".join(self._pieces(text))

    def _pieces(self, text: str) -> Iterable[str]:
        position = 0
        for code in _CODE.finditer(text):
            yield self._span(text[position : code.start()])
            position = code.end()
            if code[1] is not None:
                self._style(code[1])
        yield self._span(text[position:])

    def _span(self, text: str) -> str:
        if not text:
            return ""
        safe = str(escape(text.replace("\x1b", "")))
        return f'<span class="{" ".join("a-" + c for c in self.classes)}">{safe}</span>' if self.classes else safe

    def _style(self, text: str) -> None:
        codes = [int(part[:4] or 0) for part in re.split("[;:]", text)][:32]
        while codes:
            code = codes.pop(0)
            if code == 0:
                self.classes = []
            elif code in _STYLES:
                self._set(_STYLES[code], _STYLES[code])
            elif code in _ENDS:
                self.classes = [c for c in self.classes if c not in _ENDS[code]]
            elif code in (38, 48):
                colour = _extended(codes)
                self._set("f" if code == 38 else "g", f"{'f' if code == 38 else 'g'}{colour}" if colour is not None else "")
            elif 30 <= code <= 37 or 90 <= code <= 97:
                self._set("f", f"f{code - 30 if code < 90 else code - 82}")
            elif 40 <= code <= 47 or 100 <= code <= 107:
                self._set("g", f"g{code - 40 if code < 100 else code - 92}")
            elif code in (39, 49):
                self._set("f" if code == 39 else "g", "")

    def _set(self, family: str, name: str) -> None:
        """Colours replace one another (`f3` after `f1`), styles add up."""
        kept = [c for c in self.classes if c != name and not (family in "fg" and c[0] == family and c[1:].isdigit())]
        self.classes = kept + ([name] if name else [])


class Screen:
    """Turns chunks into lines of HTML; stdout and stderr each have their own unfinished characters and colours."""

    def __init__(self, carry: str = "") -> None:
        parts = [*carry.split("~"), ""][:2]
        self._streams = {"stdout": _stream(parts[0]), "stderr": _stream(parts[1])}

    def html(self, chunks: Iterable[Row], last: bool) -> str:
        """`chunks` in their order; `last` when nothing follows. Standard error is marked by `class="err"`."""
        out: list[str] = []
        for chunk in chunks:
            text = self._streams[chunk["stream"]].feed(chunk["data"], False)
            out.append(_marked(chunk["stream"], text))
        if last:
            out += [_marked(name, stream.feed(b"", True)) for name, stream in self._streams.items()]
        return "".join(out)

    def carry(self) -> str:
        return "~".join(f"{s.pending.hex()}.{'-'.join(s.classes)}" for s in self._streams.values())


def _marked(stream: str, text: str) -> str:
    return f'<span class="err">{text}</span>' if text and stream == "stderr" else text


def _stream(carry: str) -> _Stream:
    pending, _, classes = carry.partition(".")
    try:
        data = bytes.fromhex(pending[: 2 * MAX_PENDING])
    except ValueError:
        data = b""
    return _Stream(data, [c for c in classes.split("-")[:10] if _CLASS.fullmatch(c)])


def _extended(codes: list[int]) -> int | None:
    """The nearest of our 16 colours for `38;5;n` and `38;2;r;g;b`; eats its arguments."""
    if len(codes) >= 2 and codes[0] == 5:
        codes.pop(0)
        number = codes.pop(0)
        if number < 16:
            return number
        if number >= 232:
            return 7 if number > 243 else 8
        number = min(number, 231) - 16
        return _nearest(number // 36 * 51, number // 6 % 6 * 51, number % 6 * 51)
    if len(codes) >= 4 and codes[0] == 2:
        red, green, blue = codes[1:4]
        del codes[:4]
        return _nearest(red, green, blue)
    return None


def _nearest(red: int, green: int, blue: int) -> int:
    bright = 8 if max(red, green, blue) > 200 else 0
    return bright + (red > 100) + 2 * (green > 100) + 4 * (blue > 100)
