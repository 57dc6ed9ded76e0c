"""Kind → what runs it. A new kind is its shape in `host.wire.tasks`, one module in `tasks/`, and one line here where it has settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from host.agent.builtin import BuiltinTask
from host.agent.config import Settings
from host.agent.tasks.base import Task
from host.agent.tasks.script import ScriptTask, available
from host.wire.schema import Field, Schema, build, of
from host.wire.tasks import KINDS, PLUGIN_PREFIX, Config, File, Http, Output, Script, Service


@dataclass(frozen=True)
class Kind:
    """`make(content)` gives a task, or raises ValueError with one sentence that names the field."""

    schema: Schema
    make: Callable[[Any], Task]


class Registry:
    """The kinds that this agent can run: those that come with it, and plugins, which come and go."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self._own = dict(kinds)
        self._kinds = dict(kinds)
        self._refused: dict[str, str] = {}

    def plugins(self) -> set[str]:
        """The kinds of the plugins."""
        return self._kinds.keys() - self._own.keys()

    def set_plugins(self, kinds: Mapping[str, Kind], refused: Mapping[str, str]) -> None:
        """From now on these are the plugins; `refused`: kind → why it is none of them."""
        self._kinds = {**kinds, **self._own}
        self._refused = dict(refused)

    def read(self, kind: str, content: Any) -> Task:
        """The task. Raises ValueError with one sentence where the kind is unknown or the content is not valid."""
        found = self._kinds.get(kind)
        if found is None and kind.startswith(PLUGIN_PREFIX):
            why = self._refused.get(kind) or "it is not in the plugin folder"
            raise ValueError(f"kind: the plugin {kind[len(PLUGIN_PREFIX) :]!r} cannot be run on this host: {why}")
        if found is None:
            raise ValueError(f"kind: {kind!r} is unknown to this agent; it runs {', '.join(sorted(self._kinds))}")
        return found.make(content)

    def schemas(self) -> list[Schema]:
        """What this agent offers, by kind."""
        return [self._kinds[name].schema for name in sorted(self._kinds)]


def standard(settings: Settings) -> Registry:
    """All kinds that come with the agent."""
    kinds = {name: _builtin(cls, _settings_of(name, settings)) for name, cls in KINDS.items() if name != Script.KIND}
    kinds[Script.KIND] = Kind(_script_schema(settings), lambda content: ScriptTask(build(Script, content), settings.interpreters))
    return Registry(kinds)


def _builtin(cls: type[Any], settings: dict[str, Any]) -> Kind:
    return Kind(of(cls), lambda content: BuiltinTask(build(cls, content), settings))


def _settings_of(kind: str, settings: Settings) -> dict[str, Any]:
    """What a kind's `run` is told of the agent's settings."""
    if kind == File.KIND:
        return file_settings(settings)
    if kind == Config.KIND:
        kept = {"backups": str(settings.work_dir / "backups"), "keep_backups": settings.configs.keep_backups}
        return {name: value for name, value in file_settings(settings).items() if name != "socket"} | kept
    if kind == Output.KIND:
        folders = {name: str(settings.work_dir / name) for name in ("spool", "kept")}
        return folders | {"socket": file_settings(settings)["socket"]}
    sections: dict[str, Any] = {Service.KIND: settings.services, Http.KIND: settings.http}
    return asdict(sections[kind]) if kind in sections else {}


def file_settings(settings: Settings) -> dict[str, Any]:
    """Where files may be, and the way to the manager's store; the agent's own places are closed."""
    own = [str(one) for one in (settings.work_dir, settings.run_dir, settings.policy_file)]
    roots, socket = settings.files.roots, str(settings.run_dir / "transfer.sock")
    return {"roots": roots, "refused": own, "policy_file": str(settings.policy_file), "socket": socket}


def _script_schema(settings: Settings) -> Schema:
    """With the interpreters that this host really has, so that a form offers no other."""

    def told(one: Field) -> Field:
        return replace(one, type="choice", choices=available(settings.interpreters)) if one.name == "interpreter" else one

    schema = of(Script)
    return replace(schema, fields=[told(one) for one in schema.fields])
