"""`package`: what the host's package manager has installed, and changes to it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar

from host.wire.schema import fact
from host.wire.tasks.limits import MAX_TIMEOUT_S, Limits

PACKAGE_ACTIONS = ["list", "install", "remove", "upgrade"]
PACKAGE_MANAGERS = ["auto", "apt", "dnf", "yum", "zypper"]
MAX_NAMES = 200
# Without a `-` at its end: to apt `install name-` means remove. Without `~ ^ * ? /`: these make a pattern, a task or a file.
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9+._:-]{0,198}[A-Za-z0-9+._])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._:~^-]{0,199}")
_FILTER = re.compile(r"[A-Za-z0-9+._:*?\[\]-]{0,200}")


@dataclass(frozen=True)
class Package(Limits):
    """`names`: packages, each with a version of its own where one is wanted (`name=version`)."""

    KIND: ClassVar[str] = "package"
    LABEL: ClassVar[str] = "Packages"
    HELP: ClassVar[str] = "List, install, remove or upgrade packages of the host's distribution."

    action: str = field(metadata=fact("Action", choices=PACKAGE_ACTIONS))
    names: list[str] = field(
        default_factory=list,
        metadata=fact("Packages", "Each as name or name=version.", only={"action": ["install", "remove", "upgrade"]}),
    )
    everything: bool = field(
        default=False, metadata=fact("Upgrade everything", "All packages that have an upgrade.", only={"action": ["upgrade"]})
    )
    filter: str = field(default="", metadata=fact("Filter", "A pattern with * and ?, as in python3-*.", only={"action": ["list"]}))
    upgradable: bool = field(
        default=False, metadata=fact("Only upgradable", "Those that have an upgrade, with its version.", only={"action": ["list"]})
    )
    refresh: bool = field(default=False, metadata=fact("Refresh first", "Fetch the lists of packages anew; so it does in a dry run too."))
    manager: str = field(default="auto", metadata=fact("Manager", choices=PACKAGE_MANAGERS))
    settings_files: str = field(
        default="keep",
        metadata=fact(
            "Changed settings files", "keep: as they are here; new: as the package has them. Asked by apt alone.", choices=["keep", "new"]
        ),
    )
    lock_wait: int = field(
        default=60, metadata=fact("Wait for others", "While another package manager is at work.", least=0, most=3600, unit="s")
    )
    dry_run: bool = field(default=False, metadata=fact("Dry run", "The manager's own simulation: what would change."))
    timeout: int = field(
        default=1800,
        kw_only=True,
        metadata=fact("Time limit", "After it the task is stopped on the host.", least=1, most=MAX_TIMEOUT_S, unit="s"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.names) > MAX_NAMES:
            raise ValueError(f"names: more than {MAX_NAMES}; send several tasks")
        for one in self.names:
            name, equals, version = one.partition("=")
            if not _NAME.fullmatch(name) or (equals and not _VERSION.fullmatch(version)):
                raise ValueError(f"names: {one[:64]!r} cannot be a package; write name or name=version")
            if equals and self.action == "remove":
                raise ValueError(f"names: {one[:64]!r}: a package is removed by its name alone; leave {equals}{version} away")
        if not _FILTER.fullmatch(self.filter):
            raise ValueError(f"filter: {self.filter[:64]!r} cannot be a pattern for names; use letters, digits, + . _ : - and * ? [ ]")
        if self.action in ("install", "remove") and not self.names:
            raise ValueError("names: is empty; name at least one package")
        if self.action == "upgrade" and bool(self.names) == self.everything:
            raise ValueError("names: name the packages to upgrade, or set everything, and not both")
