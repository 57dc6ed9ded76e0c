"""Memory and swap, in bytes; nothing is kept from one time to the next."""

from __future__ import annotations

from host.daemon.collectors.platform import Platform
from host.wire.records import Memory


def collect(platform: Platform) -> Memory:
    """`used` and `percent` are what cannot be had without swapping, as `free` shows it."""
    memory, swap = platform.virtual_memory(), platform.swap_memory()
    return Memory(
        total=memory.total,
        used=memory.used,
        available=memory.available,
        percent=memory.percent,
        cached=getattr(memory, "cached", 0),
        buffers=getattr(memory, "buffers", 0),
        swap_total=swap.total,
        swap_used=swap.used,
    )
