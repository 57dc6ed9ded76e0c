"""`ops-agent`: arguments → one verb. Exit codes: 0 done (or another agent runs already), 1 failed, 2 usage or settings."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from host import __version__
from host.agent import config
from host.lib.clock import SystemClock
from host.lib.errors import AgentError, ConfigError, HostError
from host.lib.files import ProcessLock
from host.lib.logs import set_up

log = logging.getLogger("agent")


def main(arguments: list[str] | None = None) -> int:
    """The program; `arguments` without the program's name."""
    options = _parser().parse_args(arguments)
    try:
        if options.verb == "conformance":
            return _conformance(options)
        settings = config.read(options.config)
        if options.verb == "check-config":
            print(f"{options.config}: valid")
            return 0
        return _run(settings)
    except HostError as problem:
        print(f"ops-agent: {problem}", file=sys.stderr)
        return 2 if isinstance(problem, ConfigError) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ops-agent", description="Runs tasks on this host that the manager signed.")
    parser.add_argument("--version", action="version", version=f"ops-agent {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="run | check-config | conformance")
    for name, text in (("run", "run until SIGTERM"), ("check-config", "say whether the settings are valid")):
        verb = verbs.add_parser(name, help=text)
        verb.add_argument("--config", type=Path, default=Path("/etc/ops-scaffold/agent.yaml"), help="default: %(default)s")
    check = verbs.add_parser("conformance", help="say whether an agent, of any make, keeps docs/agent-contract.md")
    check.add_argument("--url", default="https://127.0.0.1:9445", help="where it listens; default: %(default)s")
    check.add_argument("--socket", type=Path, required=True, metavar="PATH", help="the daemon's socket; stop the daemon first")
    check.add_argument("--identity", type=Path, required=True, metavar="FOLDER", help="with node.json, dispatch.key and agent.crt")
    check.add_argument("--restart-command", default="", metavar="COMMAND", help="what restarts it; without it those checks are skipped")
    check.add_argument("--only", default="", metavar="WORDS", help="run the checks that have these words in their names")
    return parser


def _conformance(options: argparse.Namespace) -> int:
    from host.agent.conformance.run import run

    place = (options.url, options.socket, options.identity, options.restart_command)
    return run(*place, options.only, lambda line: print(line, flush=True))


def _run(settings: config.Settings) -> int:
    # Late, so that a wrong setting or a version is answered without loading the web server.
    from host.agent import app, identity

    set_up(settings.log_level)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    if not settings.work_dir.is_dir():
        raise AgentError("D3001", f"{settings.work_dir}: no such folder", "run ops-daemon enroll first, or correct work_dir")
    me = identity.read(settings.work_dir)
    lock = ProcessLock(settings.work_dir / "agent.lock")
    try:
        if not lock.acquire():
            log.info("another agent runs here (pid %s); this one steps back", lock.holder() or "unknown")
            return 0
    except OSError as problem:
        raise AgentError("D3001", f"{problem.filename}: {problem.strerror}", "run the agent as the owner of work_dir") from problem
    asyncio.run(app.serve(settings, me, SystemClock()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
