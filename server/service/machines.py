"""Whether two fingerprints are of one machine (DESIGN §4). Pure.

A fingerprint has `machine_id` (of the installation), `board_id` (of the hardware or virtual machine) and `macs`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping


def read_fingerprint(text: str) -> dict[str, str]:
    """A fingerprint as it is stored; empty for one that was cut in the middle, as long ones once were: it is like no other."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}


def same_machine(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """The same hardware, whatever is installed: a network card in common, and no other board."""
    boards = {one.get("board_id", ""), other.get("board_id", "")} - {""}
    cards = [{mac for mac in found.get("macs", "").lower().split(",") if mac} for found in (one, other)]
    return bool(cards[0] & cards[1]) and len(boards) < 2
