"""Commands that wait for a maintenance window: refused at once where none will come, let out while one is open (M5).

A row's `opens_at` and `start_by` are what its page says and what the mailbox looks at first; the word that counts is asked of the
windows again at the moment of handing out. What is stored of a waiting command is signed for the method HOLD, which no agent
takes: only when it is let out does the manager sign it as a request, good until it could no more end within the window.
So neither an old row nor a late daemon can start it outside of one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from host.wire import signing
from server.db import Db, Row, Session
from server.errors import BadInput
from server.keys import Keys
from server.service.window_coverage import Coverage, Opening
from server.service.window_rows import Window, wall
from server.wakeups import Wakeups, execution, node

HOLD = "HOLD"
NONE, WAITS, RELEASED = 0, 1, 2
WAITING_REASON = "waits for a maintenance window"
LEAST_S, MOST_S, USUAL_S = 60, 30 * 86_400, 7 * 86_400
"""How long a command may wait for a window: at least, at most, and where nothing is said."""

AGAIN_MS = 15_000
"""How often all that wait are looked at again: nodes come to match a window's selector, or do no more."""

PORTION = 1_000
NAMED = 5


class Holding:
    def __init__(self, db: Db, windows: Coverage, keys: Keys, wakeups: Wakeups, ttl_ms: int) -> None:
        self._db, self._q, self._windows, self._keys, self._wakeups, self._ttl_ms = db, db.q.holding, windows, keys, wakeups, ttl_ms
        self._seen, self._looked_at = 0, 0

    async def check(self, node_ids: Sequence[str], needs: int, limit_s: int, now: int) -> dict[str, Opening]:
        """When each node's window opens for something of at most `needs` ms. Raises BadInput with the reason of each that has none."""
        if not LEAST_S <= limit_s <= MOST_S:
            raise BadInput(f"wait_for_window: {LEAST_S} to {MOST_S} seconds, or 0 to run at once", field="wait_for_window")
        found, why = await self._windows.openings(node_ids, needs, now, now + limit_s * 1000)
        if why:
            rows = await self._db.rows(self._db.q.nodes.by_ids, {"ids": list(why)})
            by_reason: dict[str, list[str]] = {}
            for row in sorted(rows, key=lambda row: str(row["name"])):
                by_reason.setdefault(why[row["id"]], []).append(row["name"])
            said = "; ".join(f"{_some(names)}: {reason}" for reason, names in by_reason.items())
            raise BadInput(f"wait_for_window: {said}", field="wait_for_window")
        return found

    async def tick(self, now: int) -> int:
        """Look again at what waits where that is due, and ring for every node that something is let out for; how many nodes."""
        fingerprint = await self._windows.fingerprint()
        if fingerprint != self._seen or not 0 <= now - self._looked_at < AGAIN_MS:
            await self.look_again(now)
            self._seen, self._looked_at = fingerprint, now
        due = await self._db.rows(self._q.due, {"now": now})
        for row in due:
            self._wakeups.wake(node(row["node_id"]))
        return len(due)

    async def look_again(self, now: int) -> None:
        """Bring each waiting command's gate up to date; the windows, or who is in them, may have changed."""
        after = ""
        while rows := await self._db.rows(self._q.waiting, {"after": after, "limit": PORTION}):
            after = rows[-1]["id"]
            by_needs: dict[tuple[int, int], list[Row]] = {}
            for row in rows:
                by_needs.setdefault((row["deadline_at"] - row["expires_at"], row["expires_at"]), []).append(row)
            changes: list[Row] = []
            for (needs, until), group in by_needs.items():
                found, _ = await self._windows.openings({row["node_id"] for row in group}, needs, now, until)
                for row in group:
                    wanted = _gate(found.get(row["node_id"]))
                    if any(row[name] != value for name, value in wanted.items()):
                        changes.append({"id": row["id"], **wanted})
            if changes:
                await self._change(changes)

    async def _change(self, changes: Sequence[Row]) -> None:
        async def work(session: Session) -> None:
            for change in changes:
                await session.execute(self._q.set_gate, change)

        await self._db.transaction(work)
        for change in changes:
            self._wakeups.wake(execution(change["id"]))

    async def let_out(self, node_id: str, rows: Sequence[Row], now: int) -> dict[str, Opening]:
        """Which of a node's waiting commands may go now: command id → the window. Asked of the windows themselves."""
        found: dict[str, Opening] = {}
        for row in rows:
            open_now, _ = await self._windows.openings([node_id], row["deadline_at"] - row["expires_at"], now, row["expires_at"], True)
            opening = open_now.get(node_id)
            if opening is not None and opening.starts_at <= now <= opening.start_by:
                found[row["id"]] = opening
        return found

    def hold(self, row: Row, body: str, opening: Opening, limit_s: int, now: int) -> Row:
        """A command's row for `commands.insert`, waiting: signed for nobody but this manager."""
        needs, expires = row["deadline_at"] - row["expires_at"], now + limit_s * 1000
        headers = self._sign(row, HOLD, body, now, expires)
        return {**row, **_gate(opening), "waits": WAITS, "headers": headers, "expires_at": expires, "deadline_at": expires + needs}

    async def release(self, session: Session, row: Row, opening: Opening, now: int) -> bool:
        """Hand it out: from now on it is a command like any other, that expires in time. False when another was faster.

        Raises Broken, SignatureError, ValueError for a row that the manager did not write.
        """
        body = self._keys.seals.unlock(row["body"], f"command {row['id']}")
        key = self._keys.dispatch_key(row["node_id"])
        signing.verify(key, json.loads(row["headers"]), key_id=row["node_id"], now=now, method=HOLD, path=row["path"], body=body.encode())
        needs = row["deadline_at"] - row["expires_at"]
        expires = min(opening.start_by, now + self._ttl_ms)
        change = {"id": row["id"], "window_id": opening.window_id, "headers": self._sign(row, row["method"], body, now, expires)}
        change |= {"expires_at": expires, "deadline_at": expires + needs, "now": now}
        return await session.execute(self._q.release, change) == 1

    async def waiting_for(self, window_id: str) -> int:
        """How many commands wait for this window."""
        row = await self._db.row(self._q.waiting_for, {"window_id": window_id})
        return int(row["total"]) if row else 0

    async def told(self, row: Row, now: int) -> dict[str, Any] | None:
        """What a command's page says of its window; None where it never waited for one."""
        if row["waits"] == NONE:
            return None
        window: Window | None = next((one for one in await self._windows.every() if one.id == row["window_id"]), None)
        found: dict[str, Any] = {"waits": row["waits"] == WAITS, "id": row["window_id"], "name": window.name if window else ""}
        found |= {"opens_at": row["opens_at"], "start_by": row["start_by"], "zone": "", "why": ""}
        if row["waits"] == WAITS and row["state"] == "queued":
            needs = row["deadline_at"] - row["expires_at"]
            opening, why = await self._windows.openings([row["node_id"]], needs, now, row["expires_at"])
            one = opening.get(row["node_id"])
            if one is not None:
                found |= {"id": one.window_id, "name": one.name, "zone": one.zone, "opens_at": one.starts_at, "start_by": one.start_by}
                found["local"] = wall(one.starts_at, one.zone)
            else:
                found |= {"id": "", "name": "", "opens_at": None, "start_by": None, "why": why[row["node_id"]]}
        return found

    def _sign(self, row: Mapping[str, Any], method: str, body: str, now: int, expires: int) -> str:
        key, node_id = self._keys.dispatch_key(row["node_id"]), row["node_id"]
        headers = signing.sign(
            key, key_id=node_id, nonce=row["id"], now=now, expires=expires, method=method, path=row["path"], body=body.encode()
        )
        return json.dumps(headers, separators=(",", ":"))


def _gate(opening: Opening | None) -> Row:
    if opening is None:
        return {"window_id": "", "opens_at": None, "start_by": None}
    return {"window_id": opening.window_id, "opens_at": opening.starts_at, "start_by": opening.start_by}


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
