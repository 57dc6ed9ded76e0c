"""Notes the audit log's newest entry outside the database, so that its end cannot be cut off unnoticed."""

from __future__ import annotations

from server.services import Services

EVERY = 60.0


async def tick(services: Services, now: int) -> None:
    await services.audit.keep_checkpoint()
