"""Whether the agent is meant to run: what an operator decided, kept over restarts of the daemon and the host (D8)."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from host.lib.files import write_atomically

log = logging.getLogger("daemon.watch")


class Intention:
    """One word in `work_dir`/intention.json; without the file the agent is meant to run."""

    def __init__(self, work_dir: Path) -> None:
        self._path = work_dir / "intention.json"
        self.stopped = self._read()

    def _read(self) -> bool:
        try:
            return bool(json.loads(self._path.read_text("utf-8"))["agent"] == "stopped")
        except FileNotFoundError:
            return False
        except (OSError, ValueError, KeyError, TypeError) as problem:
            log.error("D3001 %s cannot be read (%s): the agent is taken as meant to run", self._path, problem)
            return False

    def set(self, stopped: bool) -> None:
        """On disk before it holds. Raises OSError; then it is as it was."""
        if stopped != self.stopped:
            write_atomically(self._path, json.dumps({"agent": "stopped" if stopped else "running"}).encode())
        self.stopped = stopped
