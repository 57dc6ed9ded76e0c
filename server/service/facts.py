"""Facts as they are stored with a node."""

from __future__ import annotations

import json
from dataclasses import asdict

import msgspec

from host.wire.messages import Facts
from server.db import Row

MOST_FACTS, MOST_TEXT = 64, 255


def main_address(facts: Facts, peer: str) -> str:
    """The address to show: the first that the host names, else the one its connection came from."""
    return (facts.addresses[0] if facts.addresses else peer)[:64]


def facts_text(facts: Facts) -> str:
    """Facts as they are stored: every list and text bounded, because each page of the list reads them all."""
    labels = {name[:MOST_TEXT]: value[:MOST_TEXT] for name, value in list(facts.labels.items())[:MOST_FACTS]}
    addresses = [address[:MOST_TEXT] for address in facts.addresses[:MOST_FACTS]]
    plain = {name: value[:MOST_TEXT] if isinstance(value, str) else value for name, value in asdict(facts).items()}
    return json.dumps(plain | {"labels": labels, "addresses": addresses}, ensure_ascii=False)


def facts_of(row: Row) -> Facts:
    return msgspec.json.decode(row["facts"], type=Facts)
