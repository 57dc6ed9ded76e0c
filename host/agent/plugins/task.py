"""A task of a plugin's kind: a process that runs `host.agent.plugins.worker`, with its content on stdin."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from host.agent.plugins.ask import environment
from host.agent.procfs import COMMAND_VARIABLE
from host.agent.tasks.base import Launch, TaskProblem
from host.lib import plugin_folder
from host.lib.plugin_folder import Plugin
from host.wire.schema import Schema, check, of
from host.wire.tasks import Limits

_LIMITS = tuple(one.name for one in of(Limits).fields)


class PluginTask:
    """Raises ValueError where `content` does not fit `schema`. What is left out has the schema's default."""

    def __init__(self, plugin: Plugin, schema: Schema, content: Any) -> None:
        given = check(schema, content)
        self._plugin = plugin
        self._content = {one.name: given.get(one.name, one.default) for one in schema.fields if one.name not in _LIMITS}
        self.limits = Limits(**{name: given[name] for name in _LIMITS if name in given})
        self.user = ""

    def prepare(self, command_id: str, folder: Path) -> Launch:
        """See `tasks.base.Task`."""
        reason = plugin_folder.problem(self._plugin.path)
        if reason:
            raise TaskProblem("A2005", f"the plugin {self._plugin.name} cannot be run any more: {reason}", "put it back, or mend it")
        given = {
            "file": str(self._plugin.path),
            "python": self._plugin.is_python,
            "content": self._content,
            "command_id": command_id,
            "folder": str(folder),
        }
        own = environment(self._plugin.name) | {COMMAND_VARIABLE: command_id}
        return Launch([sys.executable, "-m", "host.agent.plugins.worker"], own, stdin=json.dumps(given).encode())
