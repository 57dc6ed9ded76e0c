"""`ops-daemon`: arguments → one verb. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 75 failed for now."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from host.daemon import VERSION
from host.lib.errors import ConfigError, HostError

DEFAULT_CONFIG = Path("/etc/ops-scaffold/daemon.yaml")


def main(arguments: list[str] | None = None) -> int:
    """Runs one verb and gives the exit code; an operator's error is one line on stderr, never a traceback."""
    options = _options(arguments)
    try:
        return {"run": _run, "enroll": _enroll, "renew": _renew, "check-config": _check, "status": _status, "diagnose": _diagnose}[
            options["verb"]
        ](options)
    except HostError as problem:
        if wait := getattr(problem, "retry_after", 0):
            print(f"Retry-After: {wait:.0f}")  # for the daemon, which started this
        print(problem, file=sys.stderr)
        return 2 if isinstance(problem, ConfigError) else int(getattr(problem, "exit_code", 1))
    except OSError as problem:
        print(
            f"D1001 {problem.filename or 'the system'}: {problem.strerror or problem} — check the folders and their owner", file=sys.stderr
        )
        return 1


def _options(arguments: list[str] | None) -> dict[str, Any]:
    import argparse

    parser = argparse.ArgumentParser(prog="ops-daemon", description="The Ops Scaffold daemon of this host.")
    parser.add_argument("--version", action="version", version=f"ops-daemon {VERSION}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, text in (
        ("run", "run until SIGTERM; enrols first where needed"),
        ("enroll", "make this host a node of the manager in the configuration, and end"),
        ("renew", "get this node a new certificate now, and end; the daemon does it by itself in time"),
        ("check-config", "check the configuration, and end"),
        ("status", "ask the running daemon how it stands"),
        ("diagnose", "pack configuration (without secrets), states and logs into one file for whoever helps"),
    ):
        verb = verbs.add_parser(name, help=text, description=text)
        verb.add_argument("--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help=f"default: {DEFAULT_CONFIG}")
        if name == "status":
            verb.add_argument("--json", action="store_true", help="as JSON")
        if name == "diagnose":
            verb.add_argument("--to", type=Path, required=True, metavar="FILE", help="the tar.gz to write")
        if name == "check-config":
            text = "check it as the next content of this file, and print the difference"
            verb.add_argument("--for", dest="current", type=Path, metavar="FILE", help=text)
    return vars(parser.parse_args(arguments))


def _run(options: dict[str, Any]) -> int:
    import os
    import signal

    from host.daemon import config_file, probation, secrets, start
    from host.daemon.config import InForce
    from host.lib import logs, settings
    from host.lib.clock import SystemClock

    # A SIGHUP waits until the running daemon can hear it; the others may have been held back by the process before.
    signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGHUP})
    logs.set_up("info")
    path = options["config"].resolve()
    probation.before_start(path, SystemClock().now())
    try:
        text = settings.text_of(path)
        config = config_file.parse(text, str(path))
    except ConfigError as problem:
        if not probation.give_up(path, str(problem)):
            raise
        text = settings.text_of(path)
        config = config_file.parse(text, str(path))
    marker = probation.read(path)
    note = os.environ.pop(start.NOTE, "") or "at start"
    if marker is not None:
        note = f"pushed by {marker.command}" if marker.step in (probation.WATCHING, probation.CONFIRMED) else f"restored: {marker.reason}"
    return start.become_steady(config, InForce(str(path), probation.hash_of(path), secrets.masked(text), note))


def _enroll(options: dict[str, Any]) -> int:
    from host.daemon import config_file, enroll

    settings = config_file.load(options["config"])
    found = enroll.enroll(settings)
    print(f"this host is node {found.name} ({found.node_id}) of {settings.manager.address}")
    return 0


def _renew(options: dict[str, Any]) -> int:
    from host.daemon import config_file, renew
    from host.lib.clock import SystemClock

    ends = renew.renew(config_file.load(options["config"]), SystemClock())
    print(f"this host has a new certificate, which ends on {ends:%Y-%m-%d}; the daemon takes it up within an hour, or at its next start")
    return 0


def _check(options: dict[str, Any]) -> int:
    from host.daemon import config_change, config_file

    if options["current"]:
        sys.stdout.write(config_change.check(options["config"], options["current"]))
        return 0
    config_file.load(options["config"])
    print(f"{options['config']}: good")
    return 0


def _status(options: dict[str, Any]) -> int:
    import json

    from host.daemon import config_file, status

    found = status.ask(config_file.load(options["config"]).daemon_socket)
    print(json.dumps(found, indent=2, ensure_ascii=False) if options["json"] else "\n".join(status.lines(found)))
    return 0


def _diagnose(options: dict[str, Any]) -> int:
    from host.daemon import config_file, diagnostics

    size = diagnostics.gather(config_file.load(options["config"]), options["config"], options["to"])
    print(f"{options['to']}: {size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
