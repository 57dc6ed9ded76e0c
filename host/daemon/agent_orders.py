"""The orders that start, stop and restart the agent: they say what is meant, wait until it is so, and tell how it went (D8)."""

from __future__ import annotations

import threading
from collections.abc import Callable

from host.daemon.intention import Intention
from host.daemon.orders import End, Stopped, Verb, Write
from host.daemon.watch import Watch
from host.lib.clock import Clock
from host.lib.errors import AgentError
from host.wire import orders, states
from host.wire.orders import Order
from host.wire.records import AgentState

UP_LIMIT, DOWN_LIMIT = 30.0, 45.0
"""Seconds for the agent to speak after a start, and to be gone after a stop: supervisord kills it after 30 (D8)."""
LOOK = 0.05


class AgentOrders:
    """`look()` makes the watch look now; `stop` ends every wait."""

    def __init__(self, watch: Watch, intention: Intention, clock: Clock, stop: threading.Event, look: Callable[[], None]) -> None:
        self._watch, self._intention, self._clock, self._stop, self._look = watch, intention, clock, stop, look

    def verbs(self) -> dict[str, Verb]:
        return {orders.AGENT_START: self.start, orders.AGENT_STOP: self.halt, orders.AGENT_RESTART: self.restart}

    def start(self, command_id: str, order: Order, write: Write) -> End:
        before = self._watch.state
        self._intention.set(stopped=False)
        state = self._until(_up, UP_LIMIT, "D3001", "start")
        return End(states.SUCCEEDED, f"the agent {'ran already' if before.pid == state.pid else 'runs'}, pid {state.pid}")

    def halt(self, command_id: str, order: Order, write: Write) -> End:
        self._intention.set(stopped=True)
        self._until(lambda state: state.state == "stopped" and state.pid is None, DOWN_LIMIT, "D3002", "stop")
        return End(states.SUCCEEDED, "the agent is stopped and stays so until it is started by an order")

    def restart(self, command_id: str, order: Order, write: Write) -> End:
        old = self._watch.state.pid
        self._watch.restart()
        self._intention.set(stopped=False)
        state = self._until(lambda state: _up(state) and state.pid != old, UP_LIMIT + DOWN_LIMIT, "D3001", "restart")
        return End(states.SUCCEEDED, f"the agent runs anew, pid {state.pid}")

    def _until(self, ready: Callable[[AgentState], bool], limit: float, code: str, what: str) -> AgentState:
        """The agent's state as soon as it is `ready`. Raises AgentError after `limit` seconds, Stopped."""
        until = self._clock.monotonic() + limit
        self._look()
        while not ready(self._watch.state):
            if self._clock.monotonic() > until:
                seen = self._watch.state
                raise AgentError(code, f"the agent did not {what} within {limit:g} s: {seen.state}, {seen.reason}", "see the agent's log")
            if self._stop.wait(LOOK):
                raise Stopped
        return self._watch.state


def _up(state: AgentState) -> bool:
    """It runs and has spoken: its version comes with its first heartbeat."""
    return state.state == "running" and bool(state.version)
