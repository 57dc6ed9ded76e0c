"""A copy of another host becomes a host of its own: the manager has said that this machine is not that node (DESIGN §4).

The copied key and certificate go; the next enrolment asks with a new key, without a token and with the manager's CA that is
known already, and waits until somebody has approved it. What waits in the outbox, the ledgers and the agent's running tasks
stay. The agent goes on with the copied dispatch key until the new one is there, and is then started anew.
"""

from __future__ import annotations

import json
from pathlib import Path

from host.daemon.identity import Identity, folder_of
from host.lib.files import write_atomically

MARKER = "anew.json"
AGENT = "agent.stale"
_COPIED = ("node.json", "node.key", "node.crt", "node.pem", "node.old.pem", "renewal.key")
"""`node.json` first: without it there is no identity, whatever is left of the rest after a crash."""


def leave(identity: Identity) -> None:
    """Gives the identity up. Cut off anywhere, it is left at the next call, or the next enrolment is of a new key. Raises OSError."""
    write_atomically(identity.folder / MARKER, json.dumps({"was": identity.node_id, "name": identity.name}).encode())
    for name in _COPIED:
        (identity.folder / name).unlink(missing_ok=True)


def known_ca(work_dir: Path) -> str:
    """The CA (PEM) of the manager that told this machine to enrol anew; "" where none did. Raises OSError."""
    folder = folder_of(work_dir)
    return (folder / "ca.crt").read_text(encoding="ascii") if (folder / MARKER).exists() else ""


def enrolled(folder: Path) -> None:
    """The new identity is written: the agent is to take it up. Raises OSError."""
    if (folder / MARKER).exists():
        (folder / MARKER).rename(folder / AGENT)


def agent_is_stale(folder: Path) -> bool:
    """Whether the agent may still run with what it had before; says so once. Raises OSError."""
    stale = (folder / AGENT).exists()
    (folder / AGENT).unlink(missing_ok=True)
    return stale
