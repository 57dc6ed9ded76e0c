"""How often somebody may call: a bucket of calls for each, refilled evenly, in this manager's memory.

Told as draft-ietf-httpapi-ratelimit-headers-10 has it: `RateLimit-Policy: "calls";q=6000;w=60` (so many in so many seconds)
and `RateLimit: "calls";r=5990;t=1` (so many are left, in so many seconds all are again). Each manager counts for itself. A call
costs the same however many callers there are, and no more than MOST of them are remembered: who is forgotten begins anew.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable

WINDOW_S = 60
MOST = 20_000


class Rate:
    """`quota` calls in WINDOW_S, all of them at once too; 0: no limit. `now` in seconds."""

    def __init__(self, name: str, quota: int, now: Callable[[], float] = time.monotonic) -> None:
        self.name, self.quota, self._now = name, quota, now
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, who: str) -> tuple[dict[str, str], float]:
        """The headers that tell `who` how it stands, and for how many seconds to wait: 0 when the call is granted."""
        if not self.quota:
            return {}, 0.0
        now, each = self._now(), WINDOW_S / self.quota
        left, at = self._left.pop(who, (float(self.quota), now))
        left = min(float(self.quota), left + (now - at) / each)
        wait = 0.0 if left >= 1 else (1 - left) * each
        left -= not wait
        self._left[who] = (left, now)
        if len(self._left) > MOST:
            self._left.popitem(last=False)
        policy = f'"{self.name}";q={self.quota};w={WINDOW_S}'
        return {"RateLimit-Policy": policy, "RateLimit": f'"{self.name}";r={int(left)};t={math.ceil((self.quota - left) * each)}'}, wait


def whole_address(ip: str) -> str:
    """Whom an address stands for: of IPv6 the network of 64 bits, all of which one machine can have."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip
    return str(ipaddress.ip_network((int(address) >> 64 << 64, 64))) if address.version == 6 else ip
