"""`opsctl run`: a command or script on one node or many, its output live, its outcome as the exit code."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from host.wire.tasks import MAX_SCRIPT_BYTES
from server.ctl import follow, names, results, show
from server.ctl.client import Client
from server.ctl.interrupt import PERHAPS, leaving
from server.ctl.options import Duration, confirm_option, connect, json_option, text_of
from server.ctl.outcome import judge
from server.ctl.problems import Problem, Usage

IN_WINDOW = "Wait for a maintenance window of each node, so long at most (7d where nothing is said)."


class _WithCommand(click.Command):
    """Everything after the first `--` is the command, whatever it looks like."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = args.index("--") if "--" in args else len(args)
        ctx.meta["command"] = args[at + 1 :]
        return super().parse_args(ctx, args[:at])

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- COMMAND...]"]


@click.command(cls=_WithCommand)
@click.argument("nodes", nargs=-1, metavar="[NODE...]")
@click.option("--select", "selector", default=None, help="Instead of names: on the nodes that this selector means now.")
@click.option("--file", "file", metavar="FILE|-", help="Run this script (- for stdin).")
@click.option("--python", is_flag=True, help="It is Python; without this, shell.")
@click.option("--timeout", type=Duration(), default="5m", show_default=True, help="Stop it on the host after so long.")
@click.option("--in-window", type=Duration(), default=0, is_flag=False, flag_value="7d", metavar="[7d]", help=IN_WINDOW)
@click.option("--no-wait", is_flag=True, help="Print the command's id, or each with its node, and leave them to run.")
@confirm_option
@json_option
@click.pass_context
def run(
    ctx: click.Context,
    nodes: tuple[str, ...],
    selector: str | None,
    file: str | None,
    python: bool,
    timeout: int,
    in_window: int,
    no_wait: bool,
    confirm: tuple[str, ...],
    as_json: bool,
) -> int:
    """Run COMMAND, or the script FILE, on each NODE (name or id).

    One word after -- is taken as a line of shell: opsctl run web1 -- 'df -h | tail -1'.
    Several are a program and its arguments: opsctl run web1 -- ls -l '/a b'.
    """
    content = _content(file, ctx.meta["command"], python) | {"timeout": timeout}
    client = connect()
    wanted = meant(client, nodes, selector)
    wish = {"nodes": list(wanted), "type": "script", "content": content, "confirm": list(confirm), "wait_for_window": in_window}
    with leaving(PERHAPS) as left:
        task = client.create("/api/v1/commands", wish)
        targets = [follow.Target(command_id, wanted[node_id]["name"]) for node_id, command_id in task["commands"].items()]
        left.says(*left_running(task, targets))
        said_windows(client, targets if in_window else [])
        return announce(task, targets, as_json) if no_wait else wait_for(client, task, targets, wanted, as_json)


def meant(client: Client, wanted: tuple[str, ...], selector: str | None) -> dict[str, Any]:
    """Id → node. What a selector means is looked up once, so that what is said and what is run are the same nodes. Raises Usage."""
    if bool(wanted) == (selector is not None):
        raise Usage("say where: either names of nodes or --select SELECTOR")
    if selector is None:
        return {item["id"]: item for item in (names.node(client, name) for name in wanted)}
    explained = client.post("/api/v1/selectors/preview", {"selector": selector})
    items = names.everything(client, "/api/v1/nodes", select=selector)
    able = {item["id"]: item for item in items if item["state"] in ("online", "offline", "unknown")}
    left = f"; {len(items) - len(able)} more take no commands" if len(items) > len(able) else ""
    if not able:
        raise Problem(f"no node: {explained['explanation']}{left}")
    show.say(f"on {len(able)}: {explained['explanation']}{left}")
    return able


def wait_for(
    client: Client,
    task: dict[str, Any],
    targets: Sequence[follow.Target],
    nodes: Mapping[str, Mapping[str, Any]],
    as_json: bool,
    shown: Callable[[Client, list[dict[str, Any]]], None] | None = None,
) -> int:
    """Pass the output on until all have ended; the exit code. `shown` prints what they returned."""
    for item in nodes.values():
        if item["state"] != "online":
            show.say(f"{item['name']} is {item['state']}: waiting for it to fetch the command")
    kept = follow.Kept()
    sink: follow.Sink = kept if as_json else follow.Raw() if len(targets) == 1 else follow.Prefixed()
    follow.watch(client, targets, task["task_id"], sink)
    ended = follow.everything_of(follow.Patient(client), task["task_id"])
    if as_json:
        results.fetch(client, ended)
        show.as_json(task | {"results": [item | {"chunks": kept.chunks.get(item["id"], [])} for item in ended]})
    elif shown is not None:
        shown(client, ended)
    return judge(ended)


def left_running(task: dict[str, Any], targets: Sequence[follow.Target]) -> list[str]:
    """What Ctrl-C says once the manager has the commands."""
    first = "left running on the host" + ("" if len(targets) == 1 else "s") + "; go on watching, or stop it:"
    lines = [f"  opsctl output --follow {one.command_id}   opsctl cancel {one.command_id}   # {one.name}" for one in targets[:20]]
    more = [f"  and {len(targets) - 20} more: opsctl commands --task {task['task_id']}"] if len(targets) > 20 else []
    return [first, *lines, *more]


def said_windows(client: Client, targets: Sequence[follow.Target]) -> None:
    """For what the first of them wait."""
    for target in targets[:10]:
        show.say(f"{target.name} {window_of(client.get(f'/api/v1/commands/{target.command_id}'))}")


def window_of(command: Mapping[str, Any]) -> str:
    """What a command's answer says of the window that it waits for; nothing where it does not."""
    window = command.get("window")
    if not window or not window["waits"] or command["state"] != "queued":
        return ""
    if not window["opens_at"]:
        return f"waits for a maintenance window, and none comes: {window['why']}; it expires {show.moment(command['expires_at'])}"
    return f"waits for window {window['name']}, opens {window['local']} {window['zone']} ({show.moment(window['opens_at'])})"


def _content(file: str | None, command: Sequence[str], python: bool) -> dict[str, Any]:
    if bool(command) == bool(file):
        raise Usage("say what to run: either --file FILE or -- COMMAND")
    interpreter = "python" if python else "shell"
    if file:
        return {"script": _script(file), "interpreter": interpreter}
    if python:
        return {"script": command[0], "arguments": list(command[1:]), "interpreter": interpreter}
    return {"script": command[0] if len(command) == 1 else shlex.join(command), "interpreter": interpreter}


def _script(file: str) -> str:
    text = text_of(file, MAX_SCRIPT_BYTES, f"a script has at most {MAX_SCRIPT_BYTES} bytes")
    if not text.strip():
        raise Usage(f"{file}: it is empty")
    return text


def announce(task: dict[str, Any], targets: Sequence[follow.Target], as_json: bool) -> int:
    """What was given, without waiting for it."""
    if as_json:
        show.as_json(task)
        return 0
    for target in targets:
        print(target.command_id if len(targets) == 1 else f"{target.command_id}  {show.clean(target.name)}")
    return 0
