"""`opsctl nodes metrics`: what was measured on a node over a range of time, summed up; every point with `--json`."""

from __future__ import annotations

from typing import Any

import click

from server.ctl import names, show
from server.ctl.listing import between
from server.ctl.options import connect, json_option

RANGES = ("15m", "1h", "6h", "24h", "7d", "30d", "90d", "1y")
KINDS = ("mounts", "devices", "nics", "cores", "gpus")
HEADLINE = (
    ("cpu_usage", "%"),
    ("memory_usage", "%"),
    ("disk_usage", "%"),
    ("load_1", ""),
    ("network_rx", "bytes/s"),
    ("network_tx", "bytes/s"),
)


@click.command()
@click.argument("node")
@click.option(
    "--range", "span", type=click.Choice(RANGES), default=None, help="How far back, from now or from --until. An hour by default."
)
@between("measured")
@click.option("--of", "kind", type=click.Choice(KINDS), default=None, help="Of each of these, not of the whole node.")
@click.option("--name", "chosen", multiple=True, help="Only of the one with this name, with --of; may be repeated.")
@json_option
def metrics(
    node: str, span: str | None, since: int | None, until: int | None, kind: str | None, chosen: tuple[str, ...], as_json: bool
) -> None:
    """Show the figures of NODE over time: the latest, the mean, and the highest of each."""
    if chosen and not kind:
        raise click.UsageError("--name needs --of: say whose names they are")
    client = connect()
    path = f"/api/v1/nodes/{names.node(client, node)['id']}/metrics" + (f"/{kind}" if kind else "")
    more = {"name": list(chosen)} if chosen else {}
    data = client.get(path, range=span, since=since, until=until, **more)
    if as_json:
        show.as_json(data)
        return
    rows = [_line(line) for line in data["lines"]] if kind else _headline(data)
    show.table(
        ("NAME", "FIGURE", "LATEST", "MEAN", "HIGHEST", "POINTS") if kind else ("FIGURE", "LATEST", "MEAN", "HIGHEST", "POINTS"), rows
    )
    if not rows:
        show.say("nothing was measured in this span of time")
    if kind and (hidden := [name for name in data["names"] if name not in {line["name"] for line in data["lines"]}]) and not chosen:
        show.say(f"not shown: {', '.join(hidden)}; name those that you want with --name")
    if kind and data["since"] <= data["kept_since"]:
        show.say(f"details are kept from {show.moment(data['kept_since'])} on")


def _line(line: dict[str, Any]) -> tuple[object, ...]:
    values = [(point["value"], point["most"]) for point in line["points"]]
    return (line["name"], line["figure"], *_summed(values, line["unit"]))


def _headline(data: dict[str, Any]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for figure, unit in HEADLINE:
        values = [(point[figure], point.get(f"{figure}_most") or point[figure]) for point in data["points"] if point[figure] is not None]
        if values:
            rows.append((figure, *_summed(values, unit)))
    plugins: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for point in data["plugins"]:
        plugins.setdefault((point["plugin"], point["name"]), []).append(point)
    for (plugin, name), points in sorted(plugins.items()):
        values = [(point["value"], point.get("value_most") or point["value"]) for point in points]
        rows.append((f"{plugin}/{name}", *_summed(values, points[-1]["unit"])))
    return rows


def _summed(values: list[tuple[float, float]], unit: str) -> tuple[object, ...]:
    """The latest, the mean, the highest, and how many points there are."""
    if not values:
        return ("", "", "", 0)
    figures = (values[-1][0], sum(value for value, _ in values) / len(values), max(most for _, most in values))
    return (*(_figure(value, unit) for value in figures), len(values))


def _figure(value: float, unit: str) -> str:
    return f"{show.size(value)}/s" if unit == "bytes/s" else f"{value:.4g} {unit}".rstrip()
