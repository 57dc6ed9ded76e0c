"""Brings about an identity: runs `ops-daemon enroll` as a short-lived process until it succeeds (D4).

cryptography and requests live and die with that process; the daemon's own memory never holds them.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from host.daemon import identity
from host.daemon.identity import Identity
from host.lib.backoff import Backoff
from host.lib.errors import LinkError

log = logging.getLogger("daemon.enrol")

TEMPORARY = 75
"""Exit code of `enroll` when trying again may help (EX_TEMPFAIL)."""

AFTER_REFUSAL = 60.0
"""Seconds until a refused enrolment is tried again: somebody may have put a new token into the configuration."""

Run = Callable[[], tuple[int, str]]


def obtain(work_dir: Path, run: Run, backoff: Backoff, stop: threading.Event) -> Identity | None:
    """The identity, as soon as there is one; None when `stop` came first. `run` gives exit code and the last line of one try."""
    while not stop.is_set():
        try:
            found = identity.load(work_dir)
            if found:
                return found
            code, line = run()
        except LinkError as problem:
            code, line = 1, str(problem)
        if code == 0:
            backoff.reset()
            continue
        if stop.is_set():
            break
        if code == TEMPORARY:
            delay = backoff.next()
            log.warning("%s (next try in %.0f s)", line, delay)
        else:
            delay = AFTER_REFUSAL
            log.error("%s (this host stays without a manager; next try in %.0f s)", line, delay)
        stop.wait(delay)
    return None


def runner(config_path: Path, stop: threading.Event) -> Run:
    """Runs `ops-daemon enroll` with this interpreter; it is ended when `stop` is set."""

    def run() -> tuple[int, str]:
        folder = str(Path(__file__).resolve().parents[2])
        path = os.environ.get("PYTHONPATH")
        environment = {**os.environ, "PYTHONPATH": f"{folder}:{path}" if path else folder}
        command = [sys.executable, "-m", "host.daemon", "enroll", "--config", str(config_path)]
        # Nothing in the command line comes from outside: this interpreter, this module, our own configuration file.
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
        ) as process:
            while True:
                try:
                    _, errors = process.communicate(timeout=0.2)
                    break
                except subprocess.TimeoutExpired:
                    if stop.is_set():
                        process.kill()
        lines = errors.decode("utf-8", "replace").strip().splitlines()
        return process.returncode, lines[-1] if lines else f"D2002 ops-daemon enroll ended with {process.returncode} and said nothing"

    return run
