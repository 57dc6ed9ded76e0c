"""How what a host says of itself at its enrolment is stored, and what is not accepted of it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from host.wire.protocol import PROTOCOL
from server.errors import BadInput


def plain_name(text: str) -> str:
    """Without what a name cannot have."""
    return "".join(c for c in text if c.isprintable() and c not in "%_\\<>\"'& ")[:180]


def fingerprint_text(fingerprint: Mapping[str, str]) -> str:
    """As it is stored: always whole JSON, bounded."""
    return json.dumps({name[:32]: value[:1000] for name, value in sorted(fingerprint.items())[:3]}, ensure_ascii=False)


def check_protocol(protocol: int) -> None:
    """Raises BadInput for a host that is too old or too new to be understood, and says which of the two is to be updated."""
    if protocol < PROTOCOL - 1:
        raise BadInput(f"protocol {protocol} is too old, {PROTOCOL} is spoken here; update the daemon", field="protocol")
    if protocol > PROTOCOL:
        raise BadInput(f"protocol {protocol} is too new, {PROTOCOL} is spoken here; update the manager first", field="protocol")
