"""What can go wrong, and the exit code that says so. 0 is done.

Problem       1   it was tried and failed
├── Missing       1   there is no such thing
├── Usage     2   the arguments or the setup are wrong
├── Partly    3   some of it succeeded
├── Refused   4   not signed in, or not allowed
└── Unreachable 5 no manager answered
"""

from __future__ import annotations

INTERRUPTED = 130
"""Ctrl-C: how it ends is not known yet."""


class Problem(Exception):
    """`str()` is one or two sentences: what happened, what to do."""

    exit_code = 1


class Missing(Problem):
    pass


class Usage(Problem):
    exit_code = 2


class Partly(Problem):
    exit_code = 3


class Refused(Problem):
    exit_code = 4


class Unreachable(Problem):
    exit_code = 5
