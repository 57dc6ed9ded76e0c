"""Deletes samples, log lines and events past their time."""

from __future__ import annotations

from server.services import Services

EVERY = 3600.0


async def tick(services: Services, now: int) -> None:
    before = now - services.config.metrics_days * 86_400_000
    await services.metrics.forget(before)
    await services.reports.forget(before)
