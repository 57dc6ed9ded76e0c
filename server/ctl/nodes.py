"""`opsctl nodes`, `node` and `enrol-token`: who is managed, and who is to be."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import click

from host.wire.states import NODE
from server.ctl import listing, names, show
from server.ctl.options import Pair, connect, json_option


@click.group(invoke_without_command=True)
@click.pass_context
@click.option("--q", "query", default="", help="Only those with this in name, address or tags.")
@click.option("--state", default="", type=click.Choice(["", *NODE]), help="Only those in this state; retired ones show only so.")
@click.option("--select", "selector", default=None, help="Only those that this selector means, such as 'env=prod and not online'.")
@listing.sorted_option
@click.option("--csv", "as_csv", is_flag=True, help="All that is known of each as CSV on stdout, for a spreadsheet.")
@json_option
def nodes(context: click.Context, query: str, state: str, selector: str | None, sort: str | None, as_csv: bool, as_json: bool) -> None:
    """List the nodes; with a further word, what is to be done with them."""
    if context.invoked_subcommand is not None:
        return
    client = connect()
    if selector is not None:
        # An empty one is refused there, and must not get lost on the way: it would mean every node.
        explained = client.post("/api/v1/selectors/preview", {"selector": selector})
        show.say(f"{explained['total']}: {explained['explanation']}")
    if as_csv:
        wanted = {name: value for name, value in {"q": query, "state": state, "select": selector, "sort": sort}.items() if value}
        show.table_file(client.stream(f"/api/v1/nodes/export.csv?{urlencode(wanted)}", {}))
        return
    items = names.everything(client, "/api/v1/nodes", q=query, state=state, select=selector, sort=sort)
    if as_json:
        show.as_json({"items": items, "total": len(items)})
        return
    heads = ("NAME", "STATE", "SINCE", "ADDRESS", "OS", "AGENT", "TAGS", "ID")
    show.table(heads, [_row(item) for item in items])
    if not items:
        show.say("no node fits" if query or state or selector else "no node yet; make a token with: opsctl enrol-token")


def _row(item: dict[str, object]) -> tuple[object, ...]:
    since = show.moment(item["state_since"])  # type: ignore[arg-type]
    tags = show.tags(item["tags"])  # type: ignore[arg-type]
    return (item["name"], item["state"], since, item["ip"], item["os"], item["agent_state"], tags, item["id"])


@click.command()
@click.argument("node")
@json_option
def node(node: str, as_json: bool) -> None:
    """Show one NODE, by name or id."""
    client = connect()
    data = client.get(f"/api/v1/nodes/{names.node(client, node)['id']}")
    if as_json:
        show.as_json(data)
        return
    facts, metrics, agent = data["facts"], data["metrics"], data["agent"]
    cpu, memory = metrics.get("cpu"), metrics.get("memory")
    disks = ", ".join(f"{disk['mount']} {disk['percent']:.0f} % of {show.size(disk['total'])}" for disk in metrics.get("disks") or [])
    lines = [
        ("name", data["name"]),
        ("id", data["id"]),
        ("state", f"{data['state']} since {show.moment(data['state_since'])}"),
        ("last seen", show.moment(data["last_seen"])),
        ("address", ", ".join(facts.get("addresses") or [data["ip"]])),
        ("tags", show.tags(data["tags"])),
        ("system", " · ".join(part for part in (facts.get("os"), facts.get("kernel"), facts.get("arch")) if part)),
        ("machine", f"{facts.get('cpu_count') or '?'} × {facts.get('cpu_model') or 'CPU'}, {show.size(facts.get('memory'))}"),
        ("CPU", f"{cpu['percent']:.1f} %" if cpu else "nothing measured in the last 15 minutes"),
        ("memory", f"{memory['percent']:.1f} % of {show.size(memory['total'])}" if memory else ""),
        ("disks", disks),
        ("load", " ".join(f"{figure:.2f}" for figure in metrics.get("load") or [])),
        ("processes", _processes(metrics)),
        ("GPUs", ", ".join(_gpu(one) for one in metrics.get("gpus") or [])),
        *((f"plugin {one['plugin']}", f"{one['name']} {_figure(one)}") for one in metrics.get("plugins") or []),
        ("daemon", data["daemon_version"]),
        ("agent", " ".join(part for part in (agent["state"], agent["version"], agent["reason"]) if part)),
    ]
    show.pairs([(name, value) for name, value in lines if value])


def _processes(metrics: dict[str, Any]) -> str:
    states = ", ".join(f"{count} {name}" for name, count in sorted((metrics.get("process_states") or {}).items()))
    return f"{metrics['processes']}" + (f" ({states})" if states else "") if "processes" in metrics else ""


def _gpu(one: dict[str, Any]) -> str:
    warm = f", {one['temperature']:.0f} °C" if one.get("temperature") is not None else ""
    return f"{one['name']} {one['percent']:.0f} %, {show.size(one['memory_used'])} of {show.size(one['memory_total'])}{warm}"


def _figure(metric: dict[str, Any]) -> str:
    if metric["unit"] == "bytes":
        return show.size(int(metric["value"]))
    return f"{metric['value']:g} {metric['unit']}".rstrip()


@click.command("enrol-token")
@click.option("--uses", type=int, default=1, show_default=True, help="How many hosts may enrol with it.")
@click.option("--hours", type=float, default=1.0, show_default=True, help="How long it is good for.")
@click.option("--tag", "tags", multiple=True, type=Pair(), help="A tag for each node that enrols with it; may be repeated.")
@click.option("--note", default="", help="What it is for.")
@click.option("--name", default="", help="For the one host that is to be the node of this name.")
@click.option("--node", default="", metavar="NODE", help="For the machine of this node, installed anew: its history goes on.")
@json_option
def enrol_token(uses: int, hours: float, tags: tuple[tuple[str, str], ...], note: str, name: str, node: str, as_json: bool) -> None:
    """Make a token with which hosts enrol, and print it."""
    client = connect()
    wanted = {"uses": uses, "hours": hours, "note": note, "tags": dict(tags), "name": name}
    wanted |= {"node": names.node(client, node)["id"]} if node else {}
    data = client.create("/api/v1/enrolment-tokens", wanted)
    if as_json:
        show.as_json(data)
        return
    print(data["token"])
    show.say(
        f"good for {data['uses']} host{'s' if data['uses'] != 1 else ''} until {show.moment(data['expires_at'])}; it is not shown again"
    )
