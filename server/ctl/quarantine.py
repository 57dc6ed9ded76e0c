"""`opsctl machines`, `split` and `merge`: a node whose certificate two machines use (DESIGN §4)."""

from __future__ import annotations

from typing import Any

import click

from server.ctl import names, show
from server.ctl.client import Client
from server.ctl.options import connect, json_option
from server.ctl.problems import Missing

STANDING = {"own": "the node is it", "claims": "claims to be it", "former": "was replaced", "split": "was split off"}


@click.command()
@click.argument("node")
@json_option
def machines(node: str, as_json: bool) -> None:
    """List the machines that called with NODE's certificate. Of a node in quarantine: split or merge?"""
    client = connect()
    data = client.get(f"/api/v1/nodes/{names.node(client, node)['id']}/machines")
    if as_json:
        show.as_json(data)
        return
    heads = ("STANDING", "ADDRESS", "FIRST CALL", "LAST CALL", "INSTALLATION", "BOARD", "CARDS IN COMMON", "MACHINE")
    show.table(heads, [_row(one) for one in data["items"]])
    if not data["items"]:
        show.say("no other machine has called as this node")
    elif data["state"] == "quarantined":
        show.say(
            "in quarantine. Two machines: opsctl split NODE --keep MACHINE. One, with other hardware: opsctl merge NODE --machine MACHINE"
        )


def _row(one: dict[str, Any]) -> tuple[object, ...]:
    alike = {True: "the same", False: "another", None: ""}
    moments = (show.moment(one["first_at"]), show.moment(one["last_at"]))
    compared = ("", "", "") if one["own"] else (alike[one["same_installation"]], alike[one["same_board"]], one["cards_in_common"])
    return (STANDING[one["standing"]], one["ip"], *moments, *compared, one["marks"])


@click.command()
@click.argument("node")
@click.option(
    "--keep", required=True, metavar="MACHINE", help="The machine that stays the node; its address will do where it is the only one there."
)
def split(node: str, keep: str) -> None:
    """They are several machines: one keeps NODE, each other makes a new key and waits for approval as a node of its own."""
    client = connect()
    path, data = _quarantine(client, node)
    client.post(f"{path}/split", {"keep": _one(data, keep), "since": data["since"]})


@click.command()
@click.argument("node")
@click.option(
    "--machine", required=True, metavar="MACHINE", help="What the machine is now; its address will do where it is the only one there."
)
def merge(node: str, machine: str) -> None:
    """It is one machine whose hardware was replaced: NODE goes on with it. Should the other one call again, so comes the quarantine."""
    client = connect()
    path, data = _quarantine(client, node)
    client.post(f"{path}/merge", {"machine": _one(data, machine), "since": data["since"]})


def _quarantine(client: Client, node: str) -> tuple[str, dict[str, Any]]:
    path = f"/api/v1/nodes/{names.node(client, node)['id']}"
    data: dict[str, Any] = client.get(f"{path}/machines")
    return path, data


def _one(data: dict[str, Any], wanted: str) -> str:
    """Raises Missing when none or several fit."""
    fits = [one["marks"] for one in data["items"] if wanted in (one["marks"], one["ip"])]
    if len(fits) != 1:
        raise Missing(f"{wanted[:64]!r} is not one of the machines; opsctl machines NODE lists them")
    return str(fits[0])
