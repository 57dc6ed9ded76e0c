"""`service`: a service of the host, by whichever manager of services the host has (A4)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar

from host.wire.schema import fact
from host.wire.tasks.limits import Limits

SERVICE_ACTIONS = ["status", "start", "stop", "restart", "reload", "enable", "disable"]
SERVICE_MANAGERS = ["auto", "systemd", "sysv", "supervisord"]
SERVICE_NAME = re.compile(r"[A-Za-z0-9_@][A-Za-z0-9_@:.+\\-]{0,254}")
"""No option, no path, no pattern (`systemctl stop 's*'` would stop many)."""


@dataclass(frozen=True)
class Service(Limits):
    """Succeeds only when the wanted state was reached; what is as wanted already is left alone (`changed`: false)."""

    KIND: ClassVar[str] = "service"
    LABEL: ClassVar[str] = "Service"
    HELP: ClassVar[str] = "Start, stop, look at, enable or disable a service."

    action: str = field(metadata=fact("Action", choices=SERVICE_ACTIONS))
    name: str = field(metadata=fact("Service", "As its manager knows it: nginx, postgresql@15-main, worker:web."))
    manager: str = field(
        default="auto", metadata=fact("Manager", "auto: the one that the host runs and that knows the name.", choices=SERVICE_MANAGERS)
    )
    dry_run: bool = field(default=False, metadata=fact("Dry run", "Say what would be done, and change nothing."))

    def __post_init__(self) -> None:
        super().__post_init__()
        if not SERVICE_NAME.fullmatch(self.name):
            raise ValueError(
                f"name: {self.name[:64]!r} cannot be the name of a service; it begins with a letter or digit "
                "and has letters, digits and _ @ : . + - \\"
            )
