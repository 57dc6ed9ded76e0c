"""`opsctl audit`: who did what, and whether the record is whole."""

from __future__ import annotations

import json
from typing import Any

import click

from server.ctl import listing, show
from server.ctl.options import connect
from server.ctl.problems import Problem


@click.command()
@click.option("--verify", is_flag=True, help="Check that no entry was changed, moved or removed.")
@click.option("--actor", default="", metavar="NAME", help="Only what this person, or host, did.")
@click.option("--action", default="", help="Only this, such as node.retire.")
@click.option("--resource", default="", help="Only on this, such as 'node 01K9…'.")
@listing.between("done")
@listing.paged
def audit(verify: bool, limit: int, as_json: bool, **wanted: Any) -> None:
    """List what people did, the newest first."""
    client = connect()
    if verify:
        data = client.get("/api/v1/audit/verify")
        if as_json:
            show.as_json(data)
        if not data["intact"]:
            raise Problem(f"entry {data['first_broken']} is not as it was written; compare with an export or a backup")
        show.say("every entry is as it was written")
        return
    data = client.get("/api/v1/audit", size=limit, **wanted)
    if as_json:
        show.as_json(data)
        return
    heads = ("NO", "WHEN", "WHO", "FROM", "WHAT", "ON", "DETAIL")
    rows = []
    for item in data["items"]:
        detail = json.dumps(item["detail"], ensure_ascii=False) if item["detail"] else ""
        rows.append((item["id"], show.moment(item["created_at"]), item["actor"], item["ip"], item["action"], item["resource"], detail))
    show.table(heads, rows)
    listing.more(data, "entry")
