"""Languages (M12): English is the source, 简体中文 comes from `templates/locale/zh_CN.po`, read once at the start.

Sentences of services and hosts are English as well; those with values in them are listed in server/web/sentences.py
as patterns, and are translated by finding the pattern. What is not known stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from babel.messages.pofile import read_po
from starlette.requests import Request

from server.auth import Caller
from server.paths import resource

LANGUAGES = {"en": "English", "zh": "简体中文"}
_TAGS = {"en": "en", "zh": "zh-CN"}
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Language:
    """`gettext` and `ngettext` as usual; `sentence` for text that was made elsewhere; `tag` is for `lang=`."""

    code: str
    tag: str
    gettext: Callable[[str], str]
    ngettext: Callable[[str, str, int], str]
    sentence: Callable[[str], str]


def load(sentences: Iterable[str]) -> dict[str, Language]:
    """All languages by code; `sentences` are the patterns, with `{slots}`."""
    singles, plurals = _catalogue()
    english = Language("en", _TAGS["en"], str, lambda one, many, n: one if n == 1 else many, str)

    def gettext(text: str) -> str:
        return singles.get(text) or text

    def ngettext(one: str, many: str, n: int) -> str:
        return plurals.get(one) or singles.get(many) or (one if n == 1 else many)

    return {"en": english, "zh": Language("zh", _TAGS["zh"], gettext, ngettext, _translator(sentences, gettext))}


def _catalogue() -> tuple[dict[str, str], dict[str, str]]:
    with (resource("templates") / "locale" / "zh_CN.po").open("rb") as stream:
        catalogue = read_po(stream, locale="zh_CN", abort_invalid=True)
    singles: dict[str, str] = {}
    plurals: dict[str, str] = {}
    for message in catalogue:
        if not message.id:
            continue
        if isinstance(message.id, str):
            singles[message.id] = str(message.string or "")
        elif message.string:
            # Chinese has one form for any number.
            plurals[message.id[0]] = message.string[0]
    return singles, plurals


def _translator(sentences: Iterable[str], gettext: Callable[[str], str]) -> Callable[[str], str]:
    patterns = [(_pattern(sentence), sentence) for sentence in sentences if "{" in sentence]

    def translate(text: str) -> str:
        known = gettext(text)
        if known != text:
            return known
        for pattern, sentence in patterns:
            found = pattern.fullmatch(text)
            if found:
                # A problem within a sentence is a sentence itself.
                values = {name: translate(value) if name == "problem" else gettext(value) for name, value in found.groupdict().items()}
                return gettext(sentence).format_map(values)
        return text

    return translate


def _pattern(sentence: str) -> re.Pattern[str]:
    parts = _SLOT.split(sentence)
    text = "".join(f"(?P<{part}>.{{0,400}}?)" if index % 2 else re.escape(part) for index, part in enumerate(parts))
    return re.compile(text, re.DOTALL)


def choose(request: Request, caller: Caller | None) -> str:
    """A language's code: the account's, else the cookie's, else the browser's first that there is."""
    for wanted in (caller.language if caller else "", request.cookies.get("ops_language", "")):
        if wanted in LANGUAGES:
            return wanted
    ranked = []
    for position, item in enumerate(request.headers.get("accept-language", "")[:200].split(",")):
        tag, _, quality = item.strip().partition(";q=")
        try:
            ranked.append((-float(quality or 1), position, tag.lower().partition("-")[0]))
        except ValueError:
            continue
    return next((tag for _, _, tag in sorted(ranked) if tag in LANGUAGES), "en")
