"""The day of alerts behind the demo's fleet, made by the product's own code with the time passed in.

While no manager runs, the services of one are built over its database with a clock that stands a day ago and is moved on, from one of
the hosts' samples to the next: rules, receivers and a window are made when somebody would have made them, the watch looks, deliveries
are sent to a real receiver, people acknowledge. What a rule sees only as it is now (a failed agent, a wrong clock) has no past: such
rules are switched on at the end, and the manager that starts afterwards goes on with all of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from server.alerting.rules import METRIC
from server.app import opened
from server.auth import Caller
from server.config import Config, load
from server.db import Session
from server.service.alert_drafts import Draft
from server.service.receivers import Change
from server.service.windows import Wanted
from server.services import Services
from tests.demo_receiver import DemoReceiver
from tests.load.showcase import STEP
from tests.stack import Stack

MINUTE, HOUR = 60_000, 3_600_000
EARLY_MS = 1_000
"""How long before the hosts' sample a look is: the newest one that it takes in is then the one that was new at that time."""

LOOK = {"kind": "script", "content": {"script": "free -m; ps -eo pid,rss,comm --sort=-rss | head -5"}}
RULES = (
    Draft("Web servers busy", METRIC, "role=web", "cpu_usage", threshold="58%", clear="45%", hold=1200, clear_after=600),
    Draft(
        "Caches short of memory",
        METRIC,
        "role=cache",
        "memory_usage",
        threshold="88%",
        clear="86%",
        hold=600,
        clear_after=600,
        command=LOOK,
        command_limit=4,
    ),
    Draft("Build hosts queue up", METRIC, "role=build", "load_1", threshold="4", clear="2", hold=600, clear_after=600, severity="info"),
)
ACKNOWLEDGED = (
    ("Disk above 90 %", 150 * MINUTE, "old dumps are being moved to the archive"),
    ("Web servers busy", 40 * MINUTE, "two more web servers come tomorrow"),
)
"""Rule, how long ago, and what somebody said."""

WINDOW_BEGAN, WINDOW_MINUTES = 40 * MINUTE, 240


def switch_off(stack: Stack) -> None:
    """Before the fleet comes: the first rules see nothing of it until its past is there."""
    for rule in stack.api("GET", "/alert-rules")["items"]:
        stack.api("PATCH", f"/alert-rules/{rule['id']}", {"enabled": False}, rule["version"])


@dataclass
class _Clock:
    now: int

    def __call__(self) -> int:
        return self.now


def relive(stack: Stack, receiver: DemoReceiver, hours: float, now: int, environment: Mapping[str, str]) -> dict[str, int]:
    """The last `hours` until `now` (UTC ms), step by step. No manager may run meanwhile.

    How many alerts are `open`, `acknowledged` and `resolved` then, and how many messages were `sent`.
    """
    logging.getLogger("server.deliveries").setLevel(logging.ERROR)  # that a receiver is dead is part of the show
    config = load(stack.folder / "manager.yaml", environment)
    return asyncio.run(_relive(config, stack.token, receiver, hours, now))


async def _relive(config: Config, token: str, receiver: DemoReceiver, hours: float, now: int) -> dict[str, int]:
    first = (now - int(hours * HOUR)) // STEP * STEP + STEP
    clock = _Clock(first - MINUTE)
    async with opened(config, clock) as (services, db):
        admin = await services.people.by_token(token, "127.0.0.1", now)
        await _prepare(services, admin, receiver, clock.now)
        waiting = list(ACKNOWLEDGED)
        begun = False
        for at in range(first, now + 1, STEP):
            clock.now = at - EARLY_MS
            if not begun and clock.now >= now - WINDOW_BEGAN:
                await services.windows.make(admin, _window(clock.now), clock.now)
                begun = True
            await _turn(services, clock.now)
            while waiting and clock.now >= now - waiting[0][1]:
                await _acknowledge(services, admin, *waiting.pop(0)[::2], clock.now)
            await services.delivery_turns.start(clock.now)
            await services.delivery_turns.settle()
        clock.now = now
        await _switch_on(services, admin, now, by_metric=False)

        async def anew(session: Session) -> None:
            # The fleet's minutes of the day before are made once more, from what has come since.
            await session.raw_statement("UPDATE rollup_state SET fleet_until = 0")

        await db.transaction(anew)
        counts = await services.alerts.counts()
        history = await services.alerts.page(state="resolved", limit=1, offset=0)
        sent = await services.deliveries.page("", "sent", 1, 0)
        return {"open": counts["open"], "acknowledged": counts["acknowledged"], "resolved": history.total, "sent": sent.total}


async def _prepare(services: Services, admin: Caller, receiver: DemoReceiver, now: int) -> None:
    desk = Change("Operations desk", settings={"url": f"{receiver.url}/desk"})
    pager = Change("On-call pager", selector="role in (web, db)", events=["opened", "resolved", "grouped"])
    pager = replace(pager, settings={"url": f"{receiver.url}/pager"})
    nowhere = {"host": "127.0.0.1", "port": 9, "security": "none", "sender": "ops@example.com", "to": ["team@example.com"]}
    old = Change("Old mail gateway", settings=nowhere)
    for kind, change in (("webhook", desk), ("webhook", pager), ("mail", old)):
        await services.receivers.make(admin, kind, change, now)
    for draft in RULES:
        await services.alert_rules.make(admin, draft, now)
    await _switch_on(services, admin, now, by_metric=True)


async def _switch_on(services: Services, admin: Caller, now: int, by_metric: bool) -> None:
    """The first rules: those by a figure that samples have, or the others."""
    for rule in await services.alert_rules.all(now):
        if not rule["enabled"] and by_metric == (rule["kind"] == METRIC):
            await services.alert_rules.switch(admin, rule["id"], rule["version"], True, now)


async def _turn(services: Services, now: int) -> None:
    await services.alert_watch.tick(now)
    await services.deliveries.end_overdue(now)
    await services.delivery_turns.start(now)
    await services.delivery_turns.settle()


async def _acknowledge(services: Services, admin: Caller, rule_name: str, comment: str, now: int) -> None:
    """The first that is open of this rule, if there is one."""
    rows = (await services.alerts.page(state="open", q=rule_name, limit=1, offset=0)).rows
    if rows:
        await services.alerts.acknowledge(admin, [rows[0]["id"]], comment, now)


def _window(now: int) -> Wanted:
    start = datetime.fromtimestamp(now / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M")
    schedule = {"start": start, "minutes": WINDOW_MINUTES}
    return Wanted("Memory upgrade in Frankfurt", "every cache host there gets more memory", "role=cache and site=fra", schedule, "UTC")
