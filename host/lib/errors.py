"""Errors that reach an operator: a code of requirements chapter 7 (D1001 … D5001), what happened, the mend.

HostError
├── ConfigError     D1001 cannot be read, D1002 not valid
├── LinkError       D2001 cannot connect, D2002 refused at enrolment, D2003 report refused
├── AgentError      D3001 cannot start, D3002 cannot stop, D3003 not healthy
└── CollectError    D5001
"""

from __future__ import annotations


class HostError(Exception):
    """`str()` is one line: code, what happened, what to do."""

    def __init__(self, code: str, what: str, mend: str = "") -> None:
        super().__init__(f"{code} {what}" + (f" — {mend}" if mend else ""))
        self.code, self.what, self.mend = code, what, mend


class ConfigError(HostError):
    pass


class LinkError(HostError):
    pass


class AgentError(HostError):
    pass


class CollectError(HostError):
    pass
