"""Tasks of the kind `config` on files of a test's own, called as the worker calls them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from host.agent.tasks import config
from host.agent.tasks.base import TaskProblem, Work
from host.wire.schema import build
from host.wire.tasks import Config


class Here:
    """`folder` is the only allowed root."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder, self.agent = folder / "files", folder / "agent"
        self.folder.mkdir()
        self.agent.mkdir()
        own = {"policy_file": str(folder / "policy.yaml"), "policy_owner": os.geteuid(), "backups": str(self.agent / "backups")}
        self.settings = {"roots": [str(self.folder)], "refused": [str(self.agent)], "keep_backups": 10, **own, **settings}
        self.said = ""

    def run(self, file: str | Path, action: str, **content: Any) -> dict[str, Any]:
        work = _Listening("c" * 32, self.agent, self.settings)
        path = str(file) if str(file).startswith("/") else str(self.folder / file)
        try:
            result = config.run(build(Config, {"action": action, "file": path, **content}), work)
        finally:
            self.said = "\n".join(_Listening.said)
            _Listening.said.clear()
        assert isinstance(result, dict)
        return result

    def problem(self, file: str | Path, action: str, **content: Any) -> TaskProblem:
        with pytest.raises(TaskProblem) as caught:
            self.run(file, action, **content)
        assert caught.value.mend, caught.value
        return caught.value

    def write(self, name: str, data: bytes | str) -> Path:
        path = self.folder / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def left(self) -> list[str]:
        """What lies beside the files that a test made: nothing of a task's own should."""
        return sorted(one.name for one in self.folder.iterdir() if one.name.startswith(".ops-"))


class _Listening(Work):
    said: list[str] = []  # noqa: RUF012 - a frozen dataclass holds no list of its own

    def say(self, text: str) -> None:
        self.said.append(text)
