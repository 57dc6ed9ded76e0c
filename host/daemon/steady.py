"""The running daemon as a process: log, signals, service. `start` begins it with the configuration in an open file."""

from __future__ import annotations

from host.daemon import lean  # noqa: F401 - first: it decides what the others load

# isort: split
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from host.daemon.config import InForce, from_plain
from host.lib import logs
from host.lib.clock import SystemClock
from host.lib.errors import ConfigError, HostError

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main(descriptor: int, libraries: Sequence[str]) -> int:
    """Runs until SIGTERM or SIGINT and gives the exit code; an operator's error is one line on stderr.

    `libraries` are the folders that `site` would have added (see `start.become_steady`).
    """
    sys.path.extend(folder for folder in libraries if folder not in sys.path)
    from host.daemon import service  # only now: it needs the libraries

    stop, ended, reload = threading.Event(), threading.Event(), threading.Event()
    on_reload: list[Callable[[], None]] = []

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()
        stop.set()

    def look_again(number: int, frame: FrameType | None) -> None:
        reload.set()
        for wake in on_reload:
            wake()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGHUP, look_again)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    with os.fdopen(descriptor, "rb") as handed:
        data = json.load(handed)
    config, in_force = from_plain(data["config"]), InForce(**data["in_force"])
    logs.set_up(config.daemon.log_level)
    try:
        note = service.run(config, in_force, SystemClock(), stop, reload, on_reload.append)
        if note:
            # From here on a signal waits for the process that follows: it would be lost in the change.
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
            if not ended.is_set():
                from host.daemon import start

                start.start_again(Path(in_force.path), note)
        return 0
    except HostError as problem:
        sys.stderr.write(f"{problem}\n")
        return 2 if isinstance(problem, ConfigError) else 1
    except OSError as problem:
        sys.stderr.write(f"D1001 {problem.filename or 'the system'}: {problem.strerror or problem} — check the folders and their owner\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
