"""`opsctl overview` and `log`: how the fleet stands, what needs somebody, and what hosts logged."""

from __future__ import annotations

from typing import Any

import click

from server.ctl import names, show
from server.ctl.listing import between
from server.ctl.options import connect, json_option

NAMED = 3


@click.command()
@json_option
def overview(as_json: bool) -> None:
    """Show the fleet at one look, and what needs attention."""
    data = connect().get("/api/v1/overview")
    if as_json:
        show.as_json(data)
        return
    share = f"{data['online_percent']:.1f} % online" if data["online_percent"] is not None else "no node yet"
    fleet = data["fleet"] or {}
    lines = [
        ("nodes", f"{data['total']}, {share}" + _counts({k: v for k, v in data["nodes"].items() if k != "online"})),
        ("agents", _counts(data["agents"]).removeprefix(" (").removesuffix(")")),
        ("daemons", ", ".join(f"{row['version'] or 'unknown'}: {row['total']}" for row in data["versions"]["daemon"])),
        ("commands", _counts(data["commands"]).removeprefix(" (").removesuffix(")") or "none under way"),
        *((name, _band(fleet, f"{name}_usage")) for name in ("cpu", "memory", "disk") if fleet.get(f"{name}_usage_p95") is not None),
    ]
    show.pairs(lines)
    print()
    if not data["attention"]:
        print("nothing needs you")
        return
    show.table(("SEVERITY", "WHAT", "SINCE", "WHO", "NEXT"), [_row(one) for one in data["attention"]])


def _counts(counts: dict[str, int]) -> str:
    return f" ({', '.join(f'{count} {name}' for name, count in sorted(counts.items()))})" if counts else ""


def _band(fleet: dict[str, Any], figure: str) -> str:
    parts = [("median", fleet[f"{figure}_median"]), ("p95", fleet[f"{figure}_p95"]), ("highest", fleet[f"{figure}_most"])]
    return ", ".join(f"{name} {value:.0f} %" for name, value in parts if value is not None)


def _row(one: dict[str, Any]) -> tuple[object, ...]:
    told = [subject["name"] for subject in one["subjects"][:NAMED]]
    more = f" and {one['count'] - NAMED} more" if one["count"] > NAMED else ""
    return (one["severity"], one["what"], show.moment(one["since"]), ", ".join(told) + more, one["next"])


@click.command()
@click.option("--q", "query", default="", help="Only lines with this in message, logger or node's name.")
@click.option("--node", default="", help="Only of this node, by name or id.")
@click.option("--level", type=click.Choice(["", "error", "critical"]), default="", help="Only of this level and worse.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="The newest so many.")
@click.option("--before", default="", help="Only older ones: a moment in ms, or 'next' of an answer in JSON.")
@between("logged")
@json_option
def log(query: str, node: str, level: str, limit: int, before: str, since: int | None, until: int | None, as_json: bool) -> None:
    """Show warnings and errors that hosts logged, the newest first."""
    client = connect()
    node_id = names.node(client, node)["id"] if node else ""
    data = client.get("/api/v1/log", q=query, node=node_id, level=level, size=limit, before=before, since=since, until=until)
    if as_json:
        show.as_json(data)
        return
    heads = ("WHEN", "LEVEL", "NODE", "COMPONENT", "MESSAGE")
    rows = [(show.moment(one["at"]), one["level"].lower(), one["node_name"], one["component"], one["message"]) for one in data["lines"]]
    show.table(heads, rows)
    if not rows and not data["searched_to"]:
        show.say("no line fits")
    if data["next"] and not data["searched_to"]:
        show.say(f"older ones: --before {data['next']}")
    if data["searched_to"]:
        show.say(f"looked back to {show.moment(data['searched_to'])}; to go on: --before {data['next']}")
