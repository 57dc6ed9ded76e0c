"""`script`: a script for one of this host's interpreters (A1).

`shell` is /bin/sh: it is on every host and behaves alike; a script that needs bash can call it, or the settings name it.
`python` is the interpreter that runs the agent unless the settings name another, unbuffered so that output is seen as it
is written. `powershell` is `pwsh` where it is installed. `interpreters.others` of the settings adds more.

The script is a private file, gone after the task. Its environment is clean: PATH, HOME, LANG, OPS_COMMAND_ID and OPS_RESULT,
then the variables of the task, which were signed with it. So LD_* or PYTHONPATH are taken as they are: who may sign a
script needs no trick to run code. The working folder is / unless the task names one.

A script may return a value: a JSON object that it writes into the file that `OPS_RESULT` names.
"""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from pathlib import Path

from host.agent.builtin import home
from host.agent.config import Interpreters
from host.agent.folders import account
from host.agent.procfs import COMMAND_VARIABLE
from host.agent.tasks.base import PATH, Launch, TaskProblem
from host.wire.tasks import Limits, Script


def programs(interpreters: Interpreters) -> dict[str, list[str]]:
    """Interpreter's name → program and its first arguments; the script's file follows them. What is not there is listed too."""
    powershell = interpreters.powershell or shutil.which("pwsh", path=PATH) or "pwsh"
    own = {
        "shell": [interpreters.shell],
        "python": [interpreters.python or sys.executable, "-u"],
        "powershell": [powershell, "-NoLogo", "-NoProfile", "-NonInteractive", "-File"],
    }
    return {**{name: line.split() for name, line in interpreters.others.items()}, **own}


def available(interpreters: Interpreters) -> list[str]:
    """The names whose program is on this host."""
    return [name for name, line in programs(interpreters).items() if _runs(line[0])]


def _runs(program: str) -> bool:
    return os.access(program, os.X_OK) and not os.path.isdir(program)


class ScriptTask:
    """One script, ready to be prepared. Raises ValueError when its interpreter has no name here."""

    def __init__(self, script: Script, interpreters: Interpreters) -> None:
        self._script, self._programs = script, programs(interpreters)
        self.limits: Limits = script
        self.user = script.user
        if script.interpreter not in self._programs:
            raise ValueError(f"interpreter: {script.interpreter[:64]!r} is unknown; use one of {', '.join(self._programs)}")

    def prepare(self, command_id: str, folder: Path) -> Launch:
        """See `tasks.base.Task`."""
        interpreter, user = self._interpreter(), account(self.user) if self.user else None
        place = self._folder(user)
        # PowerShell runs a file only by its ending.
        path = folder / ("script.ps1" if self._script.interpreter == "powershell" else "script")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(self._script.script.encode("utf-8"))
        except OSError as problem:
            raise TaskProblem("A2003", f"the script could not be written to {folder}: {problem.strerror}", "make room") from problem
        arguments = [*interpreter, str(path), *self._script.arguments]
        return Launch(arguments, self._environment(command_id, user), place)

    def _interpreter(self) -> list[str]:
        line = self._programs[self._script.interpreter]
        if not _runs(line[0]):
            raise TaskProblem("A2001", f"the interpreter {line[0]} is missing on this host or cannot be run", "install it")
        return line

    def _folder(self, user: pwd.struct_passwd | None) -> str:
        folder = self._script.working_folder or "/"
        if not os.path.isdir(folder):
            raise TaskProblem("A2003", f"the working folder {folder} does not exist on this host", "name one that exists")
        if user is None and not os.access(folder, os.X_OK):
            raise TaskProblem("A2003", f"the working folder {folder} may not be entered by the agent's user", "name another")
        return folder

    def _environment(self, command_id: str, user: pwd.struct_passwd | None) -> dict[str, str]:
        own = {"PATH": PATH, "HOME": user.pw_dir if user else home(), "LANG": "C.UTF-8"}
        if user:
            own |= {"USER": user.pw_name, "LOGNAME": user.pw_name}
        # The id comes last: by it a restarted agent knows which processes it may end.
        return own | self._script.environment | {COMMAND_VARIABLE: command_id}
