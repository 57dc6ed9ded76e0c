"""How a list is asked for on the command line, and what is said when there is more of it than was printed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import click

from server.ctl import show
from server.ctl.options import SECONDS, json_option

F = TypeVar("F", bound=Callable[..., Any])
MOST = 500
_SORT = "By these fields, with commas between and - before one for descending; an unknown one is answered with those that there are."


class Moment(click.ParamType[int]):
    """`2026-11-25`, `2026-11-25T14:30` in the reader's own zone, `2h` for two hours ago, or UTC milliseconds → UTC milliseconds."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        text = str(value)
        if ago := re.fullmatch(r"([0-9]{1,6})([smhd])", text):
            return int(time.time() * 1000) - int(ago[1]) * SECONDS[ago[2]] * 1000
        if re.fullmatch(r"[0-9]{9,15}", text):
            return int(text)
        try:
            return int(datetime.fromisoformat(text).astimezone().timestamp() * 1000)
        except (ValueError, OverflowError, OSError):
            self.fail(f"{text!r} is not a moment like 2026-11-25, 2026-11-25T14:30 or 2h (ago)", param, ctx)


def paged(command: F) -> F:
    """`--sort`, `--limit`, `--page` and `--json`: as `sort`, `limit`, `page`, `as_json`."""
    for option in (
        click.option("--sort", default=None, metavar="FIELDS", help=_SORT),
        click.option("--limit", type=click.IntRange(1, MOST), default=50, show_default=True, help="So many, the first ones of that order."),
        click.option("--page", type=click.IntRange(1, 1_000_000), default=1, show_default=True, help="The next so many, and so on."),
        json_option,
    ):
        command = option(command)
    return command


def sorted_option(command: F) -> F:
    """`--sort` of a list that is printed whole."""
    return click.option("--sort", default=None, metavar="FIELDS", help=_SORT)(command)


def between(what: str) -> Callable[[F], F]:
    """`--since` and `--until`; `what` happened then."""

    def add(command: F) -> F:
        for name, words in (("--until", "Only what was {} before."), ("--since", "Only what was {} at this moment or later.")):
            hint = " 2026-11-25, 2026-11-25T14:30, or 2h for two hours ago."
            command = click.option(name, type=Moment(), default=None, metavar="MOMENT", help=words.format(what) + hint)(command)
        return command

    return add


def switched(value: bool | None) -> str:
    """A filter that is either on, off, or not there, as the API takes it."""
    return "" if value is None else str(value).lower()


def more(data: dict[str, Any], what: str) -> None:
    """Says how much of the list was printed, when that is not all of it, and that nothing fits; `what`: one of them."""
    shown, total = len(data["items"]), data["total"]
    end = (data["page"] - 1) * data["size"] + shown
    if not shown and total:
        show.say(f"page {data['page']} is past the end: there are {total}, {data['size']} a page")
    elif not shown:
        show.say(f"no {what} fits")
    elif end < total:
        show.say(f"{end - shown + 1} to {end} of {total}; for the next: --page {data['page'] + 1}")
