"""Orders: commands for a node's daemon itself, signed and kept like every command (D5, D8, D13).

What comes of one is told like that of a task, and shown beside them: its kind is the verb.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from host.wire import masking
from host.wire.orders import CONFIGURE, DIAGNOSE, LOG_LEVEL, LOG_LEVELS, MAX_CONFIGURATION_BYTES, VERBS, Order
from host.wire.protocol import DAEMON_PREFIX
from server.auth import Caller
from server.db import Along, Db, Session
from server.errors import BadInput, Conflict
from server.service.audit import Audit
from server.service.commands import Commands
from server.service.nodes import Nodes
from server.service.protection import confirmed
from server.wakeups import Wakeups, node

LIMIT_MS = {CONFIGURE: 3_600_000, DIAGNOSE: 300_000}
OTHER_LIMIT_MS = 120_000
"""How long one may run before it counts as unheard of: a configuration has up to an hour of probation."""

DIFF_CHARACTERS = 8_000


class Orders:
    def __init__(self, db: Db, audit: Audit, commands: Commands, nodes: Nodes, wakeups: Wakeups) -> None:
        self._db, self._audit, self._commands, self._nodes, self._wakeups = db, audit, commands, nodes, wakeups

    async def give(
        self,
        caller: Caller,
        node_id: str,
        verb: str,
        now: int,
        *,
        level: str = "",
        text: str = "",
        base: str = "",
        confirm: Sequence[str] = (),
        along: Along[str] | None = None,
    ) -> str:
        """Queue an order; the command's id. A daemon that is offline gets it when it is back, until it expires.

        Raises BadInput, NodeUnknown, Conflict (retired node; a configuration that was not made of the one in force; `confirm`
        lacks the name of a protected group that holds the node, see protection.py).
        """
        detail = await self._check(node_id, verb, level, text, base)
        body = json.dumps(asdict(Order(node_id, level, text, base)), ensure_ascii=False, separators=(",", ":"))
        limit = LIMIT_MS.get(verb, OTHER_LIMIT_MS)

        async def work(session: Session) -> str:
            await self._commands.check_nodes(session, [node_id])
            guards = await confirmed(session, self._db.q, [node_id], confirm)
            row = self._commands.signed(caller, node_id, verb, f"{DAEMON_PREFIX}{verb}", body, limit, now)
            await session.execute(self._db.q.commands.insert, row)
            told = {"verb": verb, "command": row["id"], **detail, **guards}
            await self._audit.record(session, caller, "node.order", f"node {node_id}", told, now, nodes=())  # its timeline has the command
            return str(row["id"])

        command_id = await self._db.transaction(work, along)
        self._wakeups.wake(node(node_id))
        return command_id

    async def _check(self, node_id: str, verb: str, level: str, text: str, base: str) -> dict[str, Any]:
        """What the audit entry says of it, without secrets. Raises as `give` does."""
        if verb not in VERBS:
            raise BadInput(f"verb: {verb[:40]!r} is unknown; use one of {', '.join(VERBS)}", field="verb")
        if verb == LOG_LEVEL and level not in LOG_LEVELS:
            raise BadInput(f"level: {level[:20]!r} is unknown; use one of {', '.join(LOG_LEVELS)}", field="level")
        if level and verb != LOG_LEVEL:
            raise BadInput(f"level: the order {verb} takes none", field="level")
        if verb == CONFIGURE:
            return await self._configuration(node_id, text, base)
        if text or base:
            raise BadInput(f"text and base: the order {verb} takes none", field="text" if text else "base")
        return {"level": level} if level else {}

    async def _configuration(self, node_id: str, text: str, base: str) -> dict[str, Any]:
        if not text.strip() or len(text.encode("utf-8", "surrogatepass")) > MAX_CONFIGURATION_BYTES or "\0" in text:
            raise BadInput(f"text: the whole new file, 1 to {MAX_CONFIGURATION_BYTES} bytes of text", field="text")
        if not base:
            raise BadInput("base: the hash of the configuration that it was edited from", field="base")
        known = await self._nodes.daemon(node_id)
        if known and known["configuration_hash"] and known["configuration_hash"] != base:
            raise Conflict("the configuration in force is another one by now; look at it, and edit that", field="base")
        return {"base": base[:64], "difference": difference(known.get("configuration", ""), text)[:DIFF_CHARACTERS]}


def difference(before: str, after: str) -> str:
    """A unified diff of two configurations without their secrets."""
    old, new = (masking.mask(text).splitlines() for text in (before, after))
    return "".join(f"{line}\n" for line in difflib.unified_diff(old, new, "in force", "new", lineterm=""))
