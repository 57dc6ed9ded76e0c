"""`agent`: one that serves a whole module. `make_agent`: one of the test's own, not started yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.host.agent.harness import Agent


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    it = Agent(tmp_path_factory.mktemp("agent"))
    it.daemon.start()
    it.start()
    yield it
    it.close()


@pytest.fixture
def make_agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Agent]]:
    made: list[Agent] = []

    def make(**arguments: Any) -> Agent:
        made.append(Agent(tmp_path_factory.mktemp("agent"), **arguments))
        return made[-1]

    yield make
    for it in made:
        it.close()
