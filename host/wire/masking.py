"""Secrets in a configuration's text, made unreadable: on the host before it is told, on the manager before it is noted.

By the text alone, so that it also works on text that is not valid, on comments and on lines of a log. The host knows
YAML and masks by it first, see `host.daemon.secrets`.
"""

from __future__ import annotations

import re

MASK = "********"

NAMES = ("enrolment_token", "password", "passwd", "secret", "credentials", "token", "api_key")
"""Keys that end so hold secrets."""

_KEY = re.compile(rf"""((?:\b|_)(?:{"|".join(NAMES)})["']?[ \t]*[:=][ \t]*)("[^"\n]*"|'[^'\n]*'|[^\s,}}#\n][^,}}#\n]*)""", re.IGNORECASE)
_TOKEN = re.compile(r"\bops(?:1\.|t_)[A-Za-z0-9._~+/=-]{6,}")
_USER = re.compile(r"://[^/@\s\"']+@")


def mask(text: str) -> str:
    """`text` with every secret that can be recognised replaced by MASK; its lines stay where they are."""
    text = _TOKEN.sub(MASK, text)
    text = _USER.sub(f"://{MASK}@", text)
    return _KEY.sub(_masked, text)


def _masked(match: re.Match[str]) -> str:
    value = match[2].rstrip()
    if value in ("", "''", '""', "|", ">", MASK):
        return match[0]
    return match[1] + f'"{MASK}"' + match[2][len(value) :]
