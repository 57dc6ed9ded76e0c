"""The security headers of every answer (A7, DESIGN §7): put this around the whole application.

Nothing inline runs, nothing foreign is loaded, nobody may frame a page, and no proxy or browser keeps one.
An answer that has set a header of these itself keeps it.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_ALWAYS = (
    (b"content-security-policy", CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
_HSTS = (b"strict-transport-security", b"max-age=31536000")


class SecurityHeaders:
    """Pure ASGI: streams pass through untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Static files may be kept, but must be asked for again: their addresses stay the same over an update.
        keep = b"no-cache" if str(scope.get("path", "")).startswith("/static/") else b"no-store"
        wanted = [*_ALWAYS, (b"cache-control", keep)]
        if scope.get("scheme") == "https":
            wanted.append(_HSTS)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                present = {name.lower() for name, _ in headers}
                message = {**message, "headers": headers + [item for item in wanted if item[0] not in present]}
            await send(message)

        await self._app(scope, receive, with_headers)
