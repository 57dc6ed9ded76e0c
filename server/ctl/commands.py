"""`opsctl commands`, `output` and `cancel`: what was run, what it wrote, and its end."""

from __future__ import annotations

from typing import Any

import click

from host.wire.states import COMMAND, COMMAND_FINAL
from server.ctl import follow, listing, names, outcome, show
from server.ctl.interrupt import leaving
from server.ctl.options import connect, json_option
from server.ctl.run import window_of


@click.command()
@click.option("--node", default="", help="Only on this node (name or id).")
@click.option("--task", default="", help="Only of this task (id).")
@click.option("--state", default="", type=click.Choice(["", *COMMAND]), help="Only those in this state.")
@click.option("--kind", default="", help="Only of this kind of task, such as script, or this order, such as agent-restart.")
@listing.paged
def commands(node: str, limit: int, as_json: bool, **wanted: Any) -> None:
    """List commands, the newest first."""
    client = connect()
    node_id = names.node(client, node)["id"] if node else ""
    data = client.get("/api/v1/commands", node=node_id, size=limit, **wanted)
    if as_json:
        show.as_json(data)
        return
    heads = ("ID", "NODE", "STATE", "EXIT", "QUEUED", "WHAT", "WHY")
    rows = []
    for item in data["items"]:
        why = "" if item["state"] == "succeeded" else item["reason"]
        queued = show.moment(item["queued_at"])
        rows.append((item["id"], item["node_name"], item["state"], item["exit_code"], queued, item["task_name"] or item["kind"], why))
    show.table(heads, rows)
    listing.more(data, "command")


@click.command()
@click.argument("command_id", metavar="ID")
@click.option("--follow", "keep_on", is_flag=True, help="Go on until the command has ended; its outcome is the exit code.")
@json_option
def output(command_id: str, keep_on: bool, as_json: bool) -> int:
    """Print what a command wrote: its stdout to stdout, its stderr to stderr."""
    client = connect()
    target, kept = follow.Target(command_id, ""), follow.Kept()
    sink: follow.Sink = kept if as_json else follow.Raw()
    item = client.get(f"/api/v1/commands/{command_id}")
    if not keep_on:
        for part in follow.parts(client.get, command_id, 0):
            for chunk in part["chunks"]:
                sink.chunk(target, chunk)
    else:
        with leaving(f"left running; stop it with: opsctl cancel {command_id}"):
            follow.watch(client, [target], "", sink)
            item = follow.Patient(client).get(f"/api/v1/commands/{command_id}")
    if as_json:
        show.as_json(item | {"chunks": kept.chunks.get(command_id, [])})
    if keep_on:
        return outcome.judge([item])
    if item["state"] not in COMMAND_FINAL:
        show.say(f"{item['state']}: {window_of(item) or item['reason']}")
    return 0


@click.command()
@click.argument("command_id", metavar="ID")
@json_option
def cancel(command_id: str, as_json: bool) -> None:
    """Stop a command: at once while it waits, else by asking its host to."""
    data = connect().post(f"/api/v1/commands/{command_id}/cancel")
    if as_json:
        show.as_json(data)
    show.say("canceled" if data["state"] == "canceled" else f"the host was asked to stop it; still {data['state']}")
