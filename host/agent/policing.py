"""This host's policy, asked about one task: which kind, by which interpreter, as whom, where (`host.lib.policy`).

Of the kinds that come with the agent, every field of the type "path" is held against the policy's paths."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from typing import Any

from host.lib.policy import Policy
from host.wire.schema import of
from host.wire.tasks import KINDS, Config, Script


class Policing:
    """A task that names no user runs as the agent's own."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        try:
            self._user = pwd.getpwuid(os.geteuid()).pw_name
        except KeyError:
            self._user = str(os.geteuid())

    def __call__(self, kind: str, content: Mapping[str, Any]) -> str:
        """Why this host refuses it; "" when it does not. `content` has been found valid."""
        if kind != Script.KIND:
            fields = of(KINDS[kind]).fields if kind in KINDS else []
            paths = tuple(str(content.get(one.name) or "") for one in fields if one.type == "path")
            return self._policy.reason((kind,), paths=paths) or self._check_of(kind, content)
        interpreter = str(content.get("interpreter") or Script.interpreter)
        return self._policy.reason((kind,), interpreter, str(content.get("user") or self._user), str(content.get("working_folder") or "/"))

    def _check_of(self, kind: str, content: Mapping[str, Any]) -> str:
        # The check of a configuration runs a program: where scripts are refused that must be no way around it.
        program = str((content.get("validate") or [""])[0]) if kind == Config.KIND else ""
        return self._policy.reason((Script.KIND,), program, self._user) if program else ""
