"""`./ops test`: starts one MariaDB and one MySQL for the whole run, then pytest with WORKERS processes."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.databases import servers
from tests.stack import ROOT

WORKERS = "4"
"""On two cores: half of the time a test waits for a process, a database or a browser."""


def main() -> int:
    with servers() as urls:
        missing = {"mariadb", "mysql"} - set(urls)
        if missing:
            print(f"ops test: without {', '.join(sorted(missing))}: not to be had on this machine", file=sys.stderr)
        environment = {**os.environ, **{f"OPS_TEST_{kind.upper()}": urls.get(kind, "") for kind in ("mariadb", "mysql")}}
        command = [sys.executable, "-m", "pytest", "-n", WORKERS, "--dist", "loadfile", "--no-loadscope-reorder", *sys.argv[1:]]
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
