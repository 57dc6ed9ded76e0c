"""`opsctl alerts`: what is wrong, and taking it on (M5)."""

from __future__ import annotations

from typing import Any

import click

from server.ctl import listing, names, rules, show
from server.ctl.options import connect, json_option
from server.ctl.outcome import told
from server.ctl.problems import Usage

MOST = 500


@click.group()
def alerts() -> None:
    """What is wrong now, and what was. ALERT is an id."""


@alerts.command("list")
@click.option("--history", is_flag=True, help="Also those that are resolved.")
@click.option("--state", type=click.Choice(["", "open", "acknowledged", "resolved"]), default="", help="Only in this state.")
@click.option("--severity", type=click.Choice(["", "info", "warning", "critical"]), default="", help="Only of this severity.")
@click.option("--node", default="", help="Only of the node with this name or id.")
@click.option("--rule", default="", help="Only of the rule with this name or id.")
@click.option("--select", "selector", default=None, help="Only of the nodes that this selector means now.")
@click.option("--q", default="", help="Only those with this in the sentence, or in the name of node or rule.")
@click.option("--storm", default="", help="Only those that came together: the group_id of one of them.")
@listing.between("opened")
@listing.paged
def list_(
    history: bool,
    node: str,
    rule: str,
    selector: str | None,
    limit: int,
    as_json: bool,
    **wanted: Any,
) -> None:
    """List alerts, the newest first."""
    client = connect()
    wanted |= {"node": names.node(client, node)["id"] if node else "", "rule": rules.one(client, rule)["id"] if rule else ""}
    # An empty selector is refused there, and must not get lost on the way: it would mean every node.
    params = {name: value for name, value in wanted.items() if value not in ("", None)} | ({} if selector is None else {"select": selector})
    data = client.call("GET", "/api/v1/alerts", params=params | {"history": str(history).lower(), "size": limit})
    if as_json:
        show.as_json(data)
        return
    rows = [
        (show.moment(one["opened_at"]), one["severity"], _state(one), one["summary"], one["rule_name"], one["id"]) for one in data["items"]
    ]
    show.table(("OPENED", "SEVERITY", "STATE", "WHAT", "RULE", "ID"), rows)
    listing.more(data, "alert")


@alerts.command("show")
@click.argument("alert")
@json_option
def show_(alert: str, as_json: bool) -> None:
    """Show ALERT with what happened to it."""
    data = connect().get(f"/api/v1/alerts/{alert}")
    if as_json:
        show.as_json(data)
        return
    lines = [("what", data["summary"]), ("state", _state(data)), ("severity", data["severity"]), ("node", data["node_name"])]
    lines += [
        ("rule", data["rule_name"]),
        ("value", f"{data['value']} {data['unit']}"),
        ("threshold", f"{data['threshold']} {data['unit']}"),
    ]
    for name in ("comment", "resolved_why", "command_state", "command_task", "command_note"):
        if data[name]:
            lines.append((name.replace("_", " "), data[name]))
    lines += [
        (show.moment(event["at"]), f"{event['kind']}{' by ' + event['who'] if event['who'] else ''} {event['note']}".rstrip())
        for event in data["events"]
    ]
    show.pairs(lines)


@alerts.command()
@click.argument("alert", nargs=-1)
@click.option("--comment", default="", help="What you do about it; everybody reads it.")
@click.option("--select", "selector", default=None, help="Instead: every open alert of the nodes that this selector means now.")
@json_option
def ack(alert: tuple[str, ...], comment: str, selector: str | None, as_json: bool) -> None:
    """Acknowledge each ALERT: you take it on, and reminders of it end."""
    client = connect()
    if bool(alert) == (selector is not None):
        raise Usage("name alerts by their ids, or take those of --select")
    ids = list(alert)
    if selector is not None:
        found = client.call("GET", "/api/v1/alerts", params={"state": "open", "select": selector, "size": MOST})
        ids = [one["id"] for one in found["items"]]
        if found["total"] > MOST:
            raise Usage(f"--select: more than {MOST} open alerts; narrow it down")
        if not ids:
            show.say("no open alert is of those nodes")
            return
    data = client.post("/api/v1/alerts/acknowledge", {"alerts": ids, "comment": comment})
    told(data, "acknowledged", as_json)


def _state(one: dict[str, object]) -> str:
    marks = [
        name for name, there in (("unknown now", one["silent"]), ("flapping", one["flapping"]), ("silenced", one["silenced"])) if there
    ]
    return f"{one['state']}{' (' + ', '.join(marks) + ')' if marks else ''}"
