"""Lets commands that wait for a maintenance window out when it opens, and looks again when windows have changed."""

from __future__ import annotations

from server.services import Services

EVERY = 1.0


async def tick(services: Services, now: int) -> None:
    await services.holding.tick(now)
