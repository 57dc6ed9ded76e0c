"""Short-lived processes of this program: what needs a parser or much memory lives and dies in one of its own (D15)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def environment() -> dict[str, str]:
    """This process' own, with the program's folder in the module path."""
    folder = str(Path(__file__).resolve().parents[2])
    path = os.environ.get("PYTHONPATH", "")
    parts = path.split(os.pathsep) if path else []
    return {**os.environ, "PYTHONPATH": path if folder in parts else os.pathsep.join([folder, *parts])}


def run(module: str, arguments: Sequence[str], timeout: float) -> tuple[int, bytes, str]:
    """Exit code, stdout, and the last line of stderr. Raises OSError, and TimeoutError after `timeout` seconds."""
    # Nothing in the command line is run by a shell: this interpreter, a module of ours, its arguments.
    command = [sys.executable, "-m", module, *arguments]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=environment(), timeout=timeout, check=False)
    except subprocess.TimeoutExpired as problem:
        raise TimeoutError(f"{module} did not end within {timeout:g} s") from problem
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return done.returncode, done.stdout, lines[-1] if lines else ""
