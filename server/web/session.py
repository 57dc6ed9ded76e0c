"""What a browser brings along: the session cookie, the proof that a form is our own, its choices, and form fields.

The cookie is the only credential of the pages. A request that changes something must come from our own pages:
the browser says so in `Sec-Fetch-Site`, older ones in `Origin`; neither of them is a refusal.
"""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from server.errors import BadInput, NotAllowed

MAX_FIELDS = 6_000
"""More than the most nodes of one command, so that each can be a field of the form."""

YEAR_S = 365 * 86_400
_FOREIGN = "this form was sent from another site, or by a browser that does not say from where; open the page here and send it again"
_SAFE = ("GET", "HEAD", "OPTIONS")


def is_https(request: Request) -> bool:
    return request.url.scheme == "https"


def cookie_name(request: Request) -> str:
    """`__Host-` binds the cookie to this host and to https; over plain loopback a browser would refuse it."""
    return "__Host-ops_session" if is_https(request) else "ops_session"


def secret_of(request: Request) -> str:
    return request.cookies.get(cookie_name(request), "")


def remember(request: Request, response: Response, secret: str, seconds: int) -> None:
    """Hand the browser its session."""
    response.set_cookie(cookie_name(request), secret, max_age=seconds, path="/", httponly=True, samesite="lax", secure=is_https(request))


def forget(request: Request, response: Response) -> None:
    response.delete_cookie(cookie_name(request), path="/", httponly=True, samesite="lax", secure=is_https(request))


def choose(request: Request, response: Response, name: str, value: str) -> None:
    """A choice of looks (`ops_language`, `ops_theme`): no secret, kept for a year."""
    response.set_cookie(name, value, max_age=YEAR_S, path="/", httponly=True, samesite="lax", secure=is_https(request))


def check_origin(request: Request) -> None:
    """Raise NotAllowed for a request that changes something and is not certain to come from our own pages."""
    if request.method in _SAFE:
        return
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site in ("same-origin", "none"):
            return
    else:
        origin = request.headers.get("origin", "")
        own = f"{request.url.scheme}://{request.headers.get('host', '')}"
        if origin and origin.lower() == own.lower():
            return
    raise NotAllowed(_FOREIGN)


def local_path(text: str) -> str:
    """`text` if it is a path on this manager, else `/`: a sign-in must never lead anywhere else."""
    if not text.startswith("/") or text.startswith("//") or "\\" in text or any(ord(c) < 33 or ord(c) == 127 for c in text):
        return "/"
    parts = urlsplit(text)
    return "/" if parts.scheme or parts.netloc else text


def here(request: Request) -> str:
    """Path and query of this request."""
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def sign_in_address(back_to: str) -> str:
    return "/sign-in" if back_to in ("", "/") else f"/sign-in?{urlencode({'next': back_to})}"


class Form:
    """The fields of a sent form. Line ends are the newline that scripts need, not the CR LF that browsers send."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        self._fields = fields

    def get(self, name: str, default: str = "") -> str:
        return self._fields.get(name, [default])[0].replace("\r\n", "\n")

    def starting(self, prefix: str) -> dict[str, str]:
        """What follows the prefix in a field's name → its last value: a box that is ticked stands behind the one that is always sent."""
        return {name[len(prefix) :]: values[-1].replace("\r\n", "\n") for name, values in self._fields.items() if name.startswith(prefix)}

    def all(self, name: str) -> list[str]:
        return self._fields.get(name, [])


async def form_of(request: Request) -> Form:
    """The body as a form. Raises BadInput when it is something else."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise BadInput("a form is expected here, sent as application/x-www-form-urlencoded")
    try:
        text = (await request.body()).decode("ascii")
        return Form(parse_qs(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"))
    except ValueError as problem:
        raise BadInput("the form cannot be read: not UTF-8, or too many fields") from problem


def page_of(request: Request) -> int:
    """`?page=`, from 1; anything else is the first page."""
    text = request.query_params.get("page", "1")
    return min(int(text), 1_000_000) if text.isascii() and text.isdigit() and int(text[:9]) > 0 else 1
