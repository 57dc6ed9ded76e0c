"""`ops-manager`: arguments → one verb."""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from host import __version__
from server import app
from server.auth import PEOPLE, Caller
from server.config import LOG_LEVELS, Config, load
from server.db import describe, parse_url
from server.errors import ConfigError, OpsError
from server.logs import set_up
from server.services import Services
from server.upkeep import verbs as upkeep

DEFAULT_CONFIG = Path("/etc/ops-scaffold/manager.yaml")
_SHELL = Caller("admin", name="ops-manager")


def main(arguments: list[str] | None = None) -> int:
    """0 done, 1 failed, 2 the arguments or the configuration are wrong."""
    options = _parser().parse_args(arguments)
    # Keys and database are for this account only, whatever the shell it is started from allows.
    os.umask(0o077)
    try:
        path = options.config or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)
        config = load(path, os.environ)
        set_up(options.log_level or config.log_level)
        uvloop.run(options.verb(config, options))
    except ConfigError as problem:
        print(f"ops-manager: {problem}", file=sys.stderr)
        return 2
    except OpsError as problem:
        print(f"ops-manager: {problem.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1
    except BrokenPipeError:
        # Whoever read what is printed has gone, as `| head` does: the rest has no reader, nor what Python says of it in the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def now() -> int:
    return time.time_ns() // 1_000_000


async def _run(config: Config, options: argparse.Namespace) -> None:
    # Reports make many small objects and no cycles: collecting after each 700 of them costs a tenth of the time.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    # SQLite works in a thread; with Python's 5 ms it would wait longer for its turn than it works.
    sys.setswitchinterval(0.0005)
    await app.serve(config, now)


async def _check(config: Config, options: argparse.Namespace) -> None:
    print(f"configuration is valid; database {describe(parse_url(config.url))}")


async def _enrol_token(config: Config, options: argparse.Namespace) -> None:
    async def make(services: Services) -> None:
        token = await services.enrolment.create_token(_SHELL, options.uses, options.hours, options.note, {}, now())
        print(token.token)

    await _with_services(config, make)


async def _user_add(config: Config, options: argparse.Namespace) -> None:
    password = sys.stdin.readline().rstrip("\n")

    async def make(services: Services) -> None:
        await services.people.create(_SHELL, options.name, password, options.role, now())
        print(f"user {options.name} added as {options.role}")

    await _with_services(config, make)


async def _user_reset(config: Config, options: argparse.Namespace) -> None:
    async def reset(services: Services) -> None:
        print(await services.people.reset_password(_SHELL, options.name, now()))

    await _with_services(config, reset)


async def _user_list(config: Config, options: argparse.Namespace) -> None:
    async def show(services: Services) -> None:
        for row in await services.people.accounts():
            print(f"{row['name']:<24} {row['role']:<8} {'disabled' if row['disabled_at'] else 'enabled'}")

    await _with_services(config, show)


async def _user_switch(config: Config, options: argparse.Namespace) -> None:
    async def switch(services: Services) -> None:
        await services.people.set_disabled(_SHELL, options.name, options.disabled, now())
        print(f"user {options.name} is {'disabled; its sessions and tokens have ended' if options.disabled else 'enabled'}")

    await _with_services(config, switch)


async def _audit_verify(config: Config, options: argparse.Namespace) -> None:
    async def verify(services: Services) -> None:
        broken = await services.audit.first_broken()
        print(json.dumps({"intact": broken is None, "first_broken": broken}))
        if broken is not None:
            raise OpsError(f"audit entry {broken} is not as it was written; compare with an export or a backup")

    await _with_services(config, verify)


async def _with_services(config: Config, work: Callable[[Services], Awaitable[None]]) -> None:
    async with app.opened(config, now) as (services, _):
        await work(services)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ops-manager", description="The central manager of Ops Scaffold.")
    parser.add_argument("--version", action="version", version=f"ops-manager {__version__}")
    parser.add_argument("--config", type=Path, help=f"YAML file (default: {DEFAULT_CONFIG} where it exists)")
    parser.add_argument("--log-level", choices=LOG_LEVELS, help="overrides the configuration")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    verbs.add_parser("run", help="run until SIGTERM").set_defaults(verb=_run)
    verbs.add_parser("check-config", help="read the configuration and say whether it is valid").set_defaults(verb=_check)
    upkeep.add_to(verbs.add_parser("db", help="the database: migrate, status, check, backup, restore"), now)
    token = verbs.add_parser("enrol-token", help="make a token with which hosts enrol, and print it")
    token.add_argument("--uses", type=int, default=1, help="how many hosts (default 1)")
    token.add_argument("--hours", type=float, default=1.0, help="how long it is good for (default 1)")
    token.add_argument("--note", default="")
    token.set_defaults(verb=_enrol_token)
    user = verbs.add_parser("user", help="people's accounts").add_subparsers(metavar="VERB", required=True)
    add = user.add_parser("add", help="add one; the password is read from stdin")
    add.add_argument("name")
    add.add_argument("--role", choices=PEOPLE, default="viewer")
    add.set_defaults(verb=_user_add)
    reset = user.add_parser("reset-password", help="print a new one-time password; ends all sessions and tokens")
    reset.add_argument("name")
    reset.set_defaults(verb=_user_reset)
    user.add_parser("list", help="every account").set_defaults(verb=_user_list)
    for verb, disabled, what in (("disable", True, "shut one out at once"), ("enable", False, "let one in again")):
        switch = user.add_parser(verb, help=what)
        switch.add_argument("name")
        switch.set_defaults(verb=_user_switch, disabled=disabled)
    audit = verbs.add_parser("audit", help="the audit log").add_subparsers(metavar="VERB", required=True)
    audit.add_parser("verify", help="find the first entry that is not as it was written").set_defaults(verb=_audit_verify)
    return parser


if __name__ == "__main__":
    logging.captureWarnings(True)
    sys.exit(main())
