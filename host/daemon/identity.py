"""The files that make this host a node (`work_dir`/identity, mode 0700): where they are, and reading them.

`enroll` writes them; `node.json` comes last, so that its presence means that all others are there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from host.lib.errors import LinkError


@dataclass(frozen=True)
class Identity:
    """`folder` is `work_dir`/identity."""

    folder: Path
    node_id: str
    name: str

    @property
    def key(self) -> Path:
        return self.folder / "node.key"

    @property
    def certificate(self) -> Path:
        return self.folder / "node.crt"

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def agent_certificate(self) -> Path:
        return self.folder / "agent.crt"


def folder_of(work_dir: Path) -> Path:
    return work_dir / "identity"


def load(work_dir: Path) -> Identity | None:
    """The identity, or None when this host is not enrolled. Raises LinkError D2002 when it is there but no use."""
    path = folder_of(work_dir) / "node.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Identity(path.parent, str(data["node_id"]), str(data["name"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise LinkError(
            "D2002", f"{path} cannot be read ({problem})", "restore the identity folder, or remove it and enrol again"
        ) from problem
