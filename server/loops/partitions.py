"""Makes the day partitions of the coming days, and drops those that are past their days. Only on MySQL."""

from __future__ import annotations

from server.services import Services

EVERY = 600.0


async def tick(services: Services, now: int) -> None:
    await services.partitions.keep(now - services.config.metrics_days * 86_400_000, now)
