"""Alerts and what is told of them, through managers that are killed with SIGKILL: nothing is lost, and what comes twice has one id.

Real processes, a real receiver. Where the product waits for a lease to end, the rows are set back by as much while no manager runs.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.load.fleet import Fleet, Wanted
from tests.stack import Stack, StackError

LEASE_MS = 60_000
KILLED = """
import os, signal, sys
from server.__main__ import main
from server.service.deliveries import Deliveries

real = Deliveries.enqueue

async def enqueue(self, session, events):
    if {place!r} == "after":
        await real(self, session, events)
    os.kill(os.getpid(), signal.SIGKILL)

Deliveries.enqueue = enqueue
sys.exit(main())
"""


class Told:
    """A receiver of webhooks: `got` holds id and body of each request; `meanwhile` is done before the next one is answered."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.meanwhile: Callable[[], None] | None = None
        told = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                told.got.append((self.headers["webhook-id"], json.loads(body)))
                work, told.meanwhile = told.meanwhile, None
                if work is not None:
                    work()
                    return
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: what came is in `got`."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def told() -> Iterator[Told]:
    made = Told()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def stack(tmp_path: Path, told: Told) -> Iterator[Stack]:
    """A manager that is stopped, with one enrolled host, a receiver, and a rule that is wrong on that host as soon as somebody looks."""
    made = Stack(tmp_path, manager="receiver_networks: [127.0.0.0/8]\n")
    try:
        made.start_manager()
        made.sign_in()
        token = made.api("POST", "/enrolment-tokens", {"uses": 1, "hours": 1, "note": "host"})["token"]
        asyncio.run(enrol(made, tmp_path, token))
        made.api("POST", "/receivers", {"name": "hook", "kind": "webhook", "settings": {"url": told.url}})
        rule = {"name": "Certificate", "kind": "certificate", "selector": "all", "threshold": "365", "enabled": False}
        made.api("POST", "/alert-rules", rule)
        made.stop_manager()
        change(tmp_path, "UPDATE alert_rules SET enabled = CASE WHEN name = 'Certificate' THEN 1 ELSE 0 END")
        yield made
    finally:
        made.stop()


async def enrol(stack: Stack, folder: Path, token: str) -> None:
    wanted = Wanted("127.0.0.1", stack.node_port, folder / "manager/keys/ca.crt", token, nodes=1)
    async with Fleet(wanted):
        pass


def change(folder: Path, *statements: str) -> None:
    """Edit the database, while no manager runs."""
    with closing(sqlite3.connect(folder / "manager/manager.db")) as database, database:
        for statement in statements:
            database.execute(statement)


def count(folder: Path, table: str) -> int:
    with closing(sqlite3.connect(folder / "manager/manager.db")) as database:
        return int(database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])


def until(ready: Callable[[], Any], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "it did not come to pass in time"
        time.sleep(0.05)


def leases_are_over(folder: Path) -> None:
    """What a minute later would be."""
    change(
        folder,
        "UPDATE alert_state SET leased_until = 0",
        f"UPDATE receiver_health SET leased_until = leased_until - {LEASE_MS}",
        f"UPDATE deliveries SET next_at = next_at - {LEASE_MS} WHERE state = 'waiting'",
    )


def delivered(stack: Stack) -> list[tuple[str, str, int]]:
    return [(one["event_kind"], one["state"], one["attempts"]) for one in stack.api("GET", "/deliveries")["items"]]


def test_a_manager_that_is_killed_between_sending_and_the_mark_sends_it_again_under_the_same_id(stack: Stack, told: Told) -> None:
    told.meanwhile = lambda: killed(stack)
    stack.start_manager()
    until(lambda: stack.manager_ended())
    assert len(told.got) == 1
    leases_are_over(stack.folder)
    stack.start_manager()
    until(lambda: delivered(stack) == [("opened", "sent", 2)])
    assert told.got[0] == told.got[1], "the same id and the same words"
    [one] = stack.api("GET", "/deliveries")["items"]
    assert one["message_id"] == told.got[0][0]
    assert [attempt["good"] for attempt in stack.api("GET", f"/deliveries/{one['id']}")["attempts_log"]] == [True]
    time.sleep(1.5)
    assert len(told.got) == 2, "what is marked is not sent once more"
    [alert] = stack.api("GET", "/alerts")["items"]
    assert (alert["rule_name"], alert["state"]) == ("Certificate", "open")


def killed(stack: Stack) -> None:
    stack.kill("manager", signal.SIGKILL)


@pytest.mark.parametrize("place", ["before", "after"])
def test_an_alert_is_stored_with_its_delivery_or_not_at_all(stack: Stack, told: Told, place: str) -> None:
    program = stack.folder / "killed.py"
    program.write_text(KILLED.format(place=place))
    ordinary, stack.manager_program = stack.manager_program, [sys.executable, program]
    start_anyhow(stack)
    until(lambda: stack.manager_ended())
    for table in ("alerts", "alert_events", "alert_watches", "deliveries"):
        assert count(stack.folder, table) == 0, table
    stack.manager_program = ordinary
    leases_are_over(stack.folder)
    stack.start_manager()
    until(lambda: delivered(stack) == [("opened", "sent", 1)])
    assert [body["type"] for _, body in told.got] == ["alert.opened"]
    assert count(stack.folder, "alerts") == 1


def start_anyhow(stack: Stack) -> None:
    """It may be gone before it was seen to answer."""
    try:
        stack.start_manager()
    except StackError:
        assert stack.manager_ended()
