"""`opsctl waiting`, `approve`, `reject`, `restore`, `delete-node`: who may come in, and who leaves for good (M1)."""

from __future__ import annotations

from typing import Any

import click

from server.ctl import listing, names, show
from server.ctl.client import Client
from server.ctl.options import connect, json_option
from server.ctl.problems import Missing


@click.command()
@click.option("--q", default="", help="Only those with this in name, address, or the name of the node that they look like.")
@click.option("--known/--new", "known", default=None, help="Only those that look like a node known here, or that do not.")
@listing.sorted_option
@json_option
def waiting(q: str, known: bool | None, sort: str | None, as_json: bool) -> None:
    """List the hosts that wait for approval. Compare KEY with the host's own log before you approve."""
    data = connect().get("/api/v1/waiting", q=q, known=listing.switched(known), sort=sort)
    if as_json:
        show.as_json(data)
        return
    heads = ("HOST", "FROM", "SYSTEM", "SINCE", "LOOKS LIKE", "ID", "KEY")
    rows = [
        (
            one["hostname"],
            one["ip"],
            one["facts"]["os"],
            show.moment(one["created_at"]),
            one["same_name"],
            one["node_id"],
            one["public_key"],
        )
        for one in data["items"]
    ]
    show.table(heads, rows)
    if not rows:
        show.say("no host that waits fits" if q or known is not None else "nobody waits")


@click.command()
@click.argument("host")
@click.option("--same-as", default="", metavar="NODE", help="It is the machine that was this node; go on with its history.")
@json_option
def approve(host: str, same_as: str, as_json: bool) -> None:
    """Take HOST in, by its id, name or key."""
    client = connect()
    known = names.node(client, same_as)["id"] if same_as else ""
    data = client.post(f"/api/v1/waiting/{_one(client, host)['node_id']}/approve", {"same_as": known})
    show.as_json(data) if as_json else print(data["node_id"])


@click.command()
@click.argument("host")
def reject(host: str) -> None:
    """Refuse HOST for good, by its id, name or key: its key is remembered."""
    client = connect()
    client.post(f"/api/v1/waiting/{_one(client, host)['node_id']}/reject")


@click.command()
@click.argument("node")
def restore(node: str) -> None:
    """Take a retired NODE back into service, by its id."""
    client = connect()
    client.post(f"/api/v1/nodes/{node}/restore")


@click.command("delete-node")
@click.argument("node")
@click.option("--confirm", required=True, metavar="NAME", help="Its name.")
def delete_node(node: str, confirm: str) -> None:
    """Delete a retired NODE, by its id, with all data that is kept of it."""
    connect().call("DELETE", f"/api/v1/nodes/{node}/data", params={"confirm": confirm})


def _one(client: Client, wanted: str) -> dict[str, Any]:
    """Raises Missing when none or several fit: a stranger must not be let in by a guess."""
    items = client.get("/api/v1/waiting")["items"]
    fits = [one for one in items if wanted in (one["node_id"], one["name"], one["public_key"])]
    if len(fits) != 1:
        raise Missing(f"no host {wanted[:64]!r} waits; opsctl waiting lists them")
    found: dict[str, Any] = fits[0]
    return found
