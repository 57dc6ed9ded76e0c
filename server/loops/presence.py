"""Writes who has been seen, and finds who is gone."""

from __future__ import annotations

from server.services import Services

EVERY = 1.0


async def tick(services: Services, now: int) -> None:
    await services.presence.write(now)
