"""From a checked configuration to the running daemon: the process replaces itself by one that never loaded the
parsers of arguments and YAML (D15: they are two megabytes). Its pid, and with it supervisord's view, stay the same.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from host.daemon import short
from host.daemon.config import Config, InForce, to_plain

NOTE = "OPS_SCAFFOLD_NOTE"
"""Variable through which a process tells its successor why it began anew."""


ALLOCATOR = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "65536",
    "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0",
}
"""How the C library keeps memory (D15). One heap for all threads, which take turns anyway. Large buffers go back to the system when
they are freed, and the threshold for that does not grow by itself: after a backlog was sent the memory is small again. No cache a
thread: each of the dozen keeps up to seven freed pieces of every size, fills slowly for an hour, and costs 0.4 MB."""


def start_again(path: Path, note: str) -> NoReturn:
    """Replaces this process by a fresh start with the configuration as it is now; its pid stays."""
    sys.stdout.flush()
    sys.stderr.flush()
    command = [sys.executable, "-m", "host.daemon", "run", "--config", str(path)]
    # Nothing in the command line is run by a shell, or comes from outside.
    os.execve(sys.executable, command, short.environment() | {NOTE: note})  # noqa: S606


def become_steady(config: Config, in_force: InForce) -> NoReturn:
    """Turns this process into `host.daemon.steady`. The configuration goes through a nameless file: it may hold a token,
    which has no place in a command line or an environment."""
    with tempfile.TemporaryFile() as handed:
        handed.write(json.dumps({"config": to_plain(config), "in_force": in_force._asdict()}).encode())
        handed.flush()
        os.lseek(handed.fileno(), 0, os.SEEK_SET)
        os.set_inheritable(handed.fileno(), True)
        environment = short.environment()
        for name, value in ALLOCATOR.items():
            environment.setdefault(name, value)
        sys.stdout.flush()
        sys.stderr.flush()
        # -S: what `site` loads to find libraries stays for good, 2.4 MB of it; the steady process is told where they are.
        libraries = [folder for folder in sys.path if folder.endswith(("site-packages", "dist-packages"))]
        command = [sys.executable, "-S", "-m", "host.daemon.steady", str(handed.fileno()), *libraries]
        # Nothing in the command line comes from outside: this interpreter, this module, a number, its own folders.
        os.execve(sys.executable, command, environment)  # noqa: S606
