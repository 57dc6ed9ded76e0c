"""From a checked configuration to the running daemon: log, memory, signals."""

from __future__ import annotations

import gc
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from host.daemon.config import Config
from host.lib import logs
from host.lib.clock import SystemClock

_STARTUP_ONLY = ("argparse", "gettext", "yaml", "_yaml", "host.lib.settings")


def start(config: Config, path: Path) -> int:
    """Runs the daemon until SIGTERM or SIGINT; 0 after a clean stop. Raises HostError."""
    logs.set_up(config.daemon.log_level)
    _forget_startup()
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    from host.daemon import service  # after the start's own memory was given back: what it needs goes there

    return service.run(config, path.resolve(), SystemClock(), stop)


def _forget_startup() -> None:
    """Gives back what only the start needed (D15): the parsers of arguments and YAML are a megabyte."""
    for name in [name for name in sys.modules if name.partition(".")[0] in _STARTUP_ONLY or name in _STARTUP_ONLY]:
        del sys.modules[name]
    gc.collect()
