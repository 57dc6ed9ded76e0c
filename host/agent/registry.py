"""Kind → what runs it. A new kind is one module in `tasks/`, its shape in `host.wire.tasks`, one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from host.agent.bodies import decode
from host.agent.config import Interpreters
from host.agent.tasks.base import Task
from host.agent.tasks.script import ScriptTask
from host.wire.tasks import Script


class Registry:
    """The kinds that this agent can run."""

    def __init__(self, makers: Mapping[str, Callable[[Any], Task]]) -> None:
        self._makers = dict(makers)

    def read(self, kind: str, content: Any) -> Task:
        """The task. Raises ValueError with one sentence where the kind is unknown or the content is not valid."""
        maker = self._makers.get(kind)
        if maker is None:
            raise ValueError(f"kind: {kind!r} is unknown to this agent; it runs {', '.join(sorted(self._makers))}")
        return maker(content)


def standard(interpreters: Interpreters) -> Registry:
    """All kinds that come with the agent."""
    return Registry({"script": lambda content: ScriptTask(decode(Script, content), interpreters)})
