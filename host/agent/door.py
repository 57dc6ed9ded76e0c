"""Stands before every route of the agent's API, before anything of a request is looked at but its head.

Who is calling is the socket's peer: headers that a proxy would add are not read. `Host` must be one of the agent's own names,
so that no web page can reach it under another, and a browser's `Origin` is refused whatever it says. From beyond this host a
caller needs an address of the allow-list, a certificate of the client CA, or both, as the settings say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from starlette.types import ASGIApp, Receive, Scope, Send

from host.agent.answers import ApiError, refusal
from host.agent.rates import Rates
from host.lib.clock import Clock
from host.wire import envelope
from host.wire.headers import SIGNATURE

_SIGNATURE = SIGNATURE.lower().encode()


@dataclass(frozen=True)
class Callers:
    """`hosts`: values of the Host header that name this agent; `allow`: networks; `certified`: a certificate is needed."""

    hosts: frozenset[str]
    allow: Sequence[str] = ()
    certified: bool = False

    def problem(self, address: str, certified: bool) -> str:
        """Why a caller from `address` may not come in; "" when it may. This host itself always may."""
        try:
            peer = ip_address(address)
        except ValueError:
            return "the caller has no address"
        mapped = getattr(peer, "ipv4_mapped", None)
        peer = mapped or peer
        if peer.is_loopback:
            return ""
        if not self.allow and not self.certified:
            return "only this host may call"
        if self.allow and not any(peer in ip_network(one) for one in self.allow):
            return "this address may not call"
        if self.certified and not certified:
            return "a client certificate is needed from beyond this host"
        return ""


class Door:
    """Passes to `app` what may come in, and answers the rest itself."""

    def __init__(self, app: ASGIApp, callers: Callers, rates: Rates, clock: Clock) -> None:
        self._app, self._callers, self._rates, self._clock = app, callers, rates, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = self._problem(scope)
        if problem is None:
            await self._app(scope, receive, send)
        else:
            await refusal(problem, self._clock)(scope, receive, send)

    def _problem(self, scope: Scope) -> ApiError | None:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        address = (scope.get("client") or ("", 0))[0]
        if reason := self._callers.problem(address, bool(scope.get("ops.certified"))):
            return ApiError(403, envelope.NOT_ALLOWED, reason)
        hosts = [value for name, value in headers if name == b"host"]
        if len(hosts) > 1:
            return ApiError(400, envelope.BAD_PARAMETER, "there is more than one Host header")
        if not hosts or hosts[0].decode("latin-1").lower() not in self._callers.hosts:
            return ApiError(403, envelope.NOT_ALLOWED, "the Host header does not name this agent")
        if any(name == b"origin" for name, _ in headers):
            return ApiError(403, envelope.NOT_ALLOWED, "requests from web pages are not allowed")
        if not any(name == _SIGNATURE for name, _ in headers) and (wait := self._rates.stranger(address)):
            return ApiError(429, envelope.TASK_FAILED, "too many requests; wait", wait)
        return None
