"""Wakes the polls held here for commands that another manager queued. Only MySQL has several managers.

A late look costs time, never a command. The window overlaps generously, because a transaction may commit a
while after the time it wrote; a wake for a command that was fetched meanwhile is a look in vain.
"""

from __future__ import annotations

from server.services import Services
from server.wakeups import node

EVERY = 0.05
WINDOW_MS = 5_000


async def tick(services: Services, now: int) -> None:
    if not services.presence.held or not services.config.database_url.startswith("mysql"):
        return
    for node_id in await services.commands.recently_queued(now - WINDOW_MS):
        services.wakeups.wake(node(node_id))
