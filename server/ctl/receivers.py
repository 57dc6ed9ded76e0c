"""`opsctl receivers` and `opsctl deliveries`: who is told of alerts, and what was told to whom (M5)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from server.ctl import listing, names, show
from server.ctl.client import Client, if_match
from server.ctl.options import Pair, connect, json_option
from server.ctl.problems import Problem, Usage

KINDS = ("webhook", "alertmanager", "chat", "mail")
SEVERITIES = ("info", "warning", "critical")
LISTS, NUMBERS = ("to",), ("port", "burst")


@click.group()
def receivers() -> None:
    """Who is told of alerts. RECEIVER is a name in full, or an id."""


@receivers.command("list")
@click.option("--q", default="", help="Only those with this in name or selector.")
@click.option("--kind", type=click.Choice(["", *KINDS]), default="", help="Only of this kind.")
@click.option("--health", type=click.Choice(["", "fine", "failing", "untried", "off"]), default="", help="Only those that stand so.")
@click.option("--on/--off", "enabled", default=None, help="Only those that are on, or off.")
@listing.sorted_option
@json_option
def list_(enabled: bool | None, as_json: bool, **wanted: Any) -> None:
    """List the receivers with how well they take what they are given."""
    data = connect().get("/api/v1/receivers", enabled=listing.switched(enabled), **wanted)
    if as_json:
        show.as_json(data)
        return
    rows = [
        (one["name"], one["kind"], one["health"], one["waiting"], one["min_severity"], one["problem"], one["id"]) for one in data["items"]
    ]
    show.table(("NAME", "KIND", "HEALTH", "WAITING", "FROM", "PROBLEM", "ID"), rows)
    if not rows:
        asked = enabled is not None or any(wanted[name] for name in ("q", "kind", "health"))
        show.say("no receiver fits" if asked else "nobody is told of alerts yet; opsctl receivers make webhook NAME --set url=https://…")


@receivers.command("show")
@click.argument("receiver")
@json_option
def show_(receiver: str, as_json: bool) -> None:
    """Show RECEIVER with its settings, without its secrets."""
    found = _receiver(connect(), receiver)
    if as_json:
        show.as_json(found)
        return
    pairs = [
        (name.replace("_", " "), found[name])
        for name in ("name", "kind", "health", "problem", "min_severity", "selector", "waiting", "id", "version")
    ]
    pairs += [("events", ", ".join(found["events"])), ("secrets", ", ".join(found["secrets"]))]
    pairs += [("last taken", show.moment(found["ok_at"]) if found["ok_at"] else "never")]
    pairs += [(name, ", ".join(value) if isinstance(value, list) else value) for name, value in found["settings"].items()]
    show.pairs([(name, value) for name, value in pairs if value != ""])


def _options(command: Any) -> Any:
    for option in (
        click.option("--min-severity", type=click.Choice(SEVERITIES), default=None, help="The least that it is told of."),
        click.option("--select", "selector", default=None, help="Only alerts of the nodes that this selector means; empty: of all."),
        click.option("--event", "events", multiple=True, help="A kind of event that it is told of; may be repeated."),
        click.option("--set", "settings", multiple=True, type=Pair(), help="A setting such as url=https://…; may be repeated."),
        click.option("--secrets-file", default=None, metavar="FILE|-", help="A JSON object of secrets, such as a password."),
        click.option("--ca", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The only authorities that count, as PEM."),
        json_option,
    ):
        command = option(command)
    return command


@receivers.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
@_options
def make(kind: str, name: str, as_json: bool, **wanted: Any) -> None:
    """Make a receiver of this KIND. Prints its id and, of a webhook, on a second line the secret that was made; it is not shown again."""
    data = connect().create("/api/v1/receivers", {"kind": kind, "name": name, **_wanted(**wanted)})
    if as_json:
        show.as_json(data)
        return
    print(data["id"])
    if data["secret"]:
        print(data["secret"])


@receivers.command()
@click.argument("receiver")
@click.option("--name", default=None, help="Another name.")
@click.option("--on/--off", "enabled", default=None, help="Switch it on or off; off, what waits for it fails.")
@_options
def change(receiver: str, name: str | None, enabled: bool | None, as_json: bool, **wanted: Any) -> None:
    """Change RECEIVER; what is not named stays as it is."""
    client = connect()
    found = _receiver(client, receiver)
    more = {key: value for key, value in (("name", name), ("enabled", enabled)) if value is not None}
    data = client.call("PATCH", f"/api/v1/receivers/{found['id']}", json=more | _wanted(**wanted), headers=if_match(found))
    if as_json:
        show.as_json(data)


@receivers.command()
@click.argument("receiver")
@json_option
def test(receiver: str, as_json: bool) -> None:
    """Send RECEIVER a message that says it is a test, and print the answer."""
    client = connect()
    data = client.post(f"/api/v1/receivers/{_receiver(client, receiver)['id']}/test")
    if as_json:
        show.as_json(data)
    said = f"{data['status'] or 'no answer'}: {data['answer']} {data['note']}".strip().rstrip(":")
    if not data["ok"]:
        raise Problem(f"it was not taken ({data['took_ms']} ms): {said}")
    show.say(f"taken in {data['took_ms']} ms: {said}")


@receivers.command()
@click.argument("receiver")
@json_option
def rotate(receiver: str, as_json: bool) -> None:
    """Give a webhook another secret and print it; the one before signs as well for a day."""
    client = connect()
    found = _receiver(client, receiver)
    data = client.call("POST", f"/api/v1/receivers/{found['id']}/rotate", headers=if_match(found))
    show.as_json(data) if as_json else print(data["secret"])


@receivers.command()
@click.argument("receiver")
def delete(receiver: str) -> None:
    """Delete RECEIVER; what waits for it fails, the log of deliveries stays."""
    client = connect()
    found = _receiver(client, receiver)
    client.call("DELETE", f"/api/v1/receivers/{found['id']}", headers=if_match(found))


@click.command()
@click.option("--receiver", default="", help="Only of this receiver.")
@click.option("--state", type=click.Choice(["", "waiting", "sent", "failed"]), default="", help="Only in this state.")
@click.option("--alert", default="", help="Only of the alert with this id.")
@click.option("--kind", default="", help="Only of this kind of event: opened, acknowledged, resolved, reminded, grouped or test.")
@click.option("--again", default="", metavar="ID", help="Instead: send this one again, which has failed.")
@listing.between("written")
@listing.paged
def deliveries(receiver: str, limit: int, again: str, as_json: bool, **wanted: Any) -> None:
    """List what was told to whom, the newest first."""
    client = connect()
    if again:
        client.post(f"/api/v1/deliveries/{again}/again")
        return
    found = _receiver(client, receiver)["id"] if receiver else ""
    data = client.get("/api/v1/deliveries", receiver=found, size=limit, **wanted)
    if as_json:
        show.as_json(data)
        return
    rows = []
    for one in data["items"]:
        about = " ".join(part for part in (one["event"]["node_name"], one["event"]["rule_name"]) if part)
        what = f"{one['event_kind']}: {about}"
        rows.append((show.moment(one["created_at"]), one["receiver_name"], what, one["state"], one["attempts"], one["reason"], one["id"]))
    show.table(("WHEN", "RECEIVER", "WHAT", "STATE", "ATTEMPTS", "REASON", "ID"), rows)
    listing.more(data, "delivery")


def _wanted(
    min_severity: str | None,
    selector: str | None,
    events: tuple[str, ...],
    settings: tuple[tuple[str, str], ...],
    secrets_file: str | None,
    ca: Path | None,
) -> dict[str, Any]:
    """What the API takes, of what was named. Raises Usage."""
    given: dict[str, Any] = {name: _typed(name, value) for name, value in settings}
    if ca is not None:
        given["ca"] = ca.read_text(encoding="utf-8", errors="replace")
    named = {"min_severity": min_severity, "selector": selector, "events": list(events) or None}
    return {key: value for key, value in named.items() if value is not None} | {"settings": given, "secrets": _secrets(secrets_file)}


def _typed(name: str, value: str) -> Any:
    if name in LISTS:
        return [one.strip() for one in value.split(",") if one.strip()]
    if name in NUMBERS:
        if not value.isascii() or not value.isdigit():
            raise Usage(f"--set {name}: {value!r} is not a whole number")
        return int(value)
    return value


def _secrets(source: str | None) -> dict[str, str]:
    """From a file or stdin, never from an argument: others can read those."""
    if source is None:
        return {}
    try:
        found = json.loads(sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise Usage(f"--secrets-file: {problem}") from problem
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise Usage('--secrets-file: a JSON object of texts is expected, such as {"password": "…"}')
    return found


def _receiver(client: Client, wanted: str) -> dict[str, Any]:
    """By name or id. Raises Missing, Problem."""
    return names.one_of(client, "/api/v1/receivers", wanted, "receivers")
