"""Looks at every alert rule, and starts what alerts want started. One manager at a time looks."""

from __future__ import annotations

from server.services import Services

EVERY = 15.0


async def tick(services: Services, now: int) -> None:
    await services.alert_rules.seed(now)
    if await services.alert_watch.tick(now):
        await services.alert_commands.start(now)
