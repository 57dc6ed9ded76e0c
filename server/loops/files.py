"""Lets go of files that nobody used for long, and removes the bytes of those that were deleted."""

from __future__ import annotations

import logging

from server.services import Services

EVERY = 60.0
log = logging.getLogger("server.loops.files")


async def tick(services: Services, now: int) -> None:
    if expired := await services.files.forget(now):
        log.info("%d files had not been used for %d days", expired, services.config.file_days)
    await services.files.sweep()
