"""`opsctl windows`: maintenance windows, made and looked after (M5)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click

from server.ctl import listing, names, show
from server.ctl.client import Client, if_match
from server.ctl.options import Duration, connect, json_option
from server.ctl.problems import Usage

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MS = 86_400_000


@click.group()
def windows() -> None:
    """Maintenance windows: when alerts are silent, and when commands that wait for one go. WINDOW is a name or an id."""


@windows.command("list")
@click.option("--days", type=click.IntRange(1, 400), default=30, show_default=True, help="So many days ahead.")
@click.option("--q", default="", help="Only those with this in name, reason or selector.")
@click.option("--on/--off", "enabled", default=None, help="Only those that are on, or off.")
@click.option("--open/--shut", "is_open", default=None, help="Only those that are open now, or are not.")
@listing.sorted_option
@json_option
def list_(days: int, q: str, enabled: bool | None, is_open: bool | None, sort: str | None, as_json: bool) -> None:
    """List the windows with their next opening."""
    client = connect()
    now = client.get("/api/v1/windows", size=1)["since"]
    wanted = {"q": q, "enabled": listing.switched(enabled), "open": listing.switched(is_open), "sort": sort}
    data = client.get("/api/v1/windows", since=now, until=now + days * DAY_MS, **wanted)
    if as_json:
        show.as_json(data)
        return
    rows = [
        (item["name"], _state(item), *_next(item), item["selector"], "yes" if item["silence_alerts"] else "no", _yes(item), item["id"])
        for item in data["items"]
    ]
    show.table(("NAME", "STATE", "NEXT OPENS", "UNTIL", "ZONE", "NODES", "SILENT", "COMMANDS", "ID"), rows)
    if not rows:
        asked = q or enabled is not None or is_open is not None
        show.say("no maintenance window fits" if asked else "no maintenance window yet; make one with: opsctl windows make")


@windows.command("show")
@click.argument("window")
@json_option
def show_(window: str, as_json: bool) -> None:
    """Show WINDOW: its next openings, its nodes, and what is odd about it."""
    client = connect()
    data = client.get(f"/api/v1/windows/{_one(client, window)['id']}")
    if as_json:
        show.as_json(data)
        return
    lines = [("name", data["name"]), ("id", data["id"]), ("reason", data["reason"]), ("nodes", f"{data['nodes']}: {data['selector']}")]
    lines += [("zone", data["zone"]), ("silences alerts", "yes" if data["silence_alerts"] else "no"), ("opens for commands", _yes(data))]
    lines += [("opens", f"{_local(one['start'], one['zone'])} to {_local(one['end'], one['zone'])} {one['zone']}") for one in data["next"]]
    show.pairs(lines)
    _warn(data)


@windows.command()
@click.argument("name")
@click.option("--select", "selector", required=True, help="The nodes that it is for.")
@click.option("--start", required=True, metavar="2026-11-28T02:00", help="Wall-clock time of the first opening, in the zone.")
@click.option("--for", "length", type=Duration(), required=True, help="How long it stays open.")
@click.option("--zone", default="UTC", show_default=True, help="Such as Europe/Berlin; host: each host's own.")
@click.option("--every", type=click.Choice(["", "week", "month"]), default="", help="Repeat it.")
@click.option("--interval", type=int, default=1, show_default=True, help="Every so many weeks or months.")
@click.option("--on", "days", default="", metavar="mon,thu|15|last|2.tue|last.fri", help="On which days; without, the start's weekday.")
@click.option("--until", default="", metavar="DATE", help="The last date.")
@click.option("--count", type=int, default=0, help="Only so many openings.")
@click.option("--reason", default="", help="Why, for whoever asks.")
@click.option("--alerts/--silent", "alerts", default=False, show_default=True, help="Whether alerts are told meanwhile.")
@click.option("--commands/--no-commands", default=True, show_default=True, help="Whether commands that wait for a window go in it.")
@click.option("--try", "only_try", is_flag=True, help="Only say when it would open and for whom.")
@json_option
def make(
    name: str,
    selector: str,
    start: str,
    length: int,
    zone: str,
    every: str,
    interval: int,
    days: str,
    until: str,
    count: int,
    reason: str,
    alerts: bool,
    commands: bool,
    only_try: bool,
    as_json: bool,
) -> None:
    """Make a window: opsctl windows make 'Kernel updates' --select env=prod --start 2026-11-28T02:00 --for 2h --every week."""
    schedule: dict[str, Any] = {"start": start, "minutes": -(-length // 60)}
    if every:
        schedule |= {"repeat": f"{every}ly", "every": interval, "until": until, "count": count, **_days(every, days)}
    body: dict[str, Any] = {"name": name, "selector": selector, "zone": zone, "reason": reason, "schedule": schedule}
    body |= {"silence_alerts": not alerts, "opens_for_commands": commands}
    client = connect()
    seen = client.post("/api/v1/windows/preview", body)
    for one in seen["next"]:
        show.say(f"opens {_local(one['start'], one['zone'])} to {_local(one['end'], one['zone'])} {one['zone']}")
    named = f": {', '.join(seen['names'])}" if seen["names"] else ""
    show.say(f"{seen['nodes']} nodes{named}{' …' if seen['nodes'] > len(seen['names']) else ''}")
    _warn(seen)
    if only_try:
        return
    data = client.post("/api/v1/windows", body)
    show.as_json(data) if as_json else print(data["id"])


@windows.command()
@click.argument("window")
@click.argument("date")
def skip(window: str, date: str) -> None:
    """Keep WINDOW shut on DATE, such as 2026-12-24."""
    client = connect()
    client.post(f"/api/v1/windows/{_one(client, window)['id']}/skip", {"date": date})


@windows.command()
@click.argument("window")
def end(window: str) -> None:
    """End WINDOW now; it opens again next time."""
    client = connect()
    client.post(f"/api/v1/windows/{_one(client, window)['id']}/end")


@windows.command()
@click.argument("window")
@click.argument("state", type=click.Choice(["on", "off"]))
def switch(window: str, state: str) -> None:
    """Switch WINDOW on or off."""
    client = connect()
    found = _one(client, window)
    body = {"enabled": state == "on"}
    client.call("PATCH", f"/api/v1/windows/{found['id']}", json=body, headers=if_match(found))


@windows.command()
@click.argument("window")
def delete(window: str) -> None:
    """Delete WINDOW. Commands that wait for it wait for another, or expire."""
    client = connect()
    found = _one(client, window)
    client.call("DELETE", f"/api/v1/windows/{found['id']}", headers=if_match(found))


def _one(client: Client, wanted: str) -> dict[str, Any]:
    """By name or id. Raises Missing, Problem."""
    return names.one_of(client, "/api/v1/windows", wanted, "windows")


def _days(every: str, text: str) -> dict[str, Any]:
    if every == "week":
        return {"weekdays": [_day(part) for part in text.split(",") if part]}
    if text == "last":
        return {"day": -1}
    if text.isdigit():
        return {"day": int(text)}
    place, _, names = text.partition(".")
    if not names or not (place == "last" or place.isdigit()):
        raise Usage("--on: for a month write a day (15), last, or a weekday of it (2.tue, last.fri)")
    return {"nth": -1 if place == "last" else int(place), "weekdays": [_day(part) for part in names.split(",")]}


def _day(text: str) -> int:
    if text.strip().lower()[:3] not in DAYS:
        raise Usage(f"--on: {text!r} is no weekday; write {', '.join(DAYS)}")
    return DAYS.index(text.strip().lower()[:3])


def _state(item: dict[str, Any]) -> str:
    return "off" if not item["enabled"] else "open" if item["open"] else "shut"


def _yes(item: dict[str, Any]) -> str:
    return "yes" if item["opens_for_commands"] else "no"


def _next(item: dict[str, Any]) -> tuple[str, str, str]:
    if not item["occurrences"]:
        return "", "", item["zone"]
    one = item["occurrences"][0]
    return _local(one["start"], one["zone"]), _local(one["end"], one["zone"]), one["zone"]


def _local(ms: int, zone: str) -> str:
    return datetime.fromtimestamp(ms / 1000, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")


def _warn(look: dict[str, Any]) -> None:
    for text in [*look["warnings"], *(f"it overlaps with the window {name}" for name in look["overlaps"]), look["problem"]]:
        if text:
            show.say(f"note: {text}")
