"""Tasks as data: arguments, facts (what commands answer), and what is expected. A file is a list of such cases.

`facts`: command line → answer, or a list of answers that are given one after another, the last again and again; an answer is
its output, or `{"code", "out", "err"}`. `commands`: those among the lines run that change something, in order.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from host.agent.tasks.commands import Clock, Ran

FOLDER = Path(__file__).parent


def cases(kind: str) -> list[Any]:
    return [(path.stem, one) for path in sorted((FOLDER / kind).glob("*.json")) for one in json.loads(path.read_text())]


class TurnedClock(Clock):
    """Sleeping turns it."""

    def __init__(self, seconds: float) -> None:
        self.now = 1000.0
        super().__init__(self.now + seconds)

    def monotonic(self) -> float:
        return self.now

    def now_ms(self) -> int:
        return 1_700_000_000_000 + int((self.now - 1000.0) * 1000)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Host:
    """Answers commands from facts, and keeps what was run. A command without a fact fails the test."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._facts = {line: list(answer) if isinstance(answer, list) else [answer] for line, answer in facts.items()}
        self.lines: list[str] = []

    def run(self, arguments: list[str], timeout: float, *, environment: Mapping[str, str] | None = None, show: bool = False) -> Ran:
        line = shlex.join(arguments)
        self.lines.append(line)
        assert line in self._facts, f"nobody expected: {line}"
        answers = self._facts[line]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return Ran(0, answer) if isinstance(answer, str) else Ran(answer.get("code", 0), answer.get("out", ""), answer.get("err", ""))
