"""A task of a kind that comes with the agent: a process that runs `host.agent.worker`, with its content on stdin."""

from __future__ import annotations

import json
import os
import pwd
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from host.agent.procfs import COMMAND_VARIABLE
from host.agent.tasks.base import PATH, Launch
from host.wire.tasks import Limits

PROGRAM = str(Path(__file__).resolve().parents[2])


class BuiltinTask:
    """`settings` reach the kind's `run` as `work.settings`."""

    def __init__(self, content: Limits, settings: dict[str, Any]) -> None:
        self._content, self._settings = content, settings
        self.limits: Limits = content
        self.user = ""

    def prepare(self, command_id: str, folder: Path) -> Launch:
        """See `tasks.base.Task`."""
        given = {"content": asdict(self._content), "command_id": command_id, "folder": str(folder), "settings": self._settings}
        environment = {"PATH": PATH, "HOME": home(), "LANG": "C.UTF-8", "PYTHONPATH": PROGRAM, COMMAND_VARIABLE: command_id}
        arguments = [sys.executable, "-m", "host.agent.worker", self._content.KIND]
        return Launch(arguments, environment, stdin=json.dumps(given).encode())


def home() -> str:
    """The home folder of the agent's own user."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return "/"
