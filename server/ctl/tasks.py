"""`opsctl task KIND NODE…` and `opsctl kinds`: tasks of every kind, with options made of what the manager knows of the kind."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from server.ctl import follow, listing, names, results, show
from server.ctl.client import Client
from server.ctl.interrupt import PERHAPS, leaving
from server.ctl.options import Duration, connect, json_option
from server.ctl.problems import Problem, Usage
from server.ctl.run import IN_WINDOW, announce, left_running, meant, said_windows, wait_for

MAX_BYTES = 2 * 1024 * 1024
_TAKEN = ("json", "no-wait", "title", "in-window", "set", "set-file", "confirm", "select", "help")
"""Options of every kind: a field of such a name is set by --set."""


class _Kinds(click.Group):
    """A verb for each kind that any node runs. Which those are is asked of the manager."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [item["kind"] for item in connect().get("/api/v1/kinds")["items"]]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        items = connect().get("/api/v1/kinds")["items"]
        found = next((item for item in items if item["kind"] == cmd_name), None)
        if found is None:
            raise Usage(f"there is no kind {cmd_name!r}; opsctl kinds lists them: {', '.join(item['kind'] for item in items[:20])}")
        return _verb(found)

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
    for name, why in sorted(data.get("refused", {}).items()):
        show.say(f"refused: {name}: {why}")
    if node and data["told_at"] is None:
        show.say("it has not told its kinds yet; these come with every agent")


def _verb(schema: dict[str, Any]) -> click.Command:
    """The kind as a command: one option for each field."""
    fields = {one["name"]: one for one in schema["fields"]}
    params: list[click.Parameter] = [click.Argument(["nodes"], nargs=-1, metavar="[NODE...]")]
    options: dict[str, str] = {}
    for name, one in fields.items():
        flag = name.replace("_", "-")
        if flag in _TAKEN or one["secret"]:
            continue
        options[f"f_{name}"] = name
        params.append(_option(f"--{flag}", f"f_{name}", one))
    params += [
        click.Option(["--set", "sets"], multiple=True, metavar="FIELD=VALUE", help="Set any field; VALUE is JSON where it is JSON."),
        click.Option(["--set-file", "set_files"], multiple=True, metavar="FIELD=FILE|-", help=_secret_help(fields)),
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
        content = {options[key]: _value(fields[options[key]], value) for key, value in given.items() if value not in (None, ())}
        content |= _set(fields, sets, set_files)
        wish = {"type": schema["kind"], "content": content, "name": task_name, "confirm": list(confirm), "wait_for_window": in_window}
        return _send(nodes, selector, wish, no_wait, as_json)

    text = "\n\n".join(show.clean(part) for part in (schema["label"], schema["help"]) if part)
    return click.Command(schema["kind"], params=params, callback=go, help=text)


def _option(flag: str, key: str, one: Mapping[str, Any]) -> click.Option:
    """Neither bounds nor what is required are checked here: nodes may differ, and the manager says it better."""
    if one["type"] == "boolean":
        return click.Option([f"{flag}/--no-{flag[2:]}", key], default=None, help=_help(one))
    kind: Any = str
    if one["type"] == "choice":
        kind = click.Choice(one["choices"])
    elif one["type"] == "integer":
        kind = Duration() if one["unit"] == "s" else click.INT
    elif one["type"] == "number":
        kind = click.FLOAT
    many = one["type"] in ("list", "map")
    metavar = {"map": "NAME=VALUE", "value": "JSON|TEXT", "path": "PATH", "file": "FILE-ID"}.get(one["type"])
    return click.Option([flag, key], type=kind, multiple=many, default=None, metavar=metavar, help=_help(one))


def _help(one: Mapping[str, Any]) -> str:
    parts = [one["label"] + ("" if not one["help"] else f": {one['help']}")]
    low, high, unit = one["least"], one["most"], f" {one['unit']}" if one["unit"] else ""
    if low is not None or high is not None:
        parts.append(f"{'' if low is None else f'{low:g}'}..{'' if high is None else f'{high:g}'}{unit}")
    if one["type"] in ("list", "map"):
        parts.append("may be given again")
    for name, values in one["only"].items():
        parts.append(f"with {name} {' or '.join(str(value) for value in values)}")
    if one["required"]:
        parts.append("required")
    elif one["default"] not in (None, "", [], {}, False):
        parts.append(f"default {one['default']}")
    return show.clean("; ".join(part for part in parts if part))


def _secret_help(fields: Mapping[str, Mapping[str, Any]]) -> str:
    secret = [name for name, one in fields.items() if one["secret"]]
    text = "Set a field to a file's text; of a list or map one item a line."
    return text + (f" For what must not stand on a command line: {', '.join(secret)}." if secret else "")


def _value(one: Mapping[str, Any], value: Any) -> Any:
    if one["type"] == "list":
        return list(value)
    if one["type"] == "map":
        return dict(_pair(one["name"], item) for item in value)
    return _json_or_text(value) if one["type"] == "value" else value


def _set(fields: Mapping[str, Mapping[str, Any]], sets: tuple[str, ...], files: tuple[str, ...]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for item in sets:
        name, value = _pair("--set", item)
        if _field(fields, name)["secret"]:
            raise Usage(f"{name} is secret and would be seen in the list of processes; use --set-file {name}=FILE")
        content[name] = value if fields[name]["type"] in ("text", "block", "path", "file", "choice") else _json_or_text(value)
    for item in files:
        name, file = _pair("--set-file", item)
        content[name] = _of_file(_field(fields, name), _read(file))
    return content


def _of_file(one: Mapping[str, Any], text: str) -> Any:
    lines = [line for line in text.split("\n") if line.strip()]
    if one["type"] == "list":
        return lines
    if one["type"] == "map":
        return dict(_pair(one["name"], line) for line in lines)
    if one["type"] == "block":
        return text
    # An editor ends a file with a newline that is no part of a password.
    plain = text.removesuffix("\n")
    return plain if one["type"] in ("text", "path", "file", "choice") else _json_or_text(plain)


def _field(fields: Mapping[str, Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    if name not in fields:
        raise Usage(f"there is no field {name!r}; there is {', '.join(fields)}")
    return fields[name]


def _pair(where: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        # Not the text itself: it may be a secret.
        raise Usage(f"{where}: write it as NAME=VALUE")
    return name, value


def _json_or_text(text: Any) -> Any:
    try:
        return json.loads(text, parse_constant=str)
    except (ValueError, RecursionError):
        return text


def _read(file: str) -> str:
    try:
        with nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise Usage(f"{file}: larger than {MAX_BYTES} bytes")
        return data.decode()
    except OSError as problem:
        raise Usage(f"{file}: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise Usage(f"{file}: not UTF-8 text, byte {problem.start} is the first that is not") from problem


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
