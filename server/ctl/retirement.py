"""`opsctl nodes retire` and `nodes restore`: nodes out of service and back into it, one or many."""

from __future__ import annotations

import sys
from typing import Any

import click

from server.ctl import names, show
from server.ctl.client import Client
from server.ctl.groups import done, targets
from server.ctl.options import confirm_option, connect, json_option
from server.ctl.problems import Problem, Usage

NAMED = 10


@click.command()
@click.argument("nodes", nargs=-1, metavar="[NODE...]")
@click.option("--select", "selector", default=None, help="Instead of names: the nodes that this selector means now.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@confirm_option
@json_option
def retire(nodes: tuple[str, ...], selector: str | None, yes: bool, confirm: tuple[str, ...], as_json: bool) -> int:
    """Take nodes out of service: their certificates are refused, what waits for them is canceled, their history stays."""
    client = connect()
    wanted = targets(client, nodes, selector, confirm)
    if not yes:
        _ask(client, wanted)
    return done(client.post("/api/v1/nodes/retire", wanted), as_json)


@click.command()
@click.argument("nodes", nargs=-1, metavar="[NODE...]")
@click.option("--select", "selector", default=None, help="Instead of names: the nodes that this selector means now, such as 'retired'.")
@json_option
def restore(nodes: tuple[str, ...], selector: str | None, as_json: bool) -> int:
    """Take retired nodes back into service, by their names, ids, or a selector."""
    client = connect()
    wanted = targets(client, nodes, selector, (), names.retired)
    return done(client.post("/api/v1/nodes/restore", {name: wanted[name] for name in ("select", "nodes") if name in wanted}), as_json)


def _ask(client: Client, wanted: dict[str, Any]) -> None:
    """Raises Problem when the answer is no, Usage where nobody can be asked. What is agreed to is what is done: the ids."""
    if "select" in wanted:
        page = client.get("/api/v1/nodes", select=wanted.pop("select"), size=500)
        if page["total"] > len(page["items"]):
            raise Usage(f"{page['total']} nodes: too many to be shown; look at them with opsctl nodes --select, and give --yes")
        rows = page["items"]
        wanted["nodes"] = [row["id"] for row in rows]
    else:
        rows = [client.get(f"/api/v1/nodes/{one}") for one in wanted["nodes"]]
    if not rows:
        raise Problem("no node is meant")
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    show.say(f"{len(rows)} to retire: {', '.join(row['name'] for row in rows[:NAMED])}{more}")
    if not sys.stdin.isatty():
        raise Usage("nobody can be asked here; look at the nodes, and give --yes")
    click.confirm("Retire them?", abort=True, err=True)
