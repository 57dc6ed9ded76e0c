"""`./ops demo`: from nothing to a command run on a host, and then a system to play with until Ctrl-C.

`--once` ends by itself, 0 only if everything below happened: manager up, host enrolled with a one-use token, online,
first sample stored, a script run through the REST API with its output arriving while it runs.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from tests import demo_fleet
from tests.demo_receiver import SETTINGS, DemoReceiver
from tests.stack import ROOT, Stack, StackError, save

SCRIPT = """date +%s%N
echo "hello from $(uname -n), $(uname -sr)"
for i in 1 2 3; do sleep 0.3; echo "line $i"; done
"""


class Ended(Exception):
    """Ctrl-C, or SIGTERM."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="./ops demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end by itself when everything has been shown")
    parser.add_argument("--fleet", type=int, default=0, metavar="N", help="add N emulated hosts with a day behind them and some troubles")
    parser.add_argument("--hours", type=float, default=24.0, help="how long a time the fleet has behind it")
    options = parser.parse_args()
    folder = ROOT / ".demo"
    lock = _lock(folder)
    if lock is None:
        print(f"ops demo: it runs already (see {folder}/demo.json); end that one first", file=sys.stderr)
        return 1
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    stack = Stack(folder, database_url=os.environ.get("OPS_DATABASE_URL", ""), manager=SETTINGS if options.fleet else "")
    fleet = receiver = None
    try:
        line = _show(stack)
        if options.fleet:
            receiver = DemoReceiver(folder / "received.jsonl")
            fleet = demo_fleet.add(stack, receiver, options.fleet, options.hours)
            demo_fleet.wait_for_trends(stack, options.hours)
        save(stack, folder / "demo.json")
        if not options.once:
            _invite(stack)
            _keep(stack)
    except Ended:
        line = ""
        if options.once:
            return 1
    except StackError as problem:
        print(f"ops demo: {problem}", file=sys.stderr)
        return 1
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        if fleet is not None:
            fleet.terminate()
            fleet.communicate(timeout=20)
        stack.stop()
        if receiver is not None:
            receiver.close()
    print(line or "demo: ended; every process it started has stopped")
    return 0


def _show(stack: Stack) -> str:
    """The tour; the last line to print. Raises StackError."""
    begun = time.monotonic()
    print(f"manager: starting on {stack.url} …", flush=True)
    stack.start_manager()
    stack.sign_in()
    print("host: starting supervisord, daemon and agent, enrolling with a one-use token …", flush=True)
    host_begun = time.monotonic()
    stack.start_host()
    stack.wait_online()
    online = time.monotonic() - host_begun
    print(f"host: {stack.node_name} is online", flush=True)
    stack.wait_first_sample()
    sample = time.monotonic() - begun
    print("host: the first sample is stored\ncommand: running a shell script through the REST API", flush=True)
    sent = time.time_ns()
    command_id = stack.run(SCRIPT, timeout=30)
    text, live = _follow(stack, command_id)
    command = stack.api("GET", f"/commands/{command_id}")
    if command["state"] != "succeeded" or "line 3" not in text:
        raise StackError(f"the command ended as {command['state']}: {command['reason']}")
    if not live:
        raise StackError("the output did not arrive while the command ran")
    delay = (int(text.split()[0]) - sent) / 1e6
    return (
        f"demo: node {stack.node_name} online in {online:.1f} s; first sample in {sample:.1f} s; "
        f"command started after {delay:.0f} ms, exit {command['exit_code']}"
    )


def _follow(stack: Stack, command_id: str) -> tuple[str, bool]:
    """All output, printed as it comes; and whether any came before the end."""
    text, after, live = "", 0, False
    until = time.monotonic() + 60
    while time.monotonic() < until:
        part = stack.output(command_id, after)
        for chunk in part["chunks"]:
            text += chunk["text"]
            print("".join(f"    {line}\n" for line in chunk["text"].splitlines()), end="", flush=True)
        live = live or (bool(part["chunks"]) and part["state"] == "started")
        after = part["next"]
        if part["done"]:
            return text, live
    raise StackError("the command did not end within 60 s")


def _invite(stack: Stack) -> None:
    print(
        f"\n  page:      {stack.url}/\n  sign in:   admin / {stack.password}\n"
        f"  shell:     .venv/bin/opsctl login {stack.url} --name admin\n"
        f"  details:   {stack.folder}/demo.json\n\nCtrl-C ends everything.",
        flush=True,
    )


def _keep(stack: Stack) -> None:
    """Until Ctrl-C; the manager is started again when it ends, as systemd would."""
    while True:
        time.sleep(0.5)
        if stack.manager_ended():
            print("manager: ended unexpectedly, starting it again", flush=True)
            stack.start_manager()
            save(stack, stack.folder / "demo.json")


def _lock(folder: Path) -> int | None:
    """A lock on the demo, and an empty folder; None when another one runs."""
    lock = os.open(ROOT / ".demo.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    return lock


def _end(number: int, frame: FrameType | None) -> None:
    raise Ended


if __name__ == "__main__":
    sys.exit(main())
