"""`opsctl rules`: what is watched, and what a rule would have done (M5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from server.ctl import listing, names, show
from server.ctl.client import Client, if_match
from server.ctl.fields import Fields, help_of, schema_of
from server.ctl.options import Duration, connect, json_option
from server.ctl.outcome import told
from server.ctl.problems import Usage

SEVERITIES = ("info", "warning", "critical")
SCRIPT, NOTHING = "script", "none"


@click.group()
def rules() -> None:
    """Alert rules: what is watched on which nodes. RULE is a name in full, or an id."""


@rules.command("list")
@click.option("--q", default="", help="Only those with this in name, metric, subject or selector.")
@click.option("--kind", default="", help="Only of this kind, such as metric.")
@click.option("--severity", type=click.Choice(["", *SEVERITIES]), default="", help="Only of this severity.")
@click.option("--on/--off", "enabled", default=None, help="Only those that are on, or off.")
@listing.sorted_option
@json_option
def list_(enabled: bool | None, as_json: bool, **wanted: Any) -> None:
    """List the rules with how many of their alerts are open."""
    data = connect().get("/api/v1/alert-rules", enabled=listing.switched(enabled), **wanted)
    if as_json:
        show.as_json(data)
        return
    rows = [
        (item["name"], _on(item), item["severity"], _says(item), item["selector"], item["open"], item["problem"], item["id"])
        for item in data["items"]
    ]
    show.table(("NAME", "", "SEVERITY", "WHAT", "NODES", "OPEN", "PROBLEM", "ID"), rows)
    if not rows:
        show.say("no rule fits")


@rules.command("show")
@click.argument("rule")
@json_option
def show_(rule: str, as_json: bool) -> None:
    """Show RULE with its command."""
    client = connect()
    data = client.get(f"/api/v1/alert-rules/{one(client, rule)['id']}")
    if as_json:
        show.as_json(data)
        return
    wanted = ("name", "id", "kind", "metric", "subject", "selector", "severity", "comparison", "threshold", "clear")
    lines = [(name, data[name]) for name in wanted if data[name] != ""]
    lines += [(name.replace("_", " "), f"{data[name]} s") for name in ("hold", "clear_after", "span") if data[name]]
    lines += [("enabled", "yes" if data["enabled"] else "no"), ("open", data["open"]), ("version", data["version"])]
    if data["problem"]:
        lines.append(("problem", data["problem"]))
    if data["command"]:
        lines.append(("starts", f"{data['command']['kind']} {data['command']['content']}, at most {data['command_limit']} an hour"))
    show.pairs(lines)


def _options(command: Any) -> Any:
    for option in (
        click.option("--select", "selector", default=None, help="The nodes that it is for."),
        click.option("--metric", default=None, help="Of the kinds metric and change: what is measured, such as cpu_usage."),
        click.option("--subject", default=None, help="Only this mount, device, interface, core or GPU."),
        click.option("--below", "comparison", flag_value="below", default=None, help="Bad below the threshold."),
        click.option("--above", "comparison", flag_value="above", default=None, help="Bad above it."),
        click.option("--threshold", default=None, metavar="90%|10GiB|5m", help="From when on it is bad."),
        click.option("--clear", default=None, metavar="85%", help="From when on it is good again."),
        click.option("--hold", type=Duration(), default=None, help="So long must it be bad."),
        click.option("--clear-after", type=Duration(), default=None, help="So long must it be good again."),
        click.option("--span", type=Duration(), default=None, help="Of the kinds change, agent-restarts and outbox: the time looked at."),
        click.option("--severity", type=click.Choice(SEVERITIES), default=None, help="How bad it is."),
        click.option(
            "--starts", default=None, metavar="KIND|none", help="A task to start on the node that raised it; its fields follow --."
        ),
        click.option("--script", default=None, help="Short for --starts script -- --script TEXT."),
        click.option("--command-limit", type=click.INT, default=None, metavar="N", help="It is started at most so often an hour."),
        click.argument("fields", nargs=-1, type=click.UNPROCESSED, metavar="[-- FIELDS OF THE TASK]"),
        json_option,
    ):
        command = option(command)
    return command


@rules.command()
@click.argument("name")
@click.argument("kind")
@click.option("--try", "only_try", is_flag=True, help="Only say what it would have done in the last days.")
@click.option("--days", type=click.IntRange(1, 30), default=7, show_default=True, help="So many, with --try.")
@_options
def make(name: str, kind: str, only_try: bool, days: int, as_json: bool, **wanted: Any) -> None:
    """Make a rule: opsctl rules make 'CPU busy' metric --metric cpu_usage --threshold 90% --hold 5m --select env=prod.

    opsctl rules make NAME KIND --starts service -- --help names the fields of the task that it starts.
    """
    client = connect()
    given = _given(client, wanted)
    if "selector" not in given:
        raise Usage("--select is needed: the nodes that the rule is for, or all")
    body: dict[str, Any] = {"name": name, "kind": kind, **given}
    if only_try:
        _preview(client.call("POST", "/api/v1/alert-rules/preview", params={"days": days}, json=body), as_json)
        return
    data = client.create("/api/v1/alert-rules", body)
    for text in data["warnings"]:
        show.say(f"note: {text}")
    show.as_json(data) if as_json else print(data["id"])


@rules.command()
@click.argument("rule")
@click.option("--name", default=None, help="Another name.")
@_options
def change(rule: str, as_json: bool, **wanted: Any) -> None:
    """Change RULE; what is not named stays as it is. With --starts none it starts nothing any more."""
    client = connect()
    data = _patch(client, one(client, rule), _given(client, wanted))
    for text in data["warnings"]:
        show.say(f"note: {text}")
    if as_json:
        show.as_json(data)


@rules.command()
@click.argument("rule")
@click.option("--days", type=click.IntRange(1, 30), default=7, show_default=True, help="So many days back.")
@json_option
def preview(rule: str, days: int, as_json: bool) -> None:
    """Say what RULE would have done in the last days, and where it is bad now."""
    client = connect()
    _preview(client.get(f"/api/v1/alert-rules/{one(client, rule)['id']}/preview", days=days), as_json)


@rules.command()
@click.argument("rule", nargs=-1, required=True)
@click.argument("state", type=click.Choice(["on", "off"]))
@json_option
def switch(rule: tuple[str, ...], state: str, as_json: bool) -> None:
    """Switch each RULE on or off; off, its alerts are resolved."""
    client = connect()
    found = [one(client, name)["id"] for name in rule]
    told(client.post("/api/v1/alert-rules/switch", {"rules": found, "enabled": state == "on"}), f"switched {state}", as_json)


@rules.command()
@click.argument("rule")
def delete(rule: str) -> None:
    """Delete RULE. Its alerts are resolved and stay in the history."""
    client = connect()
    found = one(client, rule)
    client.call("DELETE", f"/api/v1/alert-rules/{found['id']}", headers=if_match(found))


def one(client: Client, wanted: str) -> dict[str, Any]:
    """A rule by its name or id. Raises Missing, Problem."""
    return names.one_of(client, "/api/v1/alert-rules", wanted, "rules")


def _given(client: Client, wanted: dict[str, Any]) -> dict[str, Any]:
    """What was given of a rule, with the task that it starts. Raises Usage."""
    starts, script, words = (wanted.pop(name) for name in ("starts", "script", "fields"))
    given = {key: value for key, value in wanted.items() if value is not None}
    if script is not None:
        if starts is not None:
            raise Usage("give either --script or --starts")
        starts, words = SCRIPT, ("--script", script, *words)
    if starts is None:
        if words:
            raise Usage(f"{words[0]}: what follows -- are fields of a task; say which kind of task with --starts")
    elif starts == NOTHING:
        if words:
            raise Usage(f"{words[0]}: with --starts {NOTHING} there are no fields")
        given["command"] = None
    else:
        given["command"] = {"kind": starts, "content": _content(client, starts, words)}
    return given


def _content(client: Client, kind: str, words: Sequence[str]) -> dict[str, Any]:
    """The content of a task of that kind, of the words after `--`, which are read as `opsctl task` reads them. Raises Usage."""
    schema = schema_of(client, kind)
    fields = Fields(schema)
    typed = f"{click.get_current_context().command_path} … --starts {kind} --"
    command = click.Command(kind, params=fields.params, callback=fields.content, help=help_of(schema), options_metavar="[FIELDS]")
    with command.make_context(typed, list(words)) as context:
        content: dict[str, Any] = command.invoke(context)
    return content


def _patch(client: Client, found: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    changed: dict[str, Any] = client.call("PATCH", f"/api/v1/alert-rules/{found['id']}", json=body, headers=if_match(found))
    return changed


def _preview(data: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show.as_json(data)
        return
    days = round((data["until"] - data["since"]) / 86_400_000)
    span = f"{days} days" if days > 1 else "day"
    if data["known"]:
        times = "once" if data["fired"] == 1 else f"{data['fired']} times"
        print(f"would have fired {times} in the last {span}, on {data['on']} of {_nodes(data['meant'])}")
    else:
        print(f"{_nodes(data['meant'])}; how often it would have fired cannot be told")
    if data["bad_now"] is not None:
        print(f"beyond the threshold now: {_nodes(data['bad_now'])}")
    for text in data["notes"]:
        show.say(f"note: {text}")
    if data["nodes"]:
        rows = [(item["name"], item["times"], show.moment(item["last_at"]), "yes" if item["open"] else "") for item in data["nodes"]]
        show.table(("NODE", "TIMES", "LAST", "STILL"), rows)


def _nodes(count: int) -> str:
    return f"{count} node{'s' if count != 1 else ''}"


def _on(item: dict[str, Any]) -> str:
    return "on" if item["enabled"] else "off"


def _says(item: dict[str, Any]) -> str:
    what = item["metric"] or item["kind"]
    where = f" of {item['subject']}" if item["subject"] else ""
    return f"{what}{where} {item['comparison']} {item['threshold']}" if item["threshold"] else f"{what}{where}"
