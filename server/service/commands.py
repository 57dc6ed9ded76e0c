"""Commands: from a person's wish to exactly one final state (A5, DESIGN §3).

A command is signed here, when an authorised person asks, and stored with its signature; later it is only passed
on. So whoever can write to the database can lose a command but never make one. All changes of state are
compare-and-set along `host.wire.states.COMMAND`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from host.wire import signing
from host.wire.headers import REQUEST_ID
from host.wire.messages import Command, Refusal
from host.wire.protocol import DAEMON_PREFIX
from host.wire.records import Execution
from host.wire.signing import SignatureError
from host.wire.states import (
    ACCEPTED,
    CANCELED,
    COMMAND,
    COMMAND_FINAL,
    EXPIRED,
    PENDING,
    QUARANTINED,
    QUEUED,
    REFUSED,
    RETIRED,
    may_follow,
)
from host.wire.tasks import ExecuteRequest
from server.auth import Caller
from server.db import Along, Db, Row, Session
from server.errors import BadInput, Conflict, NodeUnknown, NotFound
from server.ids import new_id
from server.keys import Keys
from server.logs import REQUEST
from server.seals import Broken
from server.service.audit import Audit
from server.service.command_files import CommandFiles
from server.service.contents import NAME_CHARACTERS, excerpt, readable, title
from server.service.deadlines import FORGET_MS, GRACE_MS, end_of
from server.service.holding import NONE, WAITS, Holding
from server.service.kinds import Kinds
from server.service.page import Order, Page, filtered, ordered
from server.service.protection import confirmed
from server.wakeups import Wakeups, execution, node

log = logging.getLogger("server.commands")

MAX_NODES = 5_000
SORTS = {name: f"c.{name}" for name in ("queued_at", "started_at", "finished_at", "state", "kind")}
FILTERS = {name: f"c.{name} = :{name}" for name in ("node_id", "task_id", "state", "kind")}
UNFINISHED = 50
MAX_TASK_BYTES = 2 * 1024 * 1024
"""Of one signed request: the agent takes no larger one."""

AUDIT_NODES = 200
"""How many of them an audit entry names; all of them are in the task's commands."""


@dataclass(frozen=True)
class Submitted:
    """One task and its commands: `commands` is node id → command id."""

    task_id: str
    commands: dict[str, str]


class Commands:
    def __init__(
        self, db: Db, audit: Audit, keys: Keys, wakeups: Wakeups, kinds: Kinds, files: CommandFiles, holding: Holding, ttl_s: int
    ) -> None:
        self._holding = holding
        self._db, self._q, self._audit, self._kinds, self._files = db, db.q.commands, audit, kinds, files
        self._keys, self._wakeups, self._ttl_ms = keys, wakeups, ttl_s * 1000

    async def run(
        self,
        caller: Caller,
        node_ids: Sequence[str],
        kind: str,
        content: Any,
        name: str,
        now: int,
        confirm: Sequence[str] = (),
        along: Along[Submitted] | None = None,
        *,
        wait_s: int = 0,
    ) -> Submitted:
        """Queue a task of this kind on each node. A node that is offline gets it when it is back, until it expires.

        With `wait_s` each command waits for a maintenance window of its node, so many seconds at most (holding.py).

        Raises BadInput (no or too many nodes; a kind or content that one of them does not take), NodeUnknown, Conflict
        (retired or quarantined node; `confirm` lacks the name of a protected group, see protection.py). Nothing is queued then.
        """
        wanted = list(dict.fromkeys(node_ids))
        if not 1 <= len(wanted) <= MAX_NODES:
            raise BadInput(f"nodes: name 1 to {MAX_NODES} nodes", field="nodes")
        fit = await self._kinds.fitting(wanted, kind, content)
        openings = {}
        if wait_s:
            await self._db.transaction(lambda session: self.check_nodes(session, wanted))
            openings = await self._holding.check(wanted, fit.timeout * 1000, wait_s, now)
        task_id = new_id(now)

        async def work(session: Session) -> Submitted:
            commands: dict[str, str] = {}
            await self.check_nodes(session, wanted)
            guards = await confirmed(session, self._db.q, wanted, confirm)
            prepared = await self._files.prepare(session, caller, fit.schema, fit.content, wanted, now)
            # The values of its secret fields are only in the locked commands, and there until they have ended (S5).
            shown = readable(prepared[wanted[0]].content if len(wanted) == 1 else fit.content, fit.secret)
            task: Row = {"id": task_id, "name": name.strip()[:NAME_CHARACTERS] or title(fit.schema, shown, fit.secret), "type": kind}
            task |= {"content": _json(shown), "withheld": _json(fit.secret), "created_by": caller.id, "now": now}
            await session.execute(self._q.insert_task, task)
            rows: list[Row] = []
            for node_id in wanted:
                body = _json(asdict(ExecuteRequest(node_id, kind, prepared[node_id].content)))
                if len(body.encode()) > MAX_TASK_BYTES:
                    raise BadInput(f"content: larger than {MAX_TASK_BYTES} bytes; send what is large as a file", field="content")
                row = self.signed(caller, node_id, kind, "/api/v1/task/execute", body, fit.timeout * 1000, now)
                row["task_id"] = task_id
                if wait_s:
                    row = self._holding.hold(row, body, openings[node_id], wait_s, now)
                commands[node_id] = row["id"]
                rows.append(row)
                await self._files.link(session, prepared[node_id], row["id"], node_id)
            await session.execute_many(self._q.insert, rows)
            detail = {"nodes": wanted[:AUDIT_NODES], "count": len(wanted), "kind": kind, "content": excerpt(shown), **guards}
            detail |= {"wait_for_window": wait_s} if wait_s else {}
            await self._audit.record(session, caller, "command.run", f"task {task_id}", detail, now)
            return Submitted(task_id, commands)

        done = await self._db.transaction(work, along)
        log.info("task %s: %s for %d nodes, given by %s", task_id, kind, len(wanted), caller.name)
        for node_id in wanted:
            self._wakeups.wake(node(node_id))
        return done

    async def cancel(self, caller: Caller, command_id: str, now: int, along: Along[str] | None = None) -> str:
        """Stop a command: at once before its host has fetched it, else by a signed request to its agent.

        Returns its state now. Raises NotFound; Conflict when it has ended or is itself a cancellation.
        """
        row = await self.get(command_id)
        if row["state"] in COMMAND_FINAL:
            raise Conflict(f"the command has ended already: {row['state']}")
        if row["target_id"] is not None:
            raise Conflict("this is itself the order to stop another command; it cannot be called back")

        async def work(session: Session) -> str:
            about = {"node": row["node_id"]}
            await self._audit.record(session, caller, "command.cancel", f"command {command_id}", about, now, nodes=[row["node_id"]])
            if await self._end_unfetched(session, command_id, CANCELED, "canceled before the host had it", now):
                return CANCELED
            if row["path"].startswith(DAEMON_PREFIX):
                raise Conflict("the host's daemon has this order already; it cannot be called back")
            body = _json({"node_id": row["node_id"]})
            order = self.signed(caller, row["node_id"], "cancel", f"/api/v1/task/{command_id}/cancel", body, 0, now)
            await session.execute(self._q.insert, order | {"target_id": command_id})
            return str(row["state"])

        state = await self._db.transaction(work, along)
        self._wakeups.wake(node(row["node_id"]))
        self._wakeups.wake(execution(command_id))
        return state

    async def get(self, command_id: str) -> Row:
        """One command with its node's and task's name. Raises NotFound."""
        row = await self._db.row(self._q.by_id, {"id": command_id})
        if row is None:
            raise NotFound(f"there is no command {command_id[:40]!r}")
        return row

    async def page(self, *, node_id: str, task_id: str, state: str, kind: str = "", limit: int, offset: int, order: Order = ()) -> Page:
        """Executions of tasks and orders for daemons, newest first. `kind`: of task, or the verb of an order. Raises BadInput."""
        if state and state not in COMMAND:
            raise BadInput(f"state: {state!r} is unknown; use one of {', '.join(COMMAND)}", field="state")
        wanted = {"node_id": node_id, "task_id": task_id, "state": state, "kind": kind}
        (page, params), (count, _) = filtered(self._q.page, FILTERS, wanted), filtered(self._q.total, FILTERS, wanted)
        rows = await self._db.rows(ordered(page, SORTS, order), {**params, "limit": limit, "offset": offset})
        total = await self._db.row(count, params)
        return Page(rows, total["total"] if total else 0)

    async def unfinished(self, node_id: str) -> list[Row]:
        """What waits or runs on a node, the oldest first: at most UNFINISHED of it."""
        return await self._db.rows(self._q.unfinished, {"node_id": node_id, "limit": UNFINISHED})

    async def mailbox(self, node_id: str, holding: Sequence[str], now: int) -> list[Command]:
        """What waits for the node, oldest first, but for what its daemon holds already.

        Handed out is written before it is said: from then on only the host knows whether it was run.
        """
        wanted = {"node_id": node_id, "holding": holding, "now": now}
        rows = await self._db.rows(self._q.mailbox, wanted)
        fresh = [row["id"] for row in rows if row["handed_at"] is None and row["waits"] != WAITS]
        held = [row for row in rows if row["waits"] == WAITS]
        let_out = await self._holding.let_out(node_id, held, now) if held else {}
        if fresh or let_out:

            async def work(session: Session) -> list[Row]:
                await session.execute(self._q.hand_out, {"ids": fresh, "now": now})
                for row in held:
                    if row["id"] in let_out:
                        try:
                            await self._holding.release(session, row, let_out[row["id"]], now)
                        except (Broken, SignatureError, ValueError) as problem:
                            await self._tampered(session, row["id"], node_id, problem, now)
                return await session.rows(self._q.mailbox, wanted)  # again: one of them may have ended meanwhile

            rows = await self._db.transaction(work)
        return [command for row in rows if row["waits"] != WAITS and (command := await self._opened(node_id, row, now))]

    async def _opened(self, node_id: str, row: Row, now: int) -> Command | None:
        try:
            body = self._keys.seals.unlock(row["body"], f"command {row['id']}")
            return Command(row["id"], row["method"], row["path"], body, json.loads(row["headers"]))
        except (Broken, ValueError) as found:
            problem = found
        await self._db.transaction(lambda session: self._tampered(session, row["id"], node_id, problem, now))
        return None

    async def _tampered(self, session: Session, command_id: str, node_id: str, problem: Exception, now: int) -> None:
        log.error("command %s: %s", command_id, problem)
        reason = "its row was changed outside the manager; it was not sent"
        await self._move(session, command_id, node_id, REFUSED, reason, now, now)

    async def acknowledge(self, session: Session, node_id: str, accepted: Sequence[str], refused: Sequence[Refusal], now: int) -> list[str]:
        """The host has these in its ledger, or will not run them. Returns the ids that changed."""
        changed = [i for i in accepted if await self._move(session, i, node_id, ACCEPTED, "", now, now)]
        for refusal in refused:
            if await self._move(session, refusal.id, node_id, REFUSED, refusal.reason, now, now):
                changed.append(refusal.id)
        return changed

    async def told(self, session: Session, node_id: str, record: Execution, at: int, now: int) -> bool:
        """A host's word on one of its commands. False when it changes nothing: repeated, late, or not its own."""
        if record.state not in COMMAND or record.state in (QUEUED, EXPIRED):
            return False
        moved = await self._move(session, record.command_id, node_id, record.state, record.reason, at, now)
        if moved and record.state in COMMAND_FINAL:
            told = ("exit_code", "stdout_bytes", "stderr_bytes", "cpu_ms", "memory_bytes")
            result: Row = {"id": record.command_id, "node_id": node_id, **{name: getattr(record, name) for name in told}}
            result |= {"exit_signal": record.signal, "truncated": int(record.truncated)}
            result["result"] = None if record.result is None else _json(record.result)
            await session.execute(self._q.result, result)
        return moved

    async def end_overdue(self, now: int) -> int:
        """Give every command past its deadline its final state; how many that were."""
        overdue = await self._db.rows(self._q.overdue, {"now": now, "late": now - GRACE_MS, "forget": now - FORGET_MS})

        async def work(session: Session) -> list[str]:
            ended = []
            for row in overdue:
                state, reason = end_of(row)
                if state == EXPIRED:
                    done = await self._end_unfetched(session, row["id"], state, reason, now)
                else:
                    done = await self._move(session, row["id"], row["node_id"], state, reason, now, now, (row["state"],))
                if done:
                    ended.append(row["id"])
            return ended

        ended = await self._db.transaction(work) if overdue else []
        for command_id in ended:
            self._wakeups.wake(execution(command_id))
        return len(ended)

    async def recently_queued(self, since: int) -> set[str]:
        """Nodes with a command queued after `since`, by whichever manager, or retired since: their polls must look."""
        return {row["node_id"] for row in await self._db.rows(self._q.recently_queued, {"since": since})}

    async def check_nodes(self, session: Session, wanted: Sequence[str]) -> None:
        """They stay in service until the transaction ends. Raises NodeUnknown, Conflict (retired or quarantined)."""
        found = {row["id"]: row for row in await session.rows(self._db.q.nodes.keep, {"ids": wanted})}
        for node_id in wanted:
            if node_id not in found:
                raise NodeUnknown(f"there is no node {node_id[:40]!r}", field="nodes")
            if found[node_id]["state"] in (RETIRED, QUARANTINED, PENDING):
                row = found[node_id]
                raise Conflict(f"the node {row['name']} is {row['state']} and takes no commands", field="nodes")

    def signed(self, caller: Caller, node_id: str, kind: str, path: str, body: str, limit: int, now: int) -> Row:
        """A new command as a row for `insert`; it may run for `limit` ms. Belongs to no task and stops no other command."""
        command_id, expires = new_id(now), now + self._ttl_ms
        headers = signing.sign(
            self._keys.dispatch_key(node_id),
            key_id=node_id,
            nonce=command_id,
            now=now,
            expires=expires,
            method="POST",
            path=path,
            body=body.encode(),
        )
        request_id = REQUEST.get()
        if request_id:
            headers |= {REQUEST_ID: request_id}
        return {
            "id": command_id,
            "node_id": node_id,
            "kind": kind,
            "method": "POST",
            "path": path,
            "body": self._keys.seals.lock(body, f"command {command_id}"),
            "headers": _json(headers),
            "now": now,
            "expires_at": expires,
            "deadline_at": expires + limit,
            "task_id": None,
            "target_id": None,
            "waits": NONE,
            "window_id": "",
            "opens_at": None,
            "start_by": None,
            "created_by": caller.id,
            "request_id": request_id,
        }

    async def _end_unfetched(self, session: Session, command_id: str, state: str, reason: str, now: int) -> bool:
        """End a command that its host has not fetched, so that it certainly never runs; False when it has."""
        return await session.execute(self._q.end_unfetched, {"id": command_id, "state": state, "reason": reason, "now": now}) == 1

    async def _move(
        self,
        session: Session,
        command_id: str,
        node_id: str,
        state: str,
        reason: str,
        at: int,
        now: int,
        from_states: Sequence[str] = (),
    ) -> bool:
        params = {
            "id": command_id,
            "node_id": node_id,
            "state": state,
            "reason": reason[:255],
            "at": at,
            "now": now,
            "final": int(state in COMMAND_FINAL),
            "from_states": from_states or may_follow(COMMAND, state),
        }
        return await session.execute(self._q.move, params) == 1


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
