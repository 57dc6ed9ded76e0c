"""Run as a process by test_outbox_kills: a host that lives many short lives, each ended by kill -9 at another statement.

    outbox_lives.py FOLDER PORT CA CERTIFICATE KEY STEP

Life k is killed at its k-th SQL statement, or at its k-th call to the network; when a life outlasts its k, all steps were seen.
What was confirmed is written to a truth file, fsynced, by its own descriptor: `own N` and `agent N`, after the answer.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

from host.daemon.dial import tls_context
from host.daemon.link import Link
from host.daemon.outbox import Outbox
from host.daemon.report import Reporter
from host.daemon.route import Fixed
from host.lib.backoff import Backoff
from host.lib.clock import SystemClock
from host.wire.messages import Record
from host.wire.protocol import LANES
from host.wire.records import Event, Log

ROUNDS = 2
MAX_BYTES = 60_000


class Fuse:
    """Kills this process at the n-th touch."""

    def __init__(self, touches: int) -> None:
        self._left = touches

    def touch(self, *_: Any) -> None:
        self._left -= 1
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


class KilledLink(Link):
    fuse: Fuse

    def call(self, *arguments: Any, **named: Any) -> Any:
        self.fuse.touch()  # before it is sent
        answer = super().call(*arguments, **named)
        self.fuse.touch()  # the manager has it, and nobody here knows
        return answer


def live(folder: Path, link: KilledLink, fuse: Fuse, life: int, agent_from: int) -> None:
    truth = os.open(folder / "truth", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def confirm(text: str) -> None:
        os.write(truth, f"{text}\n".encode())
        os.fsync(truth)

    outbox = Outbox(folder / "outbox.db", MAX_BYTES)
    outbox._db.set_trace_callback(fuse.touch)
    reporters = [Reporter(lane, link, outbox, SystemClock(), Backoff(0.01, 0.02, random.random)) for lane in LANES]
    agent = agent_from
    for part in range(ROUNDS):
        own = life * 100 + part
        outbox.append("log", own, Log("daemon", "error", f"log {own}", "m" * 9000))
        confirm(f"own log {own}")
        outbox.append("event", own, Event(f"own {own}", "d"))
        confirm(f"own own {own}")
        records = [Record(n, "event", n, {"name": f"agent {n}", "detail": ""}) for n in range(max(1, agent - 2), agent + 3)]
        agent = outbox.append_from_agent(5, records, own) + 1
        confirm(f"agent {agent - 1}")
        if life % 3 or part == ROUNDS - 1:  # every third life leaves a backlog, which outgrows its bound
            for reporter in reporters:
                reporter.step()
    confirm("lived on")


def agent_known(folder: Path) -> int:
    lines = (folder / "truth").read_text().splitlines() if (folder / "truth").exists() else []
    return max((int(line.split()[1]) for line in lines if line.startswith("agent ")), default=0)


def main(folder: Path, port: int, ca: Path, certificate: Path, key: Path, step: int) -> None:
    context = tls_context(ca, certificate, key)
    life, kill_at = 0, 1
    while True:
        life += 1
        known = agent_known(folder)
        peaceful = life % 8 == 0  # now and then one lives on, or lives killed early would pile up more than the bound
        child = os.fork()
        if child == 0:
            fuse = Fuse(10**9 if peaceful else kill_at)
            link = KilledLink(Fixed("manager", "127.0.0.1", port, context), 5.0, SystemClock())
            link.fuse = fuse
            live(folder, link, fuse, life, known + 1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0, "a life ended by an error"
            if not peaceful:
                break
        elif not peaceful:
            kill_at += step
    sys.stdout.write(f"{life}\n")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    main(Path(arguments[0]), int(arguments[1]), *(Path(one) for one in arguments[2:5]), int(arguments[5]))
