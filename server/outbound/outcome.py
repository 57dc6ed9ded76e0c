"""How one attempt to deliver ended, and what of the other side's answer may be kept."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

ANSWER = 200
"""Characters of an answer that are kept."""

_BLANK = re.compile(r"\s+")


@dataclass(frozen=True)
class Outcome:
    """`status`: of HTTP or SMTP, 0 where there was none; `text`: the answer's beginning, or what went wrong.
    `final`: trying again is of no use; `own`: it lies in this message, so that others need not wait;
    `wait`: seconds that the other side asked for, 0 when it did not; `note`: what is to be known of one that was taken."""

    ok: bool
    status: int = 0
    text: str = ""
    final: bool = False
    own: bool = False
    wait: float = 0.0
    note: str = ""


def safe(text: str, secrets: Iterable[str] = ()) -> str:
    """The beginning of what somebody else wrote, on one line, printable, and without our secrets."""
    for secret in sorted((one for one in secrets if len(one) >= 4), key=len, reverse=True):
        text = text.replace(secret, "********")
    line = _BLANK.sub(" ", text[: 20 * ANSWER]).strip()
    return "".join(c for c in line if c.isprintable())[:ANSWER]
