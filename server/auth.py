"""Who is calling, and what they may do. `authorize()` is the one place that says yes.

Every door (pages, API, node link) finds out who calls and asks it; a handler that nobody asked for cannot be
reached, because a route without a permission stops the start (server/door.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from server.errors import NotAllowed, NotAuthenticated

PUBLIC = "public"
"""For everybody, signed in or not: sign-in, enrolment, static files, health."""

SELF = "self"
"""For every person about themselves: own password, language, sign-out."""

NODE_LINK = "node.link"
NODE_READ = "node.read"
NODE_ENROL = "node.enrol"
NODE_RETIRE = "node.retire"
NODE_CONTROL = "node.control"
FILE_READ = "file.read"
"""The contents of files as well as their list: what hosts sent may be secret."""
FILE_WRITE = "file.write"
NODE_EDIT = "node.edit"
NODE_APPROVE = "node.approve"
GROUP_EDIT = "group.edit"
COMMAND_READ = "command.read"
COMMAND_RUN = "command.run"
COMMAND_CANCEL = "command.cancel"
AUDIT_READ = "audit.read"
RECEIVER_READ = "receiver.read"
RECEIVER_EDIT = "receiver.edit"
"""Also to send a test, and to send again what has failed."""
ALERT_READ = "alert.read"
ALERT_EDIT = "alert.edit"
"""The rules."""
ALERT_ACKNOWLEDGE = "alert.acknowledge"
WINDOW_EDIT = "window.edit"

_VIEWER = frozenset({PUBLIC, SELF, NODE_READ, COMMAND_READ, ALERT_READ, RECEIVER_READ})

ROLES: Mapping[str, frozenset[str]] = {
    "anonymous": frozenset({PUBLIC}),
    "node": frozenset({PUBLIC, NODE_LINK}),
    "viewer": _VIEWER,
    "admin": _VIEWER
    | {NODE_ENROL, NODE_RETIRE, NODE_CONTROL, NODE_EDIT, NODE_APPROVE, GROUP_EDIT}
    | {COMMAND_RUN, COMMAND_CANCEL, AUDIT_READ, FILE_READ, FILE_WRITE}
    | {ALERT_EDIT, ALERT_ACKNOWLEDGE, RECEIVER_EDIT, WINDOW_EDIT},
}

PERMISSIONS = frozenset().union(*ROLES.values())
PEOPLE = ("admin", "viewer")


@dataclass(frozen=True)
class Caller:
    """`id` is the user's or node's; empty for nobody. `credential` names the session or token in use."""

    role: str
    id: str = ""
    name: str = ""
    ip: str = ""
    language: str = ""
    credential: str = ""
    password_is_initial: bool = False
    node_state: str = ""

    def may(self, permission: str) -> bool:
        return permission in ROLES[self.role]


def nobody(ip: str) -> Caller:
    return Caller(role="anonymous", ip=ip)


def authorize(caller: Caller, permission: str) -> None:
    """Return if `caller` may; else NotAuthenticated for nobody, NotAllowed for somebody."""
    if permission in ROLES[caller.role]:
        return
    if caller.role == "anonymous":
        raise NotAuthenticated("sign in first")
    raise NotAllowed(f"your role {caller.role} does not include {permission}; ask an administrator")
