"""The poll loop: asks the manager for commands, hands them over, tells what became of them (D5).

A held poll is also this host's sign of life. After a failure the wait grows, with full jitter, and a `Retry-After`
is obeyed. Polls are safe to repeat: nothing is forgotten here before an answer has come.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from host.daemon import VERSION
from host.daemon.handover import Handover
from host.daemon.link import Link
from host.daemon.link_errors import LinkFailure, Rejected
from host.daemon.machine import Machine
from host.daemon.timeline import SKEW_WORTH_A_WORD, Timeline, difference
from host.lib.backoff import Backoff
from host.lib.clock import Clock
from host.wire import codec
from host.wire.machine import ENROL_ANEW
from host.wire.messages import Command, Facts, PollAnswer, PollRequest
from host.wire.protocol import POLL_PATH, PROTOCOL

log = logging.getLogger("daemon.poll")

FIRST_WAIT = 60.0
"""Seconds that the first poll may be held: the manager names its own `wait` only in its answer."""

HASTY, PACE = 0.2, 1.0
"""Three answers in a row that are empty and came within HASTY seconds: from then on polls are PACE seconds apart."""


@dataclass(frozen=True)
class Contact:
    """How it stands with the manager: `since` when it last answered (UTC ms), `problem` why it does not,
    `clock_ahead` by how many ms the manager's clock is ahead of this host's."""

    connected: bool = False
    since: int | None = None
    problem: str = ""
    clock_ahead: int = 0


class Poller:
    """`facts()` gathers this host's facts; `agent()` gives the agent's state and version; `changed()` is called when the
    manager answers again, or does not any more; `anew()` when it says that this machine is not the node it claims to be."""

    def __init__(
        self,
        link: Link,
        handover: Handover,
        clock: Clock,
        backoff: Backoff,
        facts: Callable[[], Facts],
        agent: Callable[[], tuple[str, str]],
        timeline: Timeline | None = None,
        changed: Callable[[], None] = lambda: None,
        machine: Machine | None = None,
        anew: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self._changed, self._machine, self._anew = changed, machine, anew
        self._told_marks = ""
        self._link, self._handover, self._clock, self._backoff = link, handover, clock, backoff
        self._facts, self._agent = facts, agent
        self._timeline = timeline or Timeline(clock)
        self._facts_due = True
        self._wait = FIRST_WAIT
        self._hasty = 0
        self._told_ahead = 0
        self.contact = Contact()

    def nudge(self) -> None:
        """There is news for the manager: ends the poll that is held, so that the next one tells it."""
        self._link.abort()

    def step(self) -> float:
        """One poll; gives the seconds to wait before the next."""
        self._link.arm()  # before the account: news that comes after it ends this poll
        account = self._handover.account()
        state, version = self._agent()
        marks = self._machine.marks if self._machine else ""
        facts = self._facts() if self._facts_due or marks != self._told_marks else None
        fingerprint = self._machine.fingerprint if self._machine and facts else None
        request = PollRequest(PROTOCOL, VERSION, state, version, account.accepted, account.refused, account.holding, facts, fingerprint)
        started = self._clock.monotonic()
        try:
            answer = self._link.call("POST", POLL_PATH, codec.dumps(request), extra_wait=self._wait, repeatable=True)
            # 204: the manager is stopping and released the poll with nothing to say.
            said = _decode(answer.data) if answer.status != 204 else None
        except LinkFailure as problem:
            if self._link.was_aborted:
                return 0.0  # this end hung up
            return self._failed(problem)
        if said is None:
            self._link.close()
            return self._backoff.next()
        self._handover.told(account)
        self._facts_due, self._told_marks = said.facts_wanted, marks
        self._wait = min(max(said.wait, 0.0), 600.0)
        self._answered(said.now)
        self._handover.offer(said.commands)
        quick = (
            self._clock.monotonic() - started < HASTY
            and not said.commands
            and not account.accepted
            and not account.refused
            and facts is None
        )
        self._hasty = self._hasty + 1 if quick else 0
        return PACE if self._hasty >= 3 else 0.0

    def _answered(self, manager_now: int) -> None:
        news = not self.contact.connected
        if news:
            log.info("connected to the manager")
        self._backoff.reset()
        self._timeline.learn(manager_now)
        now = self._clock.now()
        ahead = self._timeline.ahead
        if abs(ahead) > SKEW_WORTH_A_WORD and abs(ahead - self._told_ahead) > SKEW_WORTH_A_WORD:
            log.warning("D2001 %s — set it; until then the manager's time is used towards the manager", difference(ahead))
            self._told_ahead = ahead
        self.contact = Contact(True, now, "", ahead)
        if news:
            self._changed()

    def _failed(self, problem: LinkFailure) -> float:
        if str(problem) != self.contact.problem:  # once for each reason, not once for each try
            log.warning("%s", problem)
        news = self.contact.connected
        self.contact = Contact(False, self.contact.since, str(problem), self.contact.clock_ahead)
        if news:
            self._changed()
        if isinstance(problem, Rejected) and problem.status == ENROL_ANEW:
            self._anew(problem.reason or problem.what)
        return self._backoff.next(floor=problem.retry_after)


def _decode(data: object) -> PollAnswer:
    """Raises LinkFailure when it is no PollAnswer; a single command that makes no sense is left out and logged."""
    try:
        answer = codec.build(PollAnswer, data)
        wait, now, wanted = float(answer.wait), int(answer.now), bool(answer.facts_wanted)
        items = list(answer.commands)
    except (ValueError, TypeError) as problem:
        raise LinkFailure(
            "D2001", f"the manager's answer to a poll makes no sense: {problem}", "check that daemon and manager fit each other"
        ) from problem
    commands = []
    for item in items:
        try:
            command = codec.build(Command, item)
            if not all(isinstance(v, str) for v in (command.id, command.method, command.path, command.body)) or not isinstance(
                command.headers, dict
            ):
                raise ValueError("id, method, path and body must be text, headers an object")
            commands.append(command)
        except ValueError as problem:
            log.error("D2001 a command of the manager makes no sense and was left alone: %s", problem)
    return PollAnswer(now, wait, commands, wanted)
