"""Begins to send what waits for receivers; how long one of them takes holds up nobody, this loop neither."""

from __future__ import annotations

from server.services import Services

EVERY = 1.0


async def tick(services: Services, now: int) -> None:
    await services.deliveries.end_overdue(now)
    await services.delivery_turns.start(now)
