"""The running daemon as a process: log, signals, service. `start` begins it with the configuration in an open file."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from host.daemon import service
from host.daemon.config import from_plain
from host.lib import logs
from host.lib.clock import SystemClock
from host.lib.errors import ConfigError, HostError


def main(descriptor: int) -> int:
    """Runs until SIGTERM or SIGINT and gives the exit code; an operator's error is one line on stderr."""
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    with os.fdopen(descriptor, "rb") as handed:
        data = json.load(handed)
    config = from_plain(data["config"])
    logs.set_up(config.daemon.log_level)
    try:
        return service.run(config, Path(data["path"]), SystemClock(), stop)
    except HostError as problem:
        sys.stderr.write(f"{problem}\n")
        return 2 if isinstance(problem, ConfigError) else 1
    except OSError as problem:
        sys.stderr.write(f"D1001 {problem.filename or 'the system'}: {problem.strerror or problem} — check the folders and their owner\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
