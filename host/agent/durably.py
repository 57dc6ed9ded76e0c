"""Writing to the ledger until the disk takes it: a full disk delays a task's end, it never loses it."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
log = logging.getLogger("agent.ledger")
RETRY_S = 1.0


async def durably(write: Callable[[], T]) -> T:
    """What `write` gives; called again every second as long as it raises sqlite3.Error."""
    told = False
    while True:
        try:
            return write()
        except sqlite3.Error as problem:
            if not told:
                log.error("the ledger cannot be written, trying again: %s", problem)
                told = True
            await asyncio.sleep(RETRY_S)
