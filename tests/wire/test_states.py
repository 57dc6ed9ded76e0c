"""The state machines hold together: every state can be reached, final ones are final."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from host.wire import states
from host.wire.records import BODY_OF, LANE_OF


@pytest.mark.parametrize(("machine", "first"), [(states.COMMAND, states.QUEUED), (states.NODE, states.PENDING)])
def test_every_state_can_be_reached_from_the_first(machine: Mapping[str, frozenset[str]], first: str) -> None:
    reached, edge = {first}, {first}
    while edge:
        edge = {following for state in edge for following in machine[state]} - reached
        reached |= edge
    assert reached == set(machine)


def test_every_command_ends() -> None:
    """From every state some final one can be reached, so that nothing has to stay stuck."""
    for state, following in states.COMMAND.items():
        assert state in states.COMMAND_FINAL or following & (states.COMMAND_FINAL | {states.STARTED, states.ACCEPTED})


def test_every_state_of_a_command_has_its_reason_in_words() -> None:
    assert set(states.COMMAND_REASON) == set(states.COMMAND)


def test_nothing_follows_a_final_state() -> None:
    for state in states.COMMAND:
        assert not set(states.may_follow(states.COMMAND, state)) & states.COMMAND_FINAL


def test_every_kind_of_record_has_a_lane_and_a_body() -> None:
    assert set(LANE_OF) | {"dropped"} == set(BODY_OF)
