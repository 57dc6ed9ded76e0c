"""The host's policy for orders: the file is read by a short-lived process, so that the daemon needs no parser of YAML."""

from __future__ import annotations

import json
from pathlib import Path

from host.daemon import short
from host.lib.errors import ConfigError
from host.lib.policy import Policy, Rulebook, Rules

LIMIT = 20.0
"""Seconds for reading it."""

EVERY_ORDER = "daemon"
"""The kind that stands for all orders."""


class OrderPolicy:
    def __init__(self, path: Path) -> None:
        self.policy = Policy(path, read)

    def __call__(self, verb: str) -> str:
        """Why the order is refused; "" when it is not."""
        return self.policy.reason((verb, EVERY_ORDER))

    def status(self) -> dict[str, str]:
        """Where it is, how it stands, and why everything is refused; for `ops-daemon status`."""
        problem = self.policy.problem()
        state = "" if problem else "in force" if self.policy.path.exists() else "there is none; nothing is refused"
        return {"path": str(self.policy.path), "state": state, "problem": problem}


def read(path: Path) -> Rulebook:
    """Raises ConfigError."""
    try:
        code, text, problem = short.run("host.lib.policy_file", [str(path)], LIMIT)
        if code:
            raise ConfigError("D1002", f"{path}: {problem}")
        answer = json.loads(text)
    except (OSError, ValueError) as problem:
        raise ConfigError("D1001", f"{path}: it could not be read ({problem})") from problem
    if answer["rules"] is None:
        raise ConfigError("D1002", str(answer["problem"]))
    return Rulebook(Rules(**answer["rules"]["refuse"]), Rules(**answer["rules"]["only"]))
