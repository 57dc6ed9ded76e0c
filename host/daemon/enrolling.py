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
from typing import NamedTuple

from host.daemon import identity
from host.daemon.identity import Identity
from host.lib.backoff import Backoff
from host.lib.errors import LinkError

log = logging.getLogger("daemon.enrol")

TEMPORARY = 75
"""Exit code of `enroll` when trying again may help (EX_TEMPFAIL)."""

AFTER_REFUSAL = 60.0
"""Seconds until a refused enrolment is tried again: somebody may have put a new token into the configuration."""

RETRY_AFTER = "Retry-After: "
"""How the short-lived process says on stdout that the manager asked for a wait, in seconds."""


class Tried(NamedTuple):
    """Exit code and last line of one try; `retry_after` is the least wait in seconds until the next."""

    code: int
    line: str
    retry_after: float = 0.0


Run = Callable[[], Tried]


def obtain(work_dir: Path, run: Run, backoff: Backoff, stop: threading.Event) -> Identity | None:
    """The identity, as soon as there is one; None when `stop` came first. `run` is one try."""
    while not stop.is_set():
        try:
            found = identity.load(work_dir)
            if found:
                return found
            code, line, wait = run()
        except LinkError as problem:
            code, line, wait = Tried(1, str(problem))
        if code == 0:
            backoff.reset()
            continue
        if stop.is_set():
            break
        if code == TEMPORARY:
            delay = backoff.next(floor=wait)
            log.warning("%s (next try in %.0f s)", line, delay)
        else:
            delay = AFTER_REFUSAL
            log.error("%s (this host stays without a manager; next try in %.0f s)", line, delay)
        stop.wait(delay)
    return None


def runner(config_path: Path, stop: threading.Event, verb: str = "enroll") -> Run:
    """Runs `ops-daemon enroll`, or `renew`, with this interpreter; it is ended when `stop` is set."""

    def run() -> Tried:
        folder = str(Path(__file__).resolve().parents[2])
        path = os.environ.get("PYTHONPATH")
        environment = {**os.environ, "PYTHONPATH": f"{folder}:{path}" if path else folder}
        command = [sys.executable, "-m", "host.daemon", verb, "--config", str(config_path)]
        # Nothing in the command line comes from outside: this interpreter, this module, our own configuration file.
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        ) as process:
            while True:
                try:
                    said, errors = process.communicate(timeout=0.2)
                    break
                except subprocess.TimeoutExpired:
                    if stop.is_set():
                        process.kill()
        lines = errors.decode("utf-8", "replace").strip().splitlines()
        asked = [line.removeprefix(RETRY_AFTER) for line in said.decode("utf-8", "replace").splitlines() if line.startswith(RETRY_AFTER)]
        wait = float(asked[-1]) if asked and asked[-1].isdigit() else 0.0
        if lines:
            return Tried(process.returncode, lines[-1], wait)
        return Tried(process.returncode, f"D2002 ops-daemon {verb} ended with {process.returncode} and said nothing", wait)

    return run
