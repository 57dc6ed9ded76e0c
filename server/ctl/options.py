"""What the verbs share: the client, `--json`, durations, `key=value`."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeVar

import click

from server.ctl.client import Client
from server.ctl.problems import Usage
from server.ctl.setup import load

F = TypeVar("F", bound=Callable[..., Any])
SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
"""Unit of a span of time → seconds; without one it is seconds."""


def connect() -> Client:
    """The manager that the person signed in at. Raises Refused, Usage."""
    return Client(load(os.environ))


def text_of(file: str, most: int, too_large: str) -> str:
    """A file's text, or that of standard input for `-`, of at most so many bytes. Raises Usage, `too_large` if it is larger."""
    try:
        with nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb") as stream:
            data = stream.read(most + 1)
        if len(data) > most:
            raise Usage(f"{file}: {too_large}")
        return data.decode()
    except OSError as problem:
        raise Usage(f"{file}: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise Usage(f"{file}: not UTF-8 text, byte {problem.start} is the first that is not") from problem


def json_option(command: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Print the API's data instead of text.")(command)


def confirm_option(command: F) -> F:
    words = "The name of a protected group that some of the nodes are in; may be repeated."
    return click.option("--confirm", "confirm", multiple=True, metavar="NAME", help=words)(command)


def wait_option(command: F) -> F:
    return click.option("--wait/--no-wait", default=True, show_default=True, help="Wait for its end, or print the command's id.")(command)


class Duration(click.ParamType[int]):
    """`90`, `90s`, `5m`, `2h` → seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"([0-9]{1,9})([smhd]?)", str(value))
        if not match:
            self.fail(f"{value!r} is not a duration like 90s, 5m or 2h", param, ctx)
        return int(match[1]) * SECONDS[match[2]]


class Pair(click.ParamType[tuple[str, str]]):
    """`key=value` → (key, value)."""

    name = "key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        key, equals, text = str(value).partition("=")
        if not equals or not key:
            self.fail(f"{value!r} is not of the form key=value", param, ctx)
        return key, text
