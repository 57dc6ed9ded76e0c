"""Whether two fingerprints, or the marks of two, are of one machine (DESIGN §4). Pure.

A fingerprint has `machine_id` (of the installation), `board_id` (of the hardware or virtual machine) and `macs`. Its mark
(`host.wire.machine`) has a short form of each and comes with every call of a host.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from host.wire.machine import Marks


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


def same_marks(one: Marks, other: Marks) -> bool:
    """One machine beyond doubt, though a card was added, replaced or taken out: one card in common, no other board, no other
    installation."""
    return bool(one.cards & other.cards) and _fit(one.board, other.board) and _fit(one.installation, other.installation)


def all_cards_new(one: Marks, other: Marks) -> bool:
    """The same board and installation, and no card in common: a machine whose cards were all replaced, or that makes up the
    address of its only one. Or two boards with one and the same made-up number, and a copied disk."""
    return "" != one.board == other.board and "" != one.installation == other.installation


def _fit(one: str, other: str) -> bool:
    return not one or not other or one == other
