"""`opsctl waiting`, `approve`, `reject`, `restore`, `delete-node`: who may come in, and who leaves for good (M1)."""

from __future__ import annotations

from collections.abc import Sequence

import click

from server.ctl import listing, names, show
from server.ctl.client import Client
from server.ctl.options import connect, json_option
from server.ctl.outcome import told
from server.ctl.problems import Missing, Usage


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
@click.argument("host", nargs=-1, required=True)
@click.option("--same-as", default="", metavar="NODE", help="Of one HOST: it is the machine that was this node; go on with its history.")
@json_option
def approve(host: tuple[str, ...], same_as: str, as_json: bool) -> None:
    """Take each HOST in, by its id, name or key."""
    client = connect()
    found = _these(client, host)
    if len(found) == 1:
        known = names.node(client, same_as)["id"] if same_as else ""
        data = client.post(f"/api/v1/waiting/{found[0]}/approve", {"same_as": known})
        show.as_json(data) if as_json else print(data["node_id"])
        return
    if same_as:
        raise Usage("--same-as: name one HOST")
    told(client.post("/api/v1/waiting/approve", {"hosts": found}), "taken in", as_json)


@click.command()
@click.argument("host", nargs=-1, required=True)
@json_option
def reject(host: tuple[str, ...], as_json: bool) -> None:
    """Refuse each HOST for good, by its id, name or key: its key is remembered."""
    client = connect()
    found = _these(client, host)
    if len(found) == 1:
        client.post(f"/api/v1/waiting/{found[0]}/reject")
        return
    told(client.post("/api/v1/waiting/reject", {"hosts": found}), "refused", as_json)


@click.command()
@click.argument("node")
def restore(node: str) -> None:
    """Take a retired NODE back into service."""
    client = connect()
    client.post(f"/api/v1/nodes/{names.retired(client, node)['id']}/restore")


@click.command("delete-node")
@click.argument("node")
@click.option("--confirm", required=True, metavar="NAME", help="Its name.")
def delete_node(node: str, confirm: str) -> None:
    """Delete a retired NODE with all data that is kept of it."""
    client = connect()
    client.call("DELETE", f"/api/v1/nodes/{names.retired(client, node)['id']}/data", params={"confirm": confirm})


def _these(client: Client, wanted: Sequence[str]) -> list[str]:
    """Raises Missing when none or several fit one of them: a stranger must not be let in by a guess, nor some of those that were named."""
    items = client.get("/api/v1/waiting")["items"]
    found = []
    for name in wanted:
        fits = [one["node_id"] for one in items if name in (one["node_id"], one["name"], one["public_key"])]
        if len(fits) != 1:
            raise Missing(f"no host {name[:64]!r} waits; opsctl waiting lists them")
        found += fits
    return list(dict.fromkeys(found))
