"""Services by SysV scripts: `/etc/init.d/NAME start`. Enabled by update-rc.d, chkconfig or insserv, whichever is there.

The state is the exit code of the script's `status`, as the Linux Standard Base has it. A script that knows no `status`
gives `unknown`; its word on start and stop is taken then.
"""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from host.agent.tasks.base import TaskProblem
from host.agent.tasks.commands import LATE, Clock, Run
from host.agent.tasks.service.model import FAILED, RUNNING, STOPPED, UNKNOWN, Status

STATES = {0: RUNNING, 1: FAILED, 2: FAILED, 3: STOPPED}
DETAILS = {0: "running", 1: "dead, its pid file is left", 2: "dead, its lock file is left", 3: "not running"}
LEVELS = ("rc2.d", "rc3.d", "rc4.d", "rc5.d", "rc.d/rc2.d", "rc.d/rc3.d", "rc.d/rc4.d", "rc.d/rc5.d")


class SysV:
    """`folder` has the scripts; the folders of links lie beside it. `has(program)` tells which tools there are."""

    name = "sysv"

    def __init__(self, run: Run, clock: Clock, folder: Path, tools: list[str], pid_folder: Path = Path("/run")) -> None:
        self._run, self._clock, self._folder, self._tools, self._pids = run, clock, folder, tools, pid_folder

    def knows(self, service: str) -> bool:
        script = self._folder / service
        return script.is_file() and os.access(script, os.X_OK)

    def status(self, service: str) -> Status:
        """See `model.Manager`."""
        if not self.knows(service):
            raise TaskProblem("A5001", f"there is no script {self._folder / service} that can be run", f"look at ls {self._folder}")
        done = self._run([str(self._folder / service), "status"], self._clock.left())
        state = STATES.get(done.code, UNKNOWN)
        pid, since = self._process(service) if state == RUNNING else (None, None)
        links = self._links(service)
        enabled = any(link.name.startswith("S") for link in links)
        return Status(state, enabled, pid, since, DETAILS.get(done.code, f"its script tells no state ({done.words})"))

    def _process(self, service: str) -> tuple[int | None, int | None]:
        try:
            pid = int((self._pids / f"{service}.pid").read_text().split()[0])
            return pid, int(psutil.Process(pid).create_time() * 1000)
        except (OSError, ValueError, IndexError, psutil.Error):
            return None, None  # no file, or an old one: the state is known without it

    def _links(self, service: str) -> list[Path]:
        found = []
        for level in LEVELS:
            try:
                found += [link for link in (self._folder.parent / level).iterdir() if link.name[1:3].isdigit() and link.name[3:] == service]
            except OSError:
                continue  # this distribution keeps them elsewhere
        return found

    def check(self, action: str, service: str, status: Status) -> None:
        """See `model.Manager`."""
        if action in ("enable", "disable") and not self._tools:
            raise TaskProblem("A5004", "this host has neither update-rc.d nor chkconfig nor insserv", "install one of them")

    def act(self, action: str, service: str) -> None:
        """See `model.Manager`."""
        line = self._switch(action, service) if action in ("enable", "disable") else [str(self._folder / service), action]
        done = self._run(line, self._clock.left())
        if done.code == LATE:
            raise TaskProblem("A5002", f"{line[0]} did not finish to {action} {service} in time", "raise timeout, or see its log")
        if action == "reload" and done.code in (2, 3):
            raise TaskProblem("A5004", f"the script of {service} cannot reload", "restart it")
        if done.code:
            raise TaskProblem("A5003", f"{line[0]} could not {action} {service}: {done.words}", "see its log")

    def _switch(self, action: str, service: str) -> list[str]:
        # These know no `--`; the name cannot begin with `-` (`host.wire.tasks.service`).
        tool, on = self._tools[0], action == "enable"
        if tool == "update-rc.d":
            # `enable` turns links that exist; a script that has none needs its first ones.
            return [tool, service, "defaults" if on and not self._links(service) else action]
        if tool == "chkconfig":
            return [tool, service, "on" if on else "off"]
        return [tool, service] if on else [tool, "-r", service]

    def last_words(self, service: str) -> list[str]:
        """See `model.Manager`."""
        return []
