"""opsctl as a process, the way a person or a script runs it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from server.ctl.__main__ import main
from tests.server.api.harness import Manager

ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Result:
    code: int
    out: bytes
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


class Opsctl:
    def __init__(self, manager: Manager, home: Path, token: str = "") -> None:
        self.manager, self.config = manager, home / "opsctl.json"
        keep = {key: value for key, value in os.environ.items() if not key.startswith(("OPS", "LC_", "LANG"))}
        self.environment = keep | {"OPSCTL_CONFIG": str(self.config), "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
        if token:
            self.config.write_text(json.dumps({"url": manager.url, "token": token, "ca": manager.services.keys.ca_pem, "user": ""}))

    def __call__(self, *arguments: str, stdin: bytes = b"", **environment: str) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "server.ctl", *arguments],
            input=stdin,
            capture_output=True,
            env=self.environment | environment,
            timeout=60,
            check=False,
        )
        error = done.stderr.decode("utf-8", "replace")
        assert "Traceback" not in error, error
        return Result(done.returncode, done.stdout, error)

    def here(self, *arguments: str) -> Result:
        """The same without a process of its own: many small refusals in little time."""
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
        hook = sys.excepthook
        try:
            surroundings = (patch.dict(os.environ, self.environment, clear=True), patch("sys.stdin", io.StringIO()))
            with surroundings[0], surroundings[1], redirect_stdout(out), redirect_stderr(err):
                code = main(list(arguments))
        finally:
            sys.excepthook = hook
        for stream in (out, err):
            stream.flush()
        return Result(code, out.buffer.getvalue(), err.buffer.getvalue().decode())  # type: ignore[attr-defined]

    def start(self, *arguments: str, before: str = "") -> subprocess.Popen[bytes]:
        """Left running; the caller ends it. Ctrl-C reaches it also where these tests run in the background, with SIGINT ignored."""
        code = f"import signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n{before}\n"
        code += "from server.ctl.__main__ import main\nsys.exit(main())"
        return subprocess.Popen(
            [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment
        )
