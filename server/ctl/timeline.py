"""`opsctl nodes timeline`: what befell a node, newest first."""

from __future__ import annotations

import time
from typing import Any

import click

from host.wire.states import COMMAND_FINAL
from server.ctl import names, show
from server.ctl.options import Duration, connect, json_option

KINDS = ("identity", "state", "command", "update", "configuration", "alert", "event", "action")
PAGE = 200


@click.command()
@click.argument("node")
@click.option("--kind", default="", type=click.Choice(["", *KINDS]), help="Only entries of this kind.")
@click.option("--last", type=Duration(), default=None, help="Only the last so long, such as 12h or 30d.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="The newest so many.")
@click.option("--before", default="", help="Only older ones: the 'next' of an answer.")
@json_option
def timeline(node: str, kind: str, last: int | None, limit: int, before: str, as_json: bool) -> None:
    """Show what befell NODE and what was done to it, newest first."""
    client = connect()
    path = f"/api/v1/nodes/{names.node(client, node)['id']}/timeline"
    since = max(0, int(time.time() * 1000) - last * 1000) if last is not None else None
    items: list[dict[str, Any]] = []
    while True:
        data = client.get(path, kind=kind, since=since, before=before, size=min(PAGE, limit - len(items)))
        items += data["items"]
        before = data["next"]
        if not before or len(items) >= limit:
            break
    if as_json:
        show.as_json(data | {"items": items})
        return
    show.table(("WHEN", "KIND", "WHAT", "WHO", "DETAIL"), [_row(one) for one in items])
    if not items:
        show.say("nothing of this kind is kept of this time")
    if before:
        show.say(f"older ones: --before {before}")
    for name, kept in sorted(data["kept"].items()):
        if kind in ("", name):
            show.say(f"{name}: kept since {show.moment(kept)}")


def _row(one: dict[str, Any]) -> tuple[object, ...]:
    return (show.moment(one["at"]), one["kind"], one["name"], one["actor"], _detail(one))


def _detail(one: dict[str, Any]) -> str:
    """The rest of an entry on one line."""
    detail = one["detail"]
    match one["kind"]:
        case "command" | "configuration" if one["ref"]:
            code = f"exit code {detail['exit_code']}" if detail["exit_code"] else ""
            reason = detail["reason"] if one["name"] in COMMAND_FINAL else ""
            return ", ".join(part for part in (detail["task"] or detail["kind"], code, reason, one["ref"]) if part)
        case "alert":
            return ", ".join(part for part in (detail["severity"], detail["rule_name"], detail["subject"], detail["summary"]) if part)
        case "update":
            return f"{detail['component']} {detail['from_version'] or '?'} → {detail['to_version']}"
        case _:
            return ", ".join(f"{name}: {_text(value)}" for name, value in detail.items() if value not in ("", [], {}, None))


def _text(value: Any) -> str:
    return show.tags(value) if isinstance(value, dict) else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
