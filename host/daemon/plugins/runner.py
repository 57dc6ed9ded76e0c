"""When plugins run, what they brought, and which of them are broken (D2).

A round comes every `interval`, and as soon as a file in the folder comes, goes or is replaced. A plugin that breaks is
told once (D5001) until it works again; the others never wait for it longer than its timeout. What a round brought is
handed to the samples: `take()`.
"""

from __future__ import annotations

import logging
import os
import pwd
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from host.daemon.config import Plugins
from host.daemon.plugins import contract
from host.lib import plugin_folder as folder
from host.lib.clock import Clock
from host.lib.errors import CollectError
from host.lib.short_lived import Job, Processes
from host.wire.records import Event, PluginMetric

log = logging.getLogger("daemon.plugins")

LOOK_S = 5.0
"""How often the folder is looked at between rounds: one call to the system."""
MAX_METRICS = 1000
"""Of all plugins together, a round."""
_CALL = Path(__file__).with_name("call.py")

Emit = Callable[[str, Any], None]


class PluginRunner:
    """`step` belongs to one thread; `take` and `broken` may be called by any. `emit(kind, body)` writes a record;
    `fresh()` is called when a round has brought something."""

    def __init__(
        self,
        settings: Plugins,
        clock: Clock,
        emit: Emit,
        fresh: Callable[[], None] = lambda: None,
        wall: Callable[[], float] | None = None,
    ) -> None:
        self._settings, self._clock, self._emit, self._fresh = settings, clock, emit, fresh
        self._wall = wall or (lambda: clock.now() / 1000)
        self._stopped = threading.Event()
        self._processes = Processes(clock.monotonic, self._stopped.is_set)
        self._lock = threading.Lock()
        self._brought: list[PluginMetric] | None = None
        self._broken: dict[str, str] = {}
        self._known: set[str] = set()
        self._due = clock.monotonic()
        self._mark = -1

    def take(self) -> list[PluginMetric] | None:
        """What came since the last call; None when no round has ended since."""
        with self._lock:
            brought, self._brought = self._brought, None
            return brought

    def broken(self) -> dict[str, str]:
        """Every plugin of the last round → why it does not work, "" when it does."""
        with self._lock:
            return {name: self._broken.get(name, "") for name in sorted(self._known | set(self._broken))}

    def stop(self) -> None:
        """Ends a round that is under way, with all its processes."""
        self._stopped.set()

    def step(self) -> float:
        """One round if it is time for one; gives the seconds to the next look."""
        now = self._clock.monotonic()
        mark = folder.mark(self._settings.folder)
        if now >= self._due or mark != self._mark:
            if now >= self._due:
                self._due += self._settings.interval * (1 + (now - self._due) // self._settings.interval)
            self._round()
        return min(LOOK_S, max(0.0, self._due - self._clock.monotonic()))

    def _round(self) -> None:
        found = folder.look(self._settings.folder, self._wall())
        self._mark = -1 if found.unsettled else found.mark
        reasons = dict(found.refused)
        brought: list[PluginMetric] = []
        try:
            jobs = [self._job(plugin) for plugin in found.plugins]
        except (KeyError, OSError) as problem:
            jobs = []
            reasons[folder.FOLDER] = f"plugins.user: {problem}"
        # Those that were broken come last: a plugin that hangs delays nobody but its own kind.
        for result in self._processes.run(sorted(jobs, key=lambda job: job.name in self._broken)):
            metrics, reason = _judge(result.name, result.output, result.problem)
            brought += metrics[: MAX_METRICS - len(brought)]
            if reason:
                reasons[result.name] = reason
        if self._stopped.is_set():
            return
        self._tell(reasons, {plugin.name for plugin in found.plugins})
        with self._lock:
            self._brought = [*(self._brought or []), *brought] if brought else self._brought
        if brought:
            self._fresh()

    def _job(self, plugin: folder.Plugin) -> Job:
        """Raises KeyError or PermissionError when the chosen user cannot be had."""
        command = [sys.executable, "-I", str(_CALL), str(plugin.path)] if plugin.is_python else [str(plugin.path)]
        user, home = None, "/"
        if self._settings.user:
            entry = pwd.getpwnam(self._settings.user)
            home = entry.pw_dir
            if entry.pw_uid != os.geteuid():
                if os.geteuid() != 0:
                    raise PermissionError(f"only root may run plugins as another user ({self._settings.user})")
                user = (entry.pw_uid, entry.pw_gid, tuple(os.getgrouplist(entry.pw_name, entry.pw_gid)))
        environment = {"PATH": os.defpath + ":/usr/sbin:/sbin", "LANG": "C.UTF-8", "HOME": home, "OPS_PLUGIN": plugin.name}
        return Job(plugin.name, command, environment, self._settings.timeout, user)

    def _tell(self, reasons: dict[str, str], known: set[str]) -> None:
        with self._lock:
            before, self._broken, self._known = self._broken, reasons, known
        for name, reason in reasons.items():
            if name not in before:
                log.warning("%s", CollectError("D5001", f"plugin {name}: {reason}", "its values are missing until this is mended"))
        for name in before:
            if name in known and name not in reasons:
                log.info("plugin %s works again", name)
                self._emit("event", Event("plugin_mended", f"plugin {name} works again"))


def _judge(name: str, output: bytes, problem: str) -> tuple[list[PluginMetric], str]:
    if problem:
        return [], problem
    try:
        return contract.read(name, output)
    except contract.Nonsense as nonsense:
        return [], str(nonsense)
