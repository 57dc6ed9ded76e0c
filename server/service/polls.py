"""The poll: take the host's news of its commands, give it what waits for it, and hold it until something does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from host.wire.machine import marks_of
from host.wire.messages import PollAnswer, PollRequest
from host.wire.states import ONLINE
from server.auth import Caller
from server.db import Db, Session
from server.service.commands import Commands
from server.service.enrolment_texts import check_protocol, fingerprint_text
from server.service.in_service import check, refusal
from server.service.nodes import Nodes
from server.service.presence import Presence
from server.wakeups import Wakeups, execution, node

MOST = 2_000
"""Of what a host names in one poll no more is looked at: one host must not stop all others. What is left out is still
queued here, so the host is given it again and says the same again."""


class Polls:
    def __init__(
        self, db: Db, commands: Commands, nodes: Nodes, presence: Presence, wakeups: Wakeups, wait_s: float, clock: Callable[[], int]
    ) -> None:
        self._db, self._commands, self._nodes, self._presence = db, commands, nodes, presence
        self._wakeups, self._wait_s, self._clock = wakeups, wait_s, clock

    async def poll(self, caller: Caller, request: PollRequest, gone: asyncio.Event) -> PollAnswer | None:
        """An answer, after at most `wait` seconds; None when the manager stops. `gone` is set when the host hangs up.

        Raises BadInput when the host speaks a protocol that is not spoken here; NotAuthenticated, NotAllowed when its node was
        taken out of service meanwhile (in_service.py): nothing of its news is stored then.
        """
        check_protocol(request.protocol)
        now = self._clock()
        with self._presence.hold(caller.id, now):
            await self._take_news(caller, request, now)
            answer = await self._hold(caller.id, request, gone)
        if gone.is_set():
            self._presence.broke_off(caller.id, self._clock())
        return answer

    async def _take_news(self, caller: Caller, request: PollRequest, now: int) -> None:
        comes_back = caller.node_state != ONLINE
        if not (comes_back or request.accepted or request.refused or request.facts):
            return

        async def work(session: Session) -> list[str]:
            await check(session, self._db.q, caller.id)
            if comes_back:
                await self._nodes.move(session, caller.id, ONLINE, now)
            if request.facts:
                await self._nodes.update_facts(session, caller.id, request.facts, caller.ip, now)
            if request.fingerprint:
                # Only of the machine that the node is: its cards may have changed, and an installation made anew is known by them.
                told = {"fingerprint": fingerprint_text(request.fingerprint), "machine": marks_of(request.fingerprint)}
                await session.execute(self._db.q.machines.set_fingerprint, told | {"id": caller.id, "now": now})
            return await self._commands.acknowledge(session, caller.id, request.accepted[:MOST], request.refused[:MOST], now)

        for command_id in await self._db.transaction(work):
            self._wakeups.wake(execution(command_id))

    async def _hold(self, node_id: str, request: PollRequest, gone: asyncio.Event) -> PollAnswer | None:
        loop = asyncio.get_running_loop()
        # A daemon that has just started, and so tells its facts, learns at once that it is connected.
        until = loop.time() + (0.0 if request.facts else self._wait_s)
        with self._wakeups.listen(node(node_id)) as bell:
            while True:
                now = self._clock()
                commands = await self._commands.mailbox(node_id, request.holding[:MOST], now)
                left = until - loop.time()
                if not commands and not gone.is_set():
                    await self._refuse_again(node_id)
                if commands or left <= 0 or gone.is_set():
                    return PollAnswer(now, self._wait_s, commands)
                await bell.wait(left)
                if self._wakeups.stopping:
                    return None

    async def _refuse_again(self, node_id: str) -> None:
        """Who was let in when the poll began may have been taken out of service, or put in quarantine, while it was held."""
        rows = await self._db.rows(self._db.q.nodes.by_ids, {"ids": [node_id]})
        if problem := refusal(rows[0]["state"] if rows else None):
            raise problem
