"""What becomes of an enrolment token: who came with it and how far each is, and who came in vain and why.

A host is here once it is enrolled, then online, then measured: somebody who set it up sees which step it hangs at.
"""

from __future__ import annotations

from dataclasses import dataclass

from server.db import Db, Row
from server.errors import NotFound

MOST = 50
WAITING, DONE, ENDED, REVOKED = "waiting", "done", "ended", "revoked"
SECOND_MS = 1_000


@dataclass(frozen=True)
class Host:
    """`first_at`: its first sample, None before one came. Times in UTC ms."""

    node_id: str
    name: str
    state: str
    ip: str
    enrolled_at: int
    last_seen: int
    first_at: int | None


@dataclass(frozen=True)
class Refused:
    """The last that came in vain."""

    at: int
    host: str
    ip: str
    why: str


@dataclass(frozen=True)
class Arrived:
    """`state`: waiting, done (used up), ended or revoked; `hosts` are the newest MOST of `came`."""

    id: str
    state: str
    uses: int
    came: int
    created_at: int
    expires_at: int
    hosts: list[Host]
    refused: Refused | None


class Arrivals:
    def __init__(self, db: Db) -> None:
        self._db, self._q = db, db.q.enrolment

    async def look(self, token_id: str, now: int) -> Arrived:
        """Raises NotFound."""
        token = await self._db.row(self._q.watched, {"id": token_id})
        if token is None:
            raise NotFound(f"there is no enrolment token {token_id[:40]!r}")
        rows = await self._db.rows(self._q.arrived, {"id": token_id, "limit": MOST})
        ids = [row["id"] for row in rows]
        found = await self._db.rows(self._db.q.metrics.first, {"ids": ids, "since": token["created_at"]}) if ids else []
        first = {row["node_id"]: row["at"] for row in found}
        hosts = [
            Host(row["id"], row["name"], row["state"], row["ip"], row["enrolled_at"], row["last_seen"], first.get(row["id"]))
            for row in rows
        ]
        refused = None
        if token["refused_at"] is not None:
            refused = Refused(token["refused_at"], token["refused_host"], token["refused_ip"], token["refused_why"])
        came = token["uses"] - token["uses_left"]
        return Arrived(token_id, _state(token, now), token["uses"], came, token["created_at"], token["expires_at"], hosts, refused)

    async def refuse(self, token_id: str, host: str, ip: str, why: str, now: int) -> None:
        """Keep who came in vain; of many within a second the first."""
        row = {"id": token_id, "host": host[:255], "ip": ip[:64], "why": why[:255], "now": now, "before": now - SECOND_MS}
        await self._db.transaction(lambda session: session.execute(self._q.refuse, row))


def _state(token: Row, now: int) -> str:
    if token["uses_left"] <= 0:
        return DONE
    if token["revoked_at"] is not None:
        return REVOKED
    return ENDED if token["expires_at"] <= now else WAITING
