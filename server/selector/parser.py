"""Text → ast. Recursive descent over a scanner that knows its column, so that every error says where.

    or    = and ("or" and)*            and = unary ("and" unary)*       unary = "not" unary | "(" or ")" | term
    term  = "all" | "maintenance" | STATE | "group:" VALUE | ["tag:" | "field:"] NAME [comparison]
    comparison = ("=" | "!=" | "~" | "<" | "<=" | ">" | ">=") VALUE | ":" PATTERN | "in" "(" VALUE ("," VALUE)* ")"

A value is a word or stands in quotes. Full-width signs of a Chinese keyboard are taken for what they look like.
"""

from __future__ import annotations

from host.wire.states import NODE
from server.selector import ast
from server.selector.ast import (
    ADDRESS,
    ALIASES,
    CONTAINS,
    DATE,
    DIFFERS,
    EQUALS,
    FACT,
    FACTS,
    FIELD,
    GLOB,
    HAS,
    IN,
    MAINTENANCE,
    NUMBER,
    OPEN,
    ORDER,
    SIZE,
    TAG,
    TEXT,
    WORD,
    WORDS,
    Ast,
    Compare,
)
from server.selector.errors import SelectorError, suggestion
from server.selector.values import date_of, number_of, size_of, span_of

MAX_LENGTH = 2_000
MAX_DEPTH = 20
MAX_TERMS = 100
MAX_VALUES = 500

_SPECIAL = frozenset("()=!<>~,\"':")
_WIDE = str.maketrans({"（": "(", "）": ")", "，": ",", "＝": "=", "：": ":", "＜": "<", "＞": ">", "！": "!", "～": "~"})
_KEYWORDS = frozenset({"and", "or", "not", "in"})
_BARE = ("all", MAINTENANCE, *sorted(NODE))
_OPERATORS = ("!=", "<=", ">=", "=", "~", "<", ">")


def parse(text: str) -> Ast:
    """The selector's ast. Raises SelectorError: also when it is empty."""
    if len(text) > MAX_LENGTH:
        raise SelectorError(MAX_LENGTH + 1, f"a selector has at most {MAX_LENGTH} characters")
    parser = _Parser(text)
    if parser.at_end():
        raise SelectorError(1, "it is empty; write all for every node, or a condition such as env=prod")
    found = parser.alternatives(0)
    if not parser.at_end():
        raise parser.expected("and, or, or the end")
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self._text, self._pos, self._terms = _narrow(text), 0, 0

    # -- grammar ----------------------------------------------------------------------------------------------------

    def alternatives(self, depth: int) -> Ast:
        items = [self._together(depth)]
        while self._take_word("or"):
            items.append(self._together(depth))
        flat = [inner for item in items for inner in (item.items if isinstance(item, ast.Or) else (item,))]
        return flat[0] if len(flat) == 1 else ast.Or(tuple(flat))

    def _together(self, depth: int) -> Ast:
        items = [self._unary(depth)]
        while self._take_word("and"):
            items.append(self._unary(depth))
        flat = [inner for item in items for inner in (item.items if isinstance(item, ast.And) else (item,))]
        return flat[0] if len(flat) == 1 else ast.And(tuple(flat))

    def _unary(self, depth: int) -> Ast:
        self._skip()
        if depth > MAX_DEPTH:
            raise SelectorError(self._pos + 1, f"more than {MAX_DEPTH} parentheses or nots within each other")
        start = self._pos
        if self._take_word("not"):
            return ast.Not(self._unary(depth + 1))
        if self._take("("):
            found = self.alternatives(depth + 1)
            if not self._take(")"):
                raise self.expected(f") for the ( at column {start + 1}")
            return found
        return self._term()

    def _term(self) -> Ast:
        self._skip()
        start = self._pos
        word = self._word("a condition such as env=prod, a state such as online, not, or (")
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise SelectorError(start + 1, f"more than {MAX_TERMS} conditions")
        lower = word.lower()
        if lower in _KEYWORDS:
            self._pos = start
            raise self.expected("a condition")
        if lower in _BARE and not self._comparing():
            if lower == MAINTENANCE:
                return ast.Maintenance(at=start + 1)
            return ast.All() if lower == "all" else Compare(FACT, "state", EQUALS, (lower,), WORD, start + 1, len(word))
        if lower == "group":
            if not self._take(":"):
                raise self.expected(": and the group's name, as in group:shanghai")
            path = self._value()
            return ast.Group(path, at=start + 1, length=self._pos - start)
        if lower in ("tag", "field") and self._take(":"):
            name = self._value(colon=False)
            found = self._comparison(TAG if lower == "tag" else FIELD, name, start, TEXT)
            return found or Compare(TAG if lower == "tag" else FIELD, name.lower(), HAS, at=start + 1, length=self._pos - start)
        return self._named(word, start)

    def _named(self, word: str, start: int) -> Ast:
        key = ALIASES.get(word.lower(), word.lower())
        known = key in FACTS
        found = self._comparison(FACT if known else OPEN, key, start, FACTS.get(key, TEXT))
        if found is None:
            near = suggestion(word, [*_BARE, *FACTS])
            self._skip()
            what = f"after {word!r} one of = != ~ < > : in is expected{near or f'; to look for a name, write name:*{word}*'}"
            raise SelectorError(start + 1, what, len(word))
        return found

    def _comparison(self, kind: str, key: str, start: int, kind_of_value: str) -> Compare | None:
        key = key.lower()
        self._skip()
        op_at = self._pos
        op = next((op for op in _OPERATORS if self._take(op)), "")
        values: tuple[str, ...]
        if op:
            value_at = self._place()
            values = (self._value(),)
        elif self._take(":"):
            op, value_at = GLOB, self._place()
            values = (self._value(),)
        elif self._take_word("in"):
            op, value_at = IN, self._place()
            values = self._list()
        else:
            return None
        _check_op(kind, key, kind_of_value, op, op_at)
        found = Compare(kind, key, op, values, kind_of_value, start + 1, self._pos - start, value_at)
        return check_values(found)

    def _list(self) -> tuple[str, ...]:
        if not self._take("("):
            raise self.expected("( and a list, as in env in (prod, test)")
        values = [self._value()]
        while self._take(","):
            values.append(self._value())
            if len(values) > MAX_VALUES:
                raise SelectorError(self._pos, f"more than {MAX_VALUES} values in one list")
        if not self._take(")"):
            raise self.expected(", or )")
        return tuple(values)

    # -- scanner ----------------------------------------------------------------------------------------------------

    def at_end(self) -> bool:
        self._skip()
        return self._pos >= len(self._text)

    def expected(self, what: str) -> SelectorError:
        self._skip()
        if self._pos >= len(self._text):
            return SelectorError(len(self._text) + 1, f"it ends here, but {what} is expected")
        end = self._pos + 1
        if self._text[self._pos] not in _SPECIAL:
            while end < len(self._text) and not self._text[end].isspace() and self._text[end] not in _SPECIAL:
                end += 1
        return SelectorError(self._pos + 1, f"{what} is expected, not {self._text[self._pos : end][:40]!r}", end - self._pos)

    def _place(self) -> int:
        self._skip()
        return self._pos + 1

    def _skip(self) -> None:
        while self._pos < len(self._text) and self._text[self._pos].isspace():
            self._pos += 1

    def _take(self, sign: str) -> bool:
        self._skip()
        if self._text.startswith(sign, self._pos):
            self._pos += len(sign)
            return True
        return False

    def _take_word(self, word: str) -> bool:
        self._skip()
        end = self._pos + len(word)
        if self._text[self._pos : end].lower() != word:
            return False
        if end < len(self._text) and not self._text[end].isspace() and self._text[end] not in "()\"'":
            return False
        self._pos = end
        return True

    def _comparing(self) -> bool:
        """Whether an operator comes next, so that the word before it is a tag's name and no state."""
        before = self._pos
        self._skip()
        found = self._text.startswith((*_OPERATORS, ":"), self._pos) or self._take_word("in")
        self._pos = before
        return found

    def _word(self, what: str) -> str:
        start = self._pos
        while self._pos < len(self._text) and not self._text[self._pos].isspace() and self._text[self._pos] not in _SPECIAL:
            self._pos += 1
        if self._pos == start:
            raise self.expected(what)
        return self._text[start : self._pos]

    def _value(self, colon: bool = True) -> str:
        self._skip()
        if self._pos < len(self._text) and self._text[self._pos] in "\"'":
            return self._quoted()
        stop = _SPECIAL - {":"} if colon else _SPECIAL
        start = self._pos
        while self._pos < len(self._text) and not self._text[self._pos].isspace() and self._text[self._pos] not in stop:
            self._pos += 1
        if self._pos == start:
            raise self.expected("a value")
        return self._text[start : self._pos]

    def _quoted(self) -> str:
        start, quote = self._pos, self._text[self._pos]
        self._pos += 1
        found: list[str] = []
        while self._pos < len(self._text):
            c = self._text[self._pos]
            self._pos += 1
            if c == quote:
                return "".join(found)
            if c == "\\" and self._pos < len(self._text):
                c = self._text[self._pos]
                self._pos += 1
            found.append(c)
        raise SelectorError(start + 1, f"the {quote} here is never closed", len(self._text) - start)


def check_values(found: Compare) -> Compare:
    """The same, or SelectorError for a value that this kind of thing cannot have."""
    for value in found.values:
        at, length = found.value_at, len(value)
        try:
            if found.type == NUMBER:
                number_of(value)
            elif found.type == SIZE:
                size_of(value)
            elif found.type == DATE:
                date_of(value)
            elif found.type == ADDRESS:
                span_of(value)
        except ValueError as problem:
            wanted = {
                NUMBER: "a number",
                SIZE: "a size such as 8GiB",
                DATE: "a date such as 2026-11-25",
                ADDRESS: "an address or a network such as 10.0.0.0/8",
            }
            raise SelectorError(at, f"{found.key} takes {wanted[found.type]}, not {value[:40]!r}", length) from problem
        if found.kind == FACT and found.type == WORD and value.lower() not in WORDS[found.key]:
            words = WORDS[found.key]
            near = suggestion(value, words) or f"; use one of {', '.join(words)}"
            raise SelectorError(at, f"{found.key} is never {value[:40]!r}{near}", length)
    if found.type == WORD:
        return Compare(
            found.kind, found.key, found.op, tuple(v.lower() for v in found.values), WORD, found.at, found.length, found.value_at
        )
    return found


def _check_op(kind: str, key: str, kind_of_value: str, op: str, at: int) -> None:
    allowed: tuple[str, ...] = (EQUALS, DIFFERS, CONTAINS, IN, GLOB)
    if kind_of_value in (NUMBER, SIZE):
        allowed = (EQUALS, DIFFERS, IN, *ORDER)
    elif kind_of_value in (ADDRESS, WORD):
        allowed = (EQUALS, DIFFERS, IN)
    elif kind in (OPEN, FIELD):
        allowed = (*allowed, *ORDER)  # of a number's or date's field; bind knows
    if op not in allowed:
        raise SelectorError(at + 1, f"{key} cannot be compared with {op}; use one of {' '.join(allowed)}", len(op))


def _narrow(text: str) -> str:
    """Full-width signs as plain ones, but not within quotes; every column stays where it is."""
    quote, escaped = "", False
    found: list[str] = []
    for c in text:
        if quote:
            if escaped:
                escaped = False
            elif c == "\\":
                escaped = True
            elif c == quote:
                quote = ""
        elif c in "\"'":
            quote = c
        else:
            c = c.translate(_WIDE)
        found.append(c)
    return "".join(found)
