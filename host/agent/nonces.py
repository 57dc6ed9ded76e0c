"""Each signed request once, for calls that no ledger knows: a replay is refused, also after a restart.

A nonce is remembered until its request has expired. What was signed before this agent started is refused, because whoever
ran before may have seen it; so nothing has to be on disk.
"""

from __future__ import annotations

from host.agent.guard import ApiError
from host.lib.clock import Clock
from host.wire import envelope

MAX_LIFE_MS = 600_000
MAX_NONCES = 50_000


class Nonces:
    def __init__(self, clock: Clock) -> None:
        self._clock, self._started = clock, clock.now()
        self._seen: dict[str, int] = {}

    def once(self, nonce: str, signed_at: int, expires: int) -> None:
        """Raises ApiError 401 for one that came before or was signed before the start, 400 for one that lives too long."""
        now = self._clock.now()
        if expires - now > MAX_LIFE_MS:
            raise ApiError(400, envelope.BAD_PARAMETER, f"sign it to expire within {MAX_LIFE_MS // 1000} s")
        if signed_at < self._started:
            raise ApiError(401, envelope.NOT_AUTHENTICATED, "signed before this agent was started; sign it anew")
        if nonce in self._seen:
            raise ApiError(401, envelope.NOT_AUTHENTICATED, "this signed request has been used already; sign it anew")
        if len(self._seen) >= MAX_NONCES:
            self._seen = {one: until for one, until in self._seen.items() if until >= now}
        if len(self._seen) >= MAX_NONCES:
            raise ApiError(429, envelope.TASK_FAILED, "too many requests within their lives; wait a moment")
        self._seen[nonce] = expires
