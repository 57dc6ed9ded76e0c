"""Reading a policy file: YAML, checked like every other setting. `python -m host.lib.policy_file FILE` prints it as JSON,
for a process that must not load a parser of YAML itself."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from host.lib import settings
from host.lib.errors import ConfigError
from host.lib.policy import Rulebook
from host.wire import orders, tasks

KINDS = (*tasks.KINDS, "cancel", "daemon", *orders.VERBS)


def read(path: Path) -> Rulebook:
    """Raises ConfigError D1001 (cannot be read) or D1002 (not valid), naming file and line."""
    rules = settings.load(Rulebook, path)
    for section, one in (("refuse", rules.refuse), ("only", rules.only)):
        # A misspelt name would refuse nothing, and nobody would know.
        for name in one.kinds:
            if name not in KINDS and not name.startswith(tasks.PLUGIN_PREFIX):
                raise ConfigError(
                    "D1002", f"{path}: {section}.kinds: {name!r} is unknown", f"use one of {', '.join(KINDS)}, or plugin.NAME"
                )
        for name in one.paths:
            if not name.startswith("/"):
                raise ConfigError("D1002", f"{path}: {section}.paths: {name!r} is not an absolute path", "begin it with /")
    return rules


def main(path: Path) -> int:
    answer: dict[str, object]
    try:
        answer = {"rules": asdict(read(path)), "problem": ""}
    except ConfigError as problem:
        answer = {"rules": None, "problem": problem.what}
    json.dump(answer, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
