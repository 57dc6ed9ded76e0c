"""The program that says whether a new file is good: its arguments as they are, no shell, a clean environment."""

from __future__ import annotations

import os
import signal
import subprocess

from host.agent.builtin import home
from host.agent.tasks.base import PATH, TaskProblem

MAX_OUTPUT = 8 * 1024
FILE = "{}"


def before(arguments: list[str]) -> bool:
    """Whether it is asked about the new file before that is put in place."""
    return any(FILE in one for one in arguments)


def ask(arguments: list[str], path: str, timeout: int) -> None:
    """`{}` is `path`. Raises TaskProblem A4014 when it says no, does not end in `timeout` seconds, or cannot be started."""
    line = [one.replace(FILE, path) for one in arguments]
    environment = {"PATH": PATH, "HOME": home(), "LANG": "C.UTF-8"}
    try:
        process = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    except OSError as problem:
        raise TaskProblem(
            "A4014", f"the check {line[0]} cannot be started: {problem.strerror}", "install it, or correct validate"
        ) from problem
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise TaskProblem("A4014", f"the check {line[0]} did not end in {timeout} s", "raise validate_timeout") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout:
            process.stdout.close()
    if process.returncode:
        words = output[-MAX_OUTPUT:].decode("utf-8", "replace").strip() or "it printed nothing"
        raise TaskProblem(
            "A4014", f"the check {line[0]} ended with {process.returncode}: {words}", "correct the value; the old file stands"
        )
