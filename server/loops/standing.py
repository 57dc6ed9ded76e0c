"""Tells the other managers of loops that fail here (service/standing.py); writes nothing while none does."""

from __future__ import annotations

from server.services import Services

EVERY = 10.0


async def tick(services: Services, now: int) -> None:
    await services.standing.tell(now)
