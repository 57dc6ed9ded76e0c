"""Rolls samples up, for charts of long ranges and for the fleet's figures. One manager at a time."""

from __future__ import annotations

from server.services import Services

EVERY = 30.0


async def tick(services: Services, now: int) -> None:
    await services.rollups.work(now)
