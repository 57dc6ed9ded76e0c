"""`file`: bring a file to a host or from it, and copy, move, delete, look at what is there (A2)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar

from host.wire.schema import fact
from host.wire.tasks.limits import Limits

ACTIONS = ("upload", "download", "copy", "move", "delete", "stat", "list")
MAX_PATH = 4096
"""Bytes of a path."""
_MODE = re.compile(r"[0-7]{3,4}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILE = re.compile(r"[0-9A-Za-z]{1,64}")
_WRITES = ["upload", "copy"]


@dataclass(frozen=True)
class File(Limits):
    """`file` is the id of a file in the manager's store: of `upload` the one to fetch, of `download` the one to fill, which
    the manager makes and names itself. `sha256` is what the uploaded bytes must have; the manager fills that in too."""

    KIND: ClassVar[str] = "file"
    LABEL: ClassVar[str] = "File"
    HELP: ClassVar[str] = "Bring files to a host or from it; copy, move, delete, look at what is there."

    action: str = field(metadata=fact("Action", "upload: to the host. download: from the host.", choices=list(ACTIONS)))
    path: str = field(metadata=fact("Path", "On the host, absolute. Symbolic links on the way are not followed.", type="path"))
    to: str = field(default="", metadata=fact("To", "The new path.", type="path", only={"action": ["copy", "move"]}))
    file: str = field(default="", metadata=fact("File", "From the manager's store.", type="file", only={"action": ["upload", "download"]}))
    sha256: str = field(default="", metadata=fact("SHA-256", "Empty: that of the stored file.", only={"action": ["upload"]}))
    mode: str = field(default="", metadata=fact("Mode", "Like 0644. Empty: as the file that is replaced.", only={"action": _WRITES}))
    owner: str = field(default="", metadata=fact("Owner", "Empty: as the file that is replaced.", only={"action": _WRITES}))
    group: str = field(default="", metadata=fact("Group", "Empty: as the file that is replaced.", only={"action": _WRITES}))
    overwrite: bool = field(
        default=False, metadata=fact("Overwrite", "Replace a file that is there.", only={"action": ["upload", "copy", "move"]})
    )
    recursive: bool = field(
        default=False, metadata=fact("With all below", "For folders.", only={"action": ["copy", "move", "delete", "list"]})
    )
    dry_run: bool = field(default=False, metadata=fact("Dry run", "Say what would be done, and do nothing."))

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("path", "to"):
            value = getattr(self, name)
            if "\0" in value:
                raise ValueError(f"{name}: a NUL byte cannot be part of it")
            if len(value.encode("utf-8", "surrogatepass")) > MAX_PATH:
                raise ValueError(f"{name}: longer than {MAX_PATH} bytes")
        if self.action in ("copy", "move") and not self.to:
            raise ValueError(f"to: is missing; {self.action} needs a path to go to")
        if self.action == "upload" and not self.file:
            raise ValueError("file: is missing; name a file of the manager's store")
        if self.file and not _FILE.fullmatch(self.file):
            raise ValueError(f"file: {self.file[:64]!r} cannot be the id of a file")
        if self.sha256 and not _SHA256.fullmatch(self.sha256):
            raise ValueError("sha256: 64 small hexadecimal digits are needed")
        if self.mode and not _MODE.fullmatch(self.mode):
            raise ValueError(f"mode: {self.mode[:16]!r} is not three or four octal digits like 0644")
        if "\0" in self.owner + self.group:
            raise ValueError("owner: a NUL byte cannot be part of it")
