"""The files that make this host a node (`work_dir`/identity, mode 0700): where they are, and reading them.

`enroll` writes them; `node.json` comes last, so that its presence means that all others are there.

A renewed certificate is one file with its key, `node.pem`: replaced in one step, so the two always fit. It is preferred
over `node.crt` and `node.key` of the enrolment. `node.old.pem` is the pair before it, until the new one has worked.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from host.daemon import validity
from host.daemon.validity import Validity
from host.lib.errors import LinkError
from host.lib.files import write_atomically


@dataclass(frozen=True)
class Identity:
    """`folder` is `work_dir`/identity."""

    folder: Path
    node_id: str
    name: str

    @property
    def chain(self) -> tuple[Path, Path]:
        """The files of the certificate in force and of its key; they may be one and the same."""
        renewed = self.folder / "node.pem"
        return (renewed, renewed) if renewed.exists() else (self.folder / "node.crt", self.folder / "node.key")

    @property
    def has_old(self) -> bool:
        return (self.folder / "node.old.pem").exists()

    def replace(self, certificate: str, key: str) -> None:
        """Puts a new pair (PEM) in force; the one before it is kept until `forget_old`. Raises OSError."""
        before = dict.fromkeys(path.read_bytes() for path in self.chain)
        write_atomically(self.folder / "node.old.pem", b"".join(before))
        write_atomically(self.folder / "node.pem", f"{certificate.strip()}\n{key.strip()}\n".encode())

    def restore_old(self) -> None:
        """Puts the pair before in force again. Raises OSError."""
        os.replace(self.folder / "node.old.pem", self.folder / "node.pem")

    def forget_old(self) -> None:
        """The pair in force has worked; the ones before it are of no use to anybody any more. Raises OSError."""
        if self.chain[0].name == "node.pem":  # else a crash came between keeping the old pair and the new one
            for name in ("node.crt", "node.key"):
                (self.folder / name).unlink(missing_ok=True)
        (self.folder / "node.old.pem").unlink(missing_ok=True)

    def validity(self) -> Validity:
        """Of the certificate in force. Raises LinkError D2002 when it cannot be read."""
        path = self.chain[0]
        try:
            return validity.of_pem(path.read_text(encoding="ascii"))
        except (OSError, ValueError) as problem:
            raise LinkError("D2002", f"{path} cannot be read ({problem})", "remove the identity folder and enrol again") from problem

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
