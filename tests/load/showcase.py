"""The fleet of `./ops demo --fleet N`: emulated hosts with a day behind them, and with the troubles that a fleet has.

    python -m tests.load.showcase --manager 127.0.0.1:8443 --ca ca.crt --token ops1.… --nodes 200 --hours 24

All of it goes over the real node link: the day before is reported late, as by hosts that come back after an outage. One line says
when the day has been told; then the hosts live on until the process is ended.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from host.wire.codec import dumps
from host.wire.messages import EnrollRequest
from host.wire.protocol import ENROLL_PATH, PROTOCOL
from tests.load.fleet import Fleet, Wanted, client_context
from tests.load.host import Figures, Host, now_ms
from tests.load.lifelike import Machine
from tests.load.wire import Connection

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
STEP = 10 * MINUTE
"""Between two samples of the day before; the hosts' own period since."""

AWAKE_S = 20.0
"""How long a host that dies had been there."""

TROUBLES = ("filling disk", "flapping agent", "dead", "wrong clock", "failed agent", "dropping", "failing commands", "never seen")
LINES = (
    ("daemon", "WARNING", "link", "D4002 the manager does not answer: timed out after 20 s; trying again in 7 s"),
    ("daemon", "WARNING", "collect", "D5001 collector disk: /mnt/nfs did not answer within 2 s"),
    ("agent", "ERROR", "tasks", "script ended with exit code 1: /usr/local/bin/backup.sh: line 41: pg_dump: command not found"),
    (
        "agent",
        "ERROR",
        "tasks",
        "package: E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 21874 (unattended-upgr)",
    ),
    ("daemon", "ERROR", "outbox", "write failed: No space left on device: '/var/lib/ops-scaffold/outbox.db-wal'"),
    (
        "agent",
        "WARNING",
        "tasks",
        "service nginx: restarted, but not active after 10 s: bind() to 0.0.0.0:443 failed (98: Address already in use)",
    ),
    ("daemon", "WARNING", "supervise", "the agent ended with signal 9 (out of memory?); starting it again, restart 2 of 5"),
    ("agent", "ERROR", "http", "GET https://registry.internal/v2/: certificate verify failed: certificate has expired"),
)
OLD = "0.0.9"


class ShowHost(Host):
    """One of the fleet; every tenth has one of the troubles until each is there once or, in a large fleet, more often."""

    def __init__(
        self, machine: Machine, number: int, node_id: str, place: tuple[str, int], context: ssl.SSLContext, figures: Figures
    ) -> None:
        super().__init__(machine, number, node_id, place, context, figures)
        turn, left = divmod(number - 3, 12)
        self.trouble = TROUBLES[turn % len(TROUBLES)] if left == 0 and turn < max(len(TROUBLES), 2) else ""
        self.dice = random.Random(number * 7919)
        if number % 9 == 4:
            self.version = OLD

    async def run(self, period_s: float, first_in_s: float) -> None:
        if self.trouble == "never seen":
            return
        side = asyncio.create_task(self._live())
        try:
            await asyncio.wait_for(super().run(period_s, first_in_s), AWAKE_S if self.trouble == "dead" else None)
        except asyncio.TimeoutError:
            return
        finally:
            side.cancel()

    def remember(self, since: int, until: int) -> None:
        """The samples of the time before, and now and then a line of the log."""
        if self.trouble == "never seen":
            return
        for at in range(since // STEP * STEP, until, STEP):
            self._fill(at, until)
            body = self.machine.sample(at, STEP)
            for name in ("disk_io", "process_states", "plugins"):
                body.pop(name, None)
            self.tell("sample", body, at + self.number % 50 * 100)
        lines = 12 if self.trouble else self.dice.choice((0, 0, 0, 1, 2))
        for _ in range(lines):
            self._line(self.dice.randrange(since, until))

    async def _live(self) -> None:
        """What a daemon tells of itself from time to time, and its troubles."""
        restarts, turn = 0, 0
        if self.trouble == "dropping":
            lane = self.lanes["bulk"]
            lane.seq += 1841
            lane.put("dropped", now_ms(), {"first": lane.seq - 1840, "why": "the outbox was full"})
        while True:
            self._fill(now_ms(), now_ms())
            self.tell("health", self._health())
            if self.trouble == "flapping agent":
                restarts += 1
                self._agent("running", restarts, "")
                self._line(now_ms())
            if self.trouble == "failed agent" and turn == 0:
                self._agent("failed", 5, "its process is gone; restart 5 in 300 s")
            if self.dice.random() < (0.5 if self.trouble else 0.02):
                self._line(now_ms())
            turn += 1
            await asyncio.sleep(self.dice.uniform(25, 45) if self.trouble else self.dice.uniform(60, 180))

    def _fill(self, at: int, until: int) -> None:
        if self.trouble == "filling disk":
            self.machine.filling = min(98.5, 96.5 - (until - at) / HOUR * 1.4)

    def _agent(self, state: str, restarts: int, reason: str) -> None:
        pid = 4000 + self.number + restarts if state == "running" else None
        self.tell("state", {"state": state, "pid": pid, "version": self.version, "restarts": restarts, "reason": reason})

    def _health(self) -> dict[str, Any]:
        waiting = len(self.lanes["bulk"].records)
        return {
            "started": now_ms() - 3 * DAY,
            "address": "127.0.0.1",
            "outbox_records": waiting,
            "outbox_bytes": waiting * 900,
            "outbox_oldest": now_ms() - MINUTE if waiting else None,
            "clock_ahead_ms": 143_000 if self.trouble == "wrong clock" else self.dice.randrange(-40, 40),
            "certificate_not_after": now_ms() + 89 * DAY,
            "log_level": "info",
            "memory_bytes": 25_000_000 + self.number * 1000,
            "cpu_percent": 0.1,
            "dropped": 1841 if self.trouble == "dropping" else 0,
        }

    def _line(self, at: int) -> None:
        component, level, logger, message = self.dice.choice(LINES)
        self.tell("log", {"component": component, "level": level, "logger": logger, "message": message}, at)

    async def _execute(self, identifier: str, path: str) -> None:
        if self.trouble != "failing commands":
            return await super()._execute(identifier, path)
        self.tell("execution", {"command_id": identifier, "state": "started"})
        await asyncio.sleep(self.delay_s)
        self.tell("execution", {"command_id": identifier, "state": "failed", "exit_code": 127, "reason": "exit code 127"})


class Showcase(Fleet):
    kind = ShowHost


async def ask(wanted: Wanted, name: str) -> None:
    """A host without a token: it waits for approval."""
    machine = Machine(9_000)
    machine.name = name
    key = ec.generate_private_key(ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    text = csr.public_bytes(serialization.Encoding.PEM).decode()
    link = Connection(wanted.host, wanted.port, client_context(wanted.ca))
    try:
        await link.post(ENROLL_PATH, dumps(EnrollRequest(PROTOCOL, "", text, machine.facts(now_ms() - HOUR), machine.fingerprint(name))))
    finally:
        link.close()


async def _main(options: argparse.Namespace) -> None:
    address, _, port = options.manager.rpartition(":")
    wanted = Wanted(address, int(port), options.ca, options.token, options.nodes, options.period, 0.4, spread=options.spread)
    begun = time.monotonic()
    async with Showcase(wanted) as fleet:
        print(f"fleet: {len(fleet.hosts)} emulated hosts enrolled in {time.monotonic() - begun:.0f} s", flush=True)
        now = now_ms()
        for host in fleet.hosts:
            assert isinstance(host, ShowHost)
            host.remember(now - int(options.hours * HOUR), now)
        told = fleet.unsent()
        fleet.start()
        await ask(wanted, "lab-pvg-0001")
        while fleet.unsent() > told // 200:
            await asyncio.sleep(0.5)
        print(f"fleet: {options.hours:g} hours behind them are told, {told} records, after {time.monotonic() - begun:.0f} s", flush=True)
        await asyncio.Event().wait()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load.showcase", description=__doc__)
    parser.add_argument("--manager", required=True, metavar="HOST:PORT")
    parser.add_argument("--ca", required=True, type=Path)
    parser.add_argument("--token", required=True)
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--period", type=float, default=60.0, help="seconds between two samples of a host")
    parser.add_argument("--spread", type=float, default=5.0, help="seconds over which the hosts connect")
    parser.add_argument("--hours", type=float, default=24.0, help="how long a time before is told")
    try:
        uvloop.run(_main(parser.parse_args()))
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
