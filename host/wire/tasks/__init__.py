"""What a task of each kind is made of: the body of `POST /api/v1/task/execute` (A1, A5). One module a kind.

These are the kinds that come with the agent; what a node's agent really offers, plugins too, it tells itself (`records.Kinds`).
A refused value raises ValueError with one sentence that names the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from host.wire.tasks.config import Config as Config
from host.wire.tasks.file import File as File
from host.wire.tasks.http import Http as Http
from host.wire.tasks.limits import MAX_OUTPUT_BYTES as MAX_OUTPUT_BYTES
from host.wire.tasks.limits import MAX_TIMEOUT_S as MAX_TIMEOUT_S
from host.wire.tasks.limits import Limits as Limits
from host.wire.tasks.output import Output as Output
from host.wire.tasks.package import Package as Package
from host.wire.tasks.script import INTERPRETERS as INTERPRETERS
from host.wire.tasks.script import MAX_SCRIPT_BYTES as MAX_SCRIPT_BYTES
from host.wire.tasks.script import Script as Script
from host.wire.tasks.service import Service as Service

KINDS: Mapping[str, type[Limits]] = {cls.KIND: cls for cls in (Script, File, Config, Service, Package, Http, Output)}
PLUGIN_PREFIX = "plugin."
"""A plugin's kind is this and its file's name, so that it can never take the place of a kind that comes with the agent."""


@dataclass(frozen=True)
class ExecuteRequest:
    """The signed body: for which node, which kind, and the kind's own content."""

    node_id: str
    kind: str
    content: dict[str, object]


def received_name(kind: str, content: Mapping[str, object]) -> str | None:
    """Where the host sends a file that the manager has to make room for: what it is called. None: it sends none."""
    if kind == File.KIND and content.get("action") == "download":
        return str(content.get("path", ""))
    if kind == Output.KIND:
        return f"{content.get('command')}.{content.get('stream', 'stdout')}.txt"
    return None
