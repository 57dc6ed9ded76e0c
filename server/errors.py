"""Errors that a caller may see, and the one table that turns them into codes and HTTP statuses.

    OpsError
    ├── BadInput          1001 · 400   what was sent cannot be used; `field` says which part
    │   ├── BadSelector   1001 · 400   a selector that cannot be read; `column` (from 1) and `length` say where
    │   ├── Conflict      1001 · 409   it could be used, but not in the present state
    │   └── OtherRequest  1001 · 422   its Idempotency-Key stands for another request
    ├── NotAuthenticated  1002 · 401   nobody we know
    ├── NotAllowed        1003 · 403   somebody we know, who may not
    │   └── EnrolAnew     1003 · 410   a copy of a node: its host makes a new key and asks to be taken in (host.wire.machine)
    ├── NotFound          1001 · 404   no such thing
    │   └── NodeUnknown   2001 · 404
    ├── WrongMethod       1001 · 405   the address is there, but does not take this method
    ├── TooMany           1001 · 429   try again after `retry_after` seconds
    └── Unavailable       1001 · 503   the manager cannot do it now; nothing was changed
Codes: requirements 6.3. ConfigError is for the operator who starts the manager: one line, exit 2.
"""

from __future__ import annotations

from host.wire import envelope


class OpsError(Exception):
    """`message` says what happened and what to do, in one or two sentences."""

    code = envelope.BAD_PARAMETER
    status = 500

    def __init__(self, message: str, *, field: str = "", retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.message, self.field, self.retry_after = message, field, retry_after


class BadInput(OpsError):
    status = 400


class BadSelector(BadInput):
    def __init__(self, message: str, *, field: str, column: int, length: int) -> None:
        super().__init__(message, field=field)
        self.column, self.length = column, length


class Conflict(BadInput):
    status = 409


class OtherRequest(BadInput):
    status = 422


class NotAuthenticated(OpsError):
    code, status = envelope.NOT_AUTHENTICATED, 401


class NotAllowed(OpsError):
    code, status = envelope.NOT_ALLOWED, 403


class EnrolAnew(NotAllowed):
    status = 410


class NotFound(OpsError):
    status = 404


class NodeUnknown(NotFound):
    code = envelope.NODE_UNKNOWN


class WrongMethod(OpsError):
    status = 405


class TooMany(OpsError):
    status = 429


class Unavailable(OpsError):
    status = 503


class ConfigError(Exception):
    """The manager cannot start like this. One line: where, what, the mend."""
