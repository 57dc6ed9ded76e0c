"""`opsctl task KIND NODE…` and `opsctl kinds`: tasks of every kind, with options made of what the manager knows of the kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem

from server.ctl import follow, listing, names, results, show
from server.ctl.client import Client
from server.ctl.fields import Fields, help_of, schema_of
from server.ctl.interrupt import PERHAPS, leaving
from server.ctl.options import Duration, connect, json_option
from server.ctl.problems import Problem
from server.ctl.run import IN_WINDOW, announce, left_running, meant, said_windows, wait_for

_TAKEN = ("json", "no-wait", "title", "in-window", "confirm", "select")
"""Options of every task: a field of such a name is set by --set."""


class _Kinds(click.Group):
    """A verb for each kind that any node runs. Which those are is asked of the manager."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [item["kind"] for item in connect().get("/api/v1/kinds")["items"]]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return _verb(schema_of(connect(), cmd_name))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        try:
            return super().shell_complete(ctx, incomplete)
        except Problem:
            return []  # completion has no place for a message


@click.group(cls=_Kinds, subcommand_metavar="KIND [NODE...] [OPTIONS]")
def task() -> None:
    """Run a task of KIND on each NODE (name or id), or on those that --select means.

    opsctl task KIND --help names the kind's options.
    """


@click.command()
@click.argument("node", required=False, default="")
@click.option("--q", default="", help="Only those with this in kind, label or help.")
@click.option("--builtin/--plugins", "builtin", default=None, help="Only those that come with the agent, or only plugins.")
@listing.sorted_option
@json_option
def kinds(node: str, q: str, builtin: bool | None, sort: str | None, as_json: bool) -> None:
    """List the kinds of task that NODE's agent, or any node's, runs."""
    client = connect()
    path = f"/api/v1/nodes/{names.node(client, node)['id']}/kinds" if node else "/api/v1/kinds"
    data = client.get(path, q=q, builtin=listing.switched(builtin), sort=sort)
    if as_json:
        show.as_json(data)
        return
    heads = ("KIND", "LABEL", "FIELDS") if node else ("KIND", "LABEL", "NODES", "FIELDS")
    rows = []
    for item in data["items"]:
        fields = " ".join(one["name"] for one in item["fields"])
        rows.append((item["kind"], item["label"], fields) if node else (item["kind"], item["label"], item["nodes"], fields))
    show.table(heads, rows)
    if not rows:
        show.say("no kind fits")
    for name, why in sorted(data.get("refused", {}).items()):
        show.say(f"refused: {name}: {why}")
    if node and data["told_at"] is None:
        show.say("it has not told its kinds yet; these come with every agent")


def _verb(schema: dict[str, Any]) -> click.Command:
    """The kind as a command: one option for each field."""
    fields = Fields(schema, _TAKEN)
    params: list[click.Parameter] = [click.Argument(["nodes"], nargs=-1, metavar="[NODE...]"), *fields.params]
    params += [
        click.Option(["--title", "task_name"], default="", help="How to find it again in the history."),
        click.Option(["--in-window"], type=Duration(), default=0, is_flag=False, flag_value="7d", metavar="[7d]", help=IN_WINDOW),
        click.Option(["--select", "selector"], default=None, help="Instead of names: on the nodes that this selector means now."),
        click.Option(
            ["--confirm", "confirm"], multiple=True, metavar="NAME", help="The name of a protected group that some of them are in."
        ),
        click.Option(["--no-wait"], is_flag=True, help="Print the command's id, or each with its node, and leave them to run."),
        click.Option(["--json", "as_json"], is_flag=True, help="Print the API's data instead of text."),
    ]

    def go(
        nodes: tuple[str, ...],
        selector: str | None,
        sets: Any,
        set_files: Any,
        task_name: str,
        in_window: int,
        confirm: Any,
        no_wait: bool,
        as_json: bool,
        **given: Any,
    ) -> int:
        content = fields.content(sets, set_files, **given)
        wish = {"type": schema["kind"], "content": content, "name": task_name, "confirm": list(confirm), "wait_for_window": in_window}
        return _send(nodes, selector, wish, no_wait, as_json)

    return click.Command(schema["kind"], params=params, callback=go, help=help_of(schema))


def _send(nodes: tuple[str, ...], selector: str | None, wish: dict[str, Any], no_wait: bool, as_json: bool) -> int:
    client = connect()
    wanted = meant(client, nodes, selector)
    with leaving(PERHAPS) as left:
        given = client.create("/api/v1/commands", {"nodes": list(wanted), **wish})
        targets = [follow.Target(command_id, wanted[node_id]["name"]) for node_id, command_id in given["commands"].items()]
        left.says(*left_running(given, targets))
        said_windows(client, targets if wish["wait_for_window"] else [])
        shown: Callable[[Client, list[dict[str, Any]]], None] = results.show_all
        return announce(given, targets, as_json) if no_wait else wait_for(client, given, targets, wanted, as_json, shown)
