"""`ETag` and `If-Match`: the version that was seen and that a change was made of, so that nobody's change is overwritten unseen."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

from server.errors import BadInput

_VERSION = re.compile(r'(?:W/)?"?([0-9]{1,9})"?')


def tagged(response: Response, version: int) -> Response:
    """The answer with its version as `ETag`."""
    response.headers["ETag"] = f'"{version}"'
    return response


def version_of(request: Request) -> int:
    """Raises BadInput when it is missing, or no version."""
    found = _VERSION.fullmatch(request.headers.get("if-match", "").strip())
    if not found:
        raise BadInput('If-Match: send the version that you saw, as in If-Match: "3"', field="If-Match")
    return int(found[1])
