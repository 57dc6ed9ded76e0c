"""Which machine a call of the node link comes from: a short mark of its fingerprint, in a header of each call (DESIGN §4).

    X-Ops-Machine: i=1a2b3c4d;b=99aabbcc;m=01020304,0a0b0c0d

`i`: the installation (machine-id), `b`: the board or virtual machine, `m`: the network cards, each by eight hex digits.
What the machine has not is left out. The digits tell parts of one node's machines apart; they are no proof of anything,
the certificate is. crc32, because the daemon has it in memory already, and hashlib not.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

HEADER = "X-Ops-Machine"
MOST_CARDS = 16
MAX_MARKS = 200
"""Characters of the longest mark, and a few more."""

ENROL_ANEW = 410
"""HTTP status by which a manager tells a machine that it is not this node: it makes a new key and asks as a new host."""

_MARKS = re.compile(r"(?:i=([0-9a-f]{8}))?;?(?:b=([0-9a-f]{8}))?;?(?:m=([0-9a-f]{8}(?:,[0-9a-f]{8})*))?")


@dataclass(frozen=True)
class Marks:
    """A mark in its parts; empty for what is not known."""

    installation: str = ""
    board: str = ""
    cards: frozenset[str] = frozenset()


def marks_of(fingerprint: Mapping[str, str]) -> str:
    """The mark of a fingerprint (`EnrollRequest.fingerprint`); "" of an empty one."""
    cards = sorted({_short(mac) for mac in fingerprint.get("macs", "").split(",") if mac.strip()})[:MOST_CARDS]
    parts = [
        f"{letter}={_short(fingerprint[name])}"
        for letter, name in (("i", "machine_id"), ("b", "board_id"))
        if fingerprint.get(name, "").strip()
    ]
    return ";".join([*parts, "m=" + ",".join(cards)] if cards else parts)


def read(text: str) -> Marks | None:
    """A mark in its parts; None for what is none."""
    match = _MARKS.fullmatch(text) if 0 < len(text) <= MAX_MARKS else None
    if match is None or not any(match.groups()):
        return None
    return Marks(match[1] or "", match[2] or "", frozenset(match[3].split(",")) if match[3] else frozenset())


def _short(text: str) -> str:
    return f"{zlib.crc32(text.strip().lower().encode('utf-8', 'replace')):08x}"
