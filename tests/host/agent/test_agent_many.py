"""Many tasks and many kills: the short form of `./ops bench tasks`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.host.agent.harness import Agent
from tests.load.tasks import run

Maker = Callable[..., Agent]


def test_of_many_tasks_each_ends_as_it_should_and_runs_once(make_agent: Maker, tmp_path: Path) -> None:
    it = make_agent()
    it.daemon.start()
    it.start()
    tally = run(it, 150, tmp_path, kills=0, seconds=120)
    assert tally.clean, tally
    assert sum(tally.states.values()) == 150


def test_of_many_tasks_none_is_lost_or_run_twice_when_the_agent_is_killed_again_and_again(make_agent: Maker, tmp_path: Path) -> None:
    it = make_agent()
    it.daemon.start()
    it.start()
    tally = run(it, 150, tmp_path, kills=6, seed=2, seconds=120)
    assert tally.kills == 6
    assert tally.clean, tally
    assert tally.states["interrupted"] == 0  # keepers outlive the agent, and what had none was never begun
