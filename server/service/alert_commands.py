"""Commands that alerts start: on the node that raised one, as the rule's author, with his permission as it is then; once at most.

That it is being started is written before it is: a manager that dies in between leaves an alert whose command was not run, and
says so. Each rule starts so many commands an hour; what is past that is named on the alert and not made up for later.
"""

from __future__ import annotations

import logging

from server.auth import COMMAND_RUN, Caller
from server.db import Db, Row, Session
from server.errors import OpsError
from server.seals import Broken
from server.service.alert_rules import AlertRules
from server.service.audit import Audit
from server.service.commands import Commands
from server.service.people import People

log = logging.getLogger("server.alerts")

HOUR_MS = 3_600_000
CUT_OFF_MS = 120_000
CUT_OFF = "the manager ended while it was being started; it is not tried again"
STARTED, REFUSED = "started", "refused"


class AlertCommands:
    def __init__(self, db: Db, audit: Audit, rules: AlertRules, commands: Commands, people: People) -> None:
        self._db, self._q, self._audit = db, db.q.alerts, audit
        self._rules, self._commands, self._people = rules, commands, people

    async def start(self, now: int) -> int:
        """Start what alerts want; how many were started."""
        cut_off = {"note": CUT_OFF, "before": now - CUT_OFF_MS}
        await self._db.transaction(lambda session: session.execute(self._q.interrupted_commands, cut_off))
        started = 0
        for row in await self._db.rows(self._q.wanting_command):
            claim = {"id": row["id"], "now": now}
            if await self._db.transaction(lambda session, claim=claim: session.execute(self._q.claim_command, claim)) != 1:  # type: ignore[misc]
                continue
            author, task, note = await self._run(row, now)
            await self._note(row, author, task, note, now)
            started += bool(task)
        return started

    async def _run(self, alert: Row, now: int) -> tuple[Caller, str, str]:
        """The author, and the task that was started or why none was."""
        nobody = Caller("anonymous", "", "ops-manager")
        rule = await self._db.row(self._db.q.alert_rules.by_id, {"id": alert["rule_id"]})
        if rule is None or not rule["command"]:
            return nobody, "", "the rule starts nothing any more"
        author = await self._people.by_id(rule["author_id"])
        if not author.may(COMMAND_RUN):
            return nobody, "", f"{rule['author']}, who gave this rule its command, may not run commands now; save the rule again"
        used = await self._db.row(self._q.commands_since, {"rule_id": rule["id"], "since": now - HOUR_MS})
        if used and used["total"] > rule["command_limit"]:
            return author, "", f"the rule has started its {rule['command_limit']} commands of this hour"
        try:
            order = await self._rules.order(rule)
            assert order is not None, "its text is there"
            name = f"{rule['name']} (alert)"
            done = await self._commands.run(author, [alert["node_id"]], order.kind, order.content, name, now)
        except Broken as problem:
            log.error("%s", problem)
            return author, "", "the rule's command was changed outside the manager; it was not run. Save the rule again"
        except OpsError as problem:
            return author, "", problem.message
        return author, done.task_id, ""

    async def _note(self, alert: Row, author: Caller, task: str, note: str, now: int) -> None:
        change = {"id": alert["id"], "state": STARTED if task else REFUSED, "task": task, "note": note[:500]}

        async def work(session: Session) -> None:
            if await session.execute(self._q.end_command, change) == 1:
                detail = {"node": alert["node_id"], "task": task, "rule": alert["rule_id"], "refused": note}
                await self._audit.record(session, author, "alert.command", f"alert {alert['id']}", detail, now)

        await self._db.transaction(work)
