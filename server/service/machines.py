"""Whether two fingerprints are of one machine (DESIGN §4). Pure.

A fingerprint has `machine_id` (of the installation), `board_id` (of the hardware or virtual machine) and `macs`.
"""

from __future__ import annotations

from collections.abc import Mapping


def same_machine(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """The same hardware, whatever is installed: a network card in common, and no other board."""
    boards = {one.get("board_id", ""), other.get("board_id", "")} - {""}
    cards = [{mac for mac in found.get("macs", "").lower().split(",") if mac} for found in (one, other)]
    return bool(cards[0] & cards[1]) and len(boards) < 2
