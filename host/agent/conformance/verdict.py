"""How a check ends other than well."""

from __future__ import annotations


class Failed(Exception):
    """The contract was not kept; the text says what was seen instead."""


class Skipped(Exception):
    """It could not be looked at; the text says why."""


def expect(true: object, otherwise: str) -> None:
    """Raises Failed with `otherwise` unless `true`."""
    if not true:
        raise Failed(otherwise)
