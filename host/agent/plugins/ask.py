"""Asks plugins for their schemas, side by side: short-lived processes with a deadline and a bound of what they may print."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence

from host.agent.builtin import PROGRAM, home
from host.agent.plugins.shape import parse
from host.agent.tasks.base import PATH
from host.lib.plugin_folder import Plugin
from host.lib.short_lived import Job, Processes
from host.wire.schema import Schema

PATIENCE_S = 5.0


def environment(name: str) -> dict[str, str]:
    """What every process of a plugin finds in its environment."""
    return {"PATH": PATH, "HOME": home(), "LANG": "C.UTF-8", "PYTHONPATH": PROGRAM, "OPS_PLUGIN": name}


class Asking:
    """`schemas` blocks and belongs to a thread of its own; `stop` ends it from any other."""

    def __init__(self, monotonic: Callable[[], float], patience: float = PATIENCE_S) -> None:
        self._patience, self._stopped = patience, threading.Event()
        self._processes = Processes(monotonic, self._stopped.is_set)

    def stop(self) -> None:
        self._stopped.set()

    def schemas(self, plugins: Sequence[Plugin]) -> dict[str, Schema | str]:
        """Each plugin's name → its schema with the common limits added, or why it has none that can be used."""
        answers: dict[str, Schema | str] = {}
        for result in self._processes.run([self._job(one) for one in plugins]):
            if result.problem:
                answers[result.name] = f"asked for its schema, {result.problem}"
                continue
            try:
                answers[result.name] = parse(result.name, result.output)
            except ValueError as problem:
                answers[result.name] = str(problem)
        return answers

    def _job(self, plugin: Plugin) -> Job:
        own = [sys.executable, "-m", "host.agent.plugins.describe", str(plugin.path)]
        command = own if plugin.is_python else [str(plugin.path), "--schema"]
        return Job(plugin.name, command, environment(plugin.name), self._patience)
