"""Forms that must do once what was pressed twice, or sent again by a page that is loaded anew (service/once.py).

Such a form carries `{{ m.once() }}`: a text that is another one on every page that is shown. The same form with the same fields is
then the same press; with other fields it is another one, also where somebody went back to it and the text is the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

from starlette.requests import Request

from server.auth import Caller
from server.db import Along
from server.services import Services
from server.web.session import form_of

T = TypeVar("T")
FIELD = "once"


async def once(services: Services, request: Request, caller: Caller, kind: type[T], work: Callable[[Along[T] | None], Awaitable[T]]) -> T:
    """What `work` returns, or returned when this form was sent before; `work` hands what it is given to the service's verb.

    A form without the text is just done. Raises what `work` raises.
    """
    given, sent = (await form_of(request)).get(FIELD)[:64], await request.body()
    pressed = hashlib.sha256(request.url.path.encode() + b"\n" + sent).hexdigest()
    return (await services.once.do(caller, f"page {pressed}" if given else None, sent, kind, services.clock(), work))[0]
