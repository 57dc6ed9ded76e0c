"""What `./ops demo --fleet N` adds: emulated hosts with their troubles, groups, tags, a window, and commands to look at.

The hosts' day before goes through the real reports, the alerts of that day through the real watch (demo_alerts.py). Only one thing is
written past the product: how far the fleet's minutes had been made is set back, so that the manager makes those of the day before from
the samples that came late.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone

from tests import demo_alerts
from tests.demo_receiver import DemoReceiver
from tests.stack import ROOT, Stack, StackError

SITES = {"ams": "Amsterdam", "fra": "Frankfurt", "sin": "Singapore", "pvg": "Shanghai"}
SCRIPTS = (("name:web-*", "uptime", "Uptime of the web servers"), ("name:db-*", "df -h /srv/data", "Room left on the databases"))


def add(stack: Stack, receiver: DemoReceiver, nodes: int, hours: float) -> subprocess.Popen[str]:
    """Returns when the hosts are online, their day is told and its alerts are there; the process that plays them. Raises StackError."""
    demo_alerts.switch_off(stack)
    token = stack.api("POST", "/enrolment-tokens", {"uses": nodes, "hours": 2, "note": "demo fleet"})["token"]
    command = [sys.executable, "-m", "tests.load.showcase", "--manager", f"127.0.0.1:{stack.node_port}", "--token", token]
    command += ["--ca", str(stack.folder / "manager/keys/ca.crt"), "--nodes", str(nodes), "--hours", str(hours)]
    fleet = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert fleet.stdout is not None
        for _ in range(2):
            line = fleet.stdout.readline()
            if not line:
                raise StackError("the emulated fleet ended; its error stands above")
            print(line, end="", flush=True)
        _organise(stack)
        _relive(stack, receiver, hours)
        return fleet
    except BaseException:
        fleet.terminate()
        raise


def _organise(stack: Stack) -> None:
    top = stack.api("POST", "/groups", {"kind": "region", "name": "Datacentres", "parent": "", "protected": False})["id"]
    for short, name in SITES.items():
        group = stack.api("POST", "/groups", {"kind": "region", "name": name, "parent": top, "protected": False})["id"]
        stack.api("POST", f"/groups/{group}/members", {"select": f"name:*-{short}-*"})
        stack.api("POST", "/tags", {"select": f"name:*-{short}-*", "add": {"site": short}})
    for role in ("web", "db", "cache", "build"):
        stack.api("POST", "/tags", {"select": f"name:{role}-*", "add": {"role": role}})
    night = (datetime.now(timezone.utc) + timedelta(days=1)).strftime("%Y-%m-%dT22:00")
    schedule = {"start": night, "minutes": 240, "repeat": "weekly"}
    window = {"name": "Patch night", "selector": "group:frankfurt", "zone": "host", "reason": "kernel updates", "schedule": schedule}
    stack.api("POST", "/windows", window)
    for selector, script, name in SCRIPTS:
        stack.api("POST", "/commands", {"select": selector, "type": "script", "content": {"script": script}, "name": name})


def _relive(stack: Stack, receiver: DemoReceiver, hours: float) -> None:
    """The day's alerts, while the manager rests."""
    begun = time.monotonic()
    stack.stop_manager()
    try:
        counts = demo_alerts.relive(stack, receiver, hours, time.time_ns() // 1_000_000, os.environ)
    finally:
        stack.start_manager()
    alerts = ", ".join(f"{counts[name]} {name}" for name in ("open", "acknowledged", "resolved"))
    print(f"alerts: {alerts}; {counts['sent']} messages sent, after {time.monotonic() - begun:.0f} s", flush=True)


def wait_for_trends(stack: Stack, hours: float, seconds: float = 90) -> None:
    """Until the fleet has its minutes of the `hours` before, or an hour of them."""
    enough = min(6, max(int(hours * 6) - 2, 0))
    since = time.time_ns() // 1_000_000 - 86_400_000
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if len(stack.api("GET", f"/fleet/metrics?since={since}&step=600000")["points"]) > enough:
            return
        time.sleep(1)
    raise StackError("the fleet's minutes were not made in time")
