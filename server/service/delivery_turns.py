"""Sending what waits: one manager at a time to each receiver, all receivers beside each other.

A receiver is leased by compare-and-set; who holds it sends one message after another, so nothing overtakes, and a slow or
dead receiver costs its own turn only. That a message was begun is written before it is sent: a manager that dies in between
leaves it to be sent once more, under the same id. What comes faster than the receiver's burst is folded into one message.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from server.auth import Caller
from server.db import Along, Db, Row, Session
from server.errors import Conflict, NotFound
from server.ids import new_id
from server.outbound.outcome import Outcome
from server.outbound.shapes import TEST, Told
from server.outbound.wording import words_of
from server.seals import Broken
from server.service.alert_events import AlertEvent
from server.service.audit import Audit
from server.service.deliveries import DAY_MS, FAILED, SENT, event_of, text_of
from server.service.delivery_picks import MOST, Pick, folded, pick
from server.service.receiver_settings import ALERTMANAGER
from server.service.receivers import Open, Receivers
from server.service.sending import Sending

log = logging.getLogger("server.deliveries")

LEASE_MS = 60_000
"""Twice as long as one message may take."""

TURN_MS = 60_000
MINUTE_MS = 60_000
REPEAT_MS = 120_000
FIRST_S, MOST_S = 5.0, 1800.0
"""Pauses between attempts: from some seconds, doubled each time, to half an hour."""

BURST = 20


@dataclass(frozen=True)
class Message:
    """What is sent under one id. `attempts`: this one counted."""

    id: str
    told: list[Told]
    attempts: int
    deadline_at: int


class DeliveryTurns:
    """`clock`: UTC ms. `chance` gives a number from 0 to 1."""

    def __init__(
        self,
        db: Db,
        audit: Audit,
        receivers: Receivers,
        sending: Sending,
        clock: Callable[[], int],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._db, self._q, self._audit = db, db.q.delivery_turns, audit
        self._receivers, self._sending, self._clock, self._chance = receivers, sending, clock, chance
        self._me = secrets.token_hex(8)
        self._running: dict[str, asyncio.Task[None]] = {}

    async def start(self, now: int) -> None:
        """Begin a turn with each receiver for which something is due; does not wait for their ends."""
        for row in await self._db.rows(self._q.due, {"now": now}):
            receiver_id = row["receiver_id"]
            if receiver_id not in self._running:
                task = asyncio.create_task(self._turn_logged(receiver_id))
                self._running[receiver_id] = task
                task.add_done_callback(lambda _, one=receiver_id: self._running.pop(one, None))  # type: ignore[misc]

    async def settle(self) -> None:
        """Return when every turn that was begun has ended."""
        await asyncio.gather(*list(self._running.values()))

    async def stop(self) -> None:
        """Cut off what is under way: it is sent again later, under the same id."""
        for task in list(self._running.values()):
            task.cancel()
        await asyncio.gather(*list(self._running.values()), return_exceptions=True)

    async def _turn_logged(self, receiver_id: str) -> None:
        try:
            await self.turn(receiver_id)
        except Exception:
            # The lease ends by itself, and the next turn begins where this one stopped.
            log.exception("deliveries to receiver %s", receiver_id)

    async def turn(self, receiver_id: str) -> None:
        """Send what is due to one receiver, unless another manager is at it."""
        begun = self._clock()
        try:
            if not await self._lease(receiver_id, begun):
                return
            to = await self._receivers.opened(receiver_id)
            while self._clock() - begun < TURN_MS and await self._lease(receiver_id, self._clock()):
                message = await self._next(to, self._clock())
                if message is None:
                    break
                if not await self._deliver(to, message):
                    break
            if to.kind == ALERTMANAGER and await self._lease(receiver_id, self._clock()):
                await self._repeat(to, self._clock())
        except (NotFound, Broken) as problem:
            # It was deleted meanwhile, or damaged outside: its page says so, and a change is tried at once.
            log.error("receiver %s is sent nothing: %s", receiver_id, problem)
            pause = {"id": receiver_id, "until": self._clock() + round(MOST_S * 1000)}
            await self._db.transaction(lambda session: session.execute(self._q.pause, pause))
        finally:
            await self._release(receiver_id)

    async def _release(self, receiver_id: str) -> None:
        """Also when this turn is cut off here: else nobody could send to this receiver until the lease has ended."""
        release = self._db.transaction(lambda session: session.execute(self._q.release, {"id": receiver_id, "me": self._me}))
        task = asyncio.ensure_future(release)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await task
            raise

    async def _lease(self, receiver_id: str, now: int) -> bool:
        params = {"id": receiver_id, "me": self._me, "now": now, "until": now + LEASE_MS}

        async def work(session: Session) -> bool:
            if await session.execute(self._q.lease, params) == 1:
                return True
            # MySQL counts rows that changed: one leased again within the same millisecond does not.
            health = await session.row(self._q.health, {"id": receiver_id})
            return health is not None and health["leased_by"] == self._me

        return await self._db.transaction(work)

    async def _next(self, to: Open, now: int) -> Message | None:
        """Choose the next message, fold what is too much, and write that it is begun."""

        async def work(session: Session) -> Message | None:
            health = await session.row(self._q.health, {"id": to.id})
            if health is None or health["leased_by"] != self._me or health["pause_until"] > now:
                return None
            rows = await session.rows(self._q.waiting, {"id": to.id, "limit": MOST})
            minute, sent = (now, 0) if health["minute_at"] + MINUTE_MS <= now else (health["minute_at"], health["minute_sent"])
            burst = to.settings.get("burst", BURST)
            chosen = pick(rows, now)
            if chosen is None:
                return None
            if sent >= burst:
                await session.execute(self._q.pause, {"id": to.id, "until": minute + MINUTE_MS})
                return None
            sent += 1
            fresh = folded(rows, now, to.kind)
            if chosen.fresh and len(fresh) > burst - sent + 1:
                chosen = Pick(fresh, True)
                await session.execute(self._q.fold, {"message_id": fresh[0]["id"], "ids": [row["id"] for row in fresh[1:]]})
                # So that a storm is one message a minute, not as many as the burst allows.
                sent = burst
            head = chosen.rows[0]["message_id"]
            await session.execute(self._q.count, {"id": to.id, "minute_at": minute, "minute_sent": sent})
            await session.execute(self._q.begin, {"message_id": head, "until": now + LEASE_MS})
            told = [(row["id"], event_of(row["event"])) for row in chosen.rows]
            deadline = min(row["deadline_at"] for row in chosen.rows)
            return Message(head, told, chosen.rows[0]["attempts"] + 1, deadline)

        return await self._db.transaction(work)

    async def _deliver(self, to: Open, message: Message) -> bool:
        """Send and note what came of it. False: this receiver takes nothing now."""
        begun, now = time.perf_counter(), self._clock()
        outcome = await self._sending.send(to, message.id, message.told, now)
        await self._note(to.id, message, outcome, now, round((time.perf_counter() - begun) * 1000))
        return outcome.ok or outcome.own

    async def _note(self, receiver_id: str, message: Message, outcome: Outcome, begun: int, took_ms: int) -> None:
        now = self._clock()

        async def work(session: Session) -> None:
            await session.execute(self._q.attempt, _attempt(message.id, outcome, begun, took_ms))
            if outcome.ok:
                params = {"message_id": message.id, "state": SENT, "reason": outcome.note[:500], "now": now}
                await session.execute(self._q.finish, params)
                await session.execute(self._q.went_well, {"id": receiver_id, "now": now})
                return
            wait = max(outcome.wait, self._pause(message.attempts))
            next_at, why = now + round(wait * 1000), _why(outcome)
            if outcome.final or next_at >= message.deadline_at:
                why = why if outcome.final else f"it could not be delivered within a day; at last: {why}"
                await session.execute(self._q.finish, {"message_id": message.id, "state": FAILED, "reason": why[:500], "now": now})
            else:
                await session.execute(self._q.later, {"message_id": message.id, "next_at": next_at, "reason": why[:500]})
            await self._wrong(session, receiver_id, outcome, now)

        await self._db.transaction(work)
        if not outcome.ok:
            log.warning("delivery %s to receiver %s, attempt %d: %s", message.id, receiver_id, message.attempts, _why(outcome))

    async def _wrong(self, session: Session, receiver_id: str, outcome: Outcome, now: int) -> None:
        """Count it, and let nothing be tried for a while where the trouble is not the message's own."""
        await session.execute(self._q.went_wrong, {"id": receiver_id, "problem": _why(outcome)[:500], "now": now})
        health = await session.row(self._q.health, {"id": receiver_id})
        if health and not outcome.own:
            wait = max(outcome.wait, self._pause(health["failures"]))
            await session.execute(self._q.pause, {"id": receiver_id, "until": now + round(wait * 1000)})

    def _pause(self, attempts: int) -> float:
        """Seconds: doubled each time, half of it by chance, so that what failed together does not come back together."""
        whole = min(FIRST_S * 2.0 ** min(attempts - 1, 20), MOST_S)
        return whole * (0.5 + 0.5 * self._chance())

    async def _repeat(self, to: Open, now: int) -> None:
        health = await self._db.row(self._q.health, {"id": to.id})
        if health is None or health["repeat_at"] > now or health["pause_until"] > now:
            return
        firing = await self._db.rows(self._q.firing, {"id": to.id, "limit": 5000})
        outcome = await self._sending.repeat(to, [event_of(row["event"]) for row in firing], now) if firing else Outcome(True)

        async def work(session: Session) -> None:
            await session.execute(self._q.repeat_later, {"id": to.id, "at": now + REPEAT_MS})
            if not firing:
                return
            if outcome.ok:
                await session.execute(self._q.went_well, {"id": to.id, "now": now})
            else:
                await self._wrong(session, to.id, outcome, now)

        await self._db.transaction(work)

    async def test(self, caller: Caller, receiver_id: str, now: int, along: Along[str] | None = None) -> tuple[str, Outcome, int]:
        """Send a message that says it is a test, at once, past all that waits: the delivery's id, how it ended, milliseconds.

        One that is taken ends the pause after failures. `along` is given the id, before anything is sent. Raises NotFound; Conflict for one
        that was damaged outside the manager.
        """
        try:
            to, one = await self._receivers.opened(receiver_id), new_id(now)
        except Broken as problem:
            raise Conflict(str(problem)) from problem
        text = words_of(to.settings.get("language", "en")).test
        event = AlertEvent(one, one, TEST, now, "", "Test", TEST, "info", "", "", "", text, None, None, now, 0, "", 1)
        row = {"id": one, "message_id": one, "receiver_id": to.id, "receiver_name": to.name, "alert_id": one, "place": 1}
        row |= {"event_kind": TEST, "severity": "info", "event": text_of(event), "created_at": now, "deadline_at": now + DAY_MS}

        async def before(session: Session) -> str:
            # Not due before its deadline: the loop leaves it alone, and were this manager to die now, it would be ended there.
            await session.execute(self._db.q.deliveries.insert, row | {"next_at": now + DAY_MS})
            await self._audit.record(session, caller, "receiver.test", f"receiver {to.id}", {"name": to.name}, now)
            return one

        await self._db.transaction(before, along)
        begun = time.perf_counter()
        outcome = await self._sending.send(to, one, [(one, event)], now)
        took_ms, at = round((time.perf_counter() - begun) * 1000), self._clock()

        async def after(session: Session) -> None:
            await session.execute(self._q.attempt, _attempt(one, outcome, now, took_ms))
            await session.execute(self._q.begin, {"message_id": one, "until": at})
            state, reason = (SENT, outcome.note[:500]) if outcome.ok else (FAILED, _why(outcome)[:500])
            await session.execute(self._q.finish, {"message_id": one, "state": state, "reason": reason, "now": at})
            if outcome.ok:
                await session.execute(self._q.went_well, {"id": to.id, "now": at})

        await self._db.transaction(after)
        return one, outcome, took_ms


def _attempt(message_id: str, outcome: Outcome, begun: int, took_ms: int) -> Row:
    result = {"status": outcome.status, "good": int(outcome.ok), "answer": outcome.text[:500]}
    return {"message_id": message_id, "id": new_id(begun), "begun_at": begun, "took_ms": took_ms, **result}


def _why(outcome: Outcome) -> str:
    if outcome.status:
        return f"it answered {outcome.status}" + (f": {outcome.text}" if outcome.text else "")
    return outcome.text
