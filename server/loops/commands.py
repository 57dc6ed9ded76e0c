"""Ends commands that are past their deadline, so that nothing waits for ever."""

from __future__ import annotations

from server.services import Services

EVERY = 5.0


async def tick(services: Services, now: int) -> None:
    await services.commands.end_overdue(now)
