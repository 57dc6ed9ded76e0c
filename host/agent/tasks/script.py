"""`script`: a shell or Python script (A1).

`shell` is /bin/sh: it is on every host and behaves alike; a script that needs bash can call it.
`python` is the interpreter that runs the agent unless the settings name another, unbuffered so that
output is seen as it is written.

The script is a private file, gone after the task. Its environment is clean: PATH, HOME, LANG and
OPS_COMMAND_ID, then the variables of the task, which were signed with it. So LD_* or PYTHONPATH are
taken as they are: who may sign a script needs no trick to run code. The working folder is / unless
the task names one.
"""

from __future__ import annotations

import os
import pwd
import shutil
import sys
import tempfile
from pathlib import Path

from host.agent.config import Interpreters
from host.agent.procfs import COMMAND_VARIABLE
from host.agent.tasks.base import Launch, TaskProblem
from host.wire.tasks import Script

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ScriptTask:
    """One script, ready to be prepared."""

    def __init__(self, script: Script, interpreters: Interpreters) -> None:
        self._script, self._interpreters = script, interpreters
        self.timeout: float = script.timeout
        self.output_limit = script.output_limit

    def prepare(self, command_id: str, spool: Path) -> Launch:
        """See `tasks.base.Task`."""
        interpreter = self._interpreter()
        folder = self._folder()
        try:
            home = Path(tempfile.mkdtemp(dir=spool))
            path = home / "script"
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(self._script.script.encode("utf-8"))
        except OSError as problem:
            raise TaskProblem(f"the script could not be written to {spool}: {problem.strerror}") from problem
        arguments = [*interpreter, str(path), *self._script.arguments]
        return Launch(arguments, self._environment(command_id), folder, lambda: shutil.rmtree(home, ignore_errors=True))

    def _interpreter(self) -> list[str]:
        shell = self._script.interpreter == "shell"
        program = self._interpreters.shell if shell else self._interpreters.python or sys.executable
        if not os.access(program, os.X_OK) or os.path.isdir(program):
            raise TaskProblem(f"the interpreter {program} is missing on this host or cannot be run")
        return [program] if shell else [program, "-u"]

    def _folder(self) -> str:
        folder = self._script.working_folder or "/"
        if not os.path.isdir(folder):
            raise TaskProblem(f"the working folder {folder} does not exist on this host")
        if not os.access(folder, os.X_OK):
            raise TaskProblem(f"the working folder {folder} may not be entered by the agent's user")
        return folder

    def _environment(self, command_id: str) -> dict[str, str]:
        try:
            home = pwd.getpwuid(os.geteuid()).pw_dir
        except KeyError:
            home = "/"
        own = {"PATH": PATH, "HOME": home, "LANG": "C.UTF-8"}
        # The id comes last: by it a restarted agent knows which processes it may end.
        return own | self._script.environment | {COMMAND_VARIABLE: command_id}
