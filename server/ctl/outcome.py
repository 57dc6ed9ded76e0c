"""From the final states of commands to what is said and the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from host.wire.states import SUCCEEDED
from server.ctl import show
from server.ctl.problems import Partly, Problem


def judge(results: Sequence[dict[str, Any]]) -> int:
    """Name those that did not succeed, on stderr. 0 all did, 1 none did, 3 some did."""
    failed = [item for item in results if item["state"] != SUCCEEDED]
    for item in sorted(failed, key=lambda item: str(item["node_name"])):
        show.say(f"{item['node_name']}: {word(item)}")
    for item in results:
        if item["truncated"]:
            show.say(f"{item['node_name']}: it wrote more than the limit; the rest is lost")
    if len(results) > 1:
        show.say(f"{len(results) - len(failed)} of {len(results)} succeeded")
    if not failed:
        return 0
    return Problem.exit_code if len(failed) == len(results) else Partly.exit_code


def word(item: dict[str, Any]) -> str:
    """`failed, exit code 3` and the like; where the task itself said why, that."""
    text = str(item["state"]).replace("_", " ")
    error = (item.get("result") or {}).get("error")
    if isinstance(error, dict) and isinstance(error.get("message"), str):
        code = error["code"] if isinstance(error.get("code"), str) and error["code"] not in error["message"] else ""
        return f"{text}: {error['message']}" + (f" ({code})" if code else "")
    if item["exit_code"] is not None:
        return f"{text}, exit code {item['exit_code']}"
    if item["exit_signal"] is not None:
        return f"{text}, ended by signal {item['exit_signal']}"
    return f"{text}: {item['reason']}"


def told(data: dict[str, Any], done: str, as_json: bool) -> None:
    """What became of each of many, as the API's bulk calls answer it. Raises Partly when one could not be changed."""
    if as_json:
        show.as_json(data)
    for one in data["results"]:
        if not one["ok"]:
            show.say(f"{one['name'] or one['id']}: {one['message']}")
    if not as_json:
        show.say(f"{data['changed']} {done}")
    if data["failed"]:
        raise Partly(f"{data['failed']} of {len(data['results'])} were not {done}")
