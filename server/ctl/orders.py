"""`opsctl agent`, `collect`, `log-level`, `config` and `diagnose`: orders for a node's daemon, and what came of them."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import Any, BinaryIO

import click

from host.wire import masking
from host.wire.orders import AGENT_RESTART, AGENT_START, AGENT_STOP, COLLECT, CONFIGURE, DIAGNOSE, LOG_LEVEL, LOG_LEVELS
from host.wire.orders import MAX_CONFIGURATION_BYTES as MAX_BYTES
from server.ctl import follow, names, outcome, show
from server.ctl.client import Client
from server.ctl.interrupt import PERHAPS, leaving
from server.ctl.options import confirm_option, connect, json_option, text_of, wait_option
from server.ctl.problems import Problem, Usage


class _ToFile:
    """Writes stdout's bytes to a file as they come."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self.size = stream, 0

    def chunk(self, target: follow.Target, chunk: dict[str, Any]) -> None:
        if chunk["stream"] == "stdout":
            self.size += self._stream.write(follow.data_of(chunk))

    def end(self, target: follow.Target) -> None:
        pass


@click.group()
def agent() -> None:
    """Start, stop or restart a node's agent. One that was stopped stays stopped until it is started."""


def _agent_verb(name: str, verb: str, text: str) -> None:
    @agent.command(name, help=text)
    @click.argument("node")
    @wait_option
    @confirm_option
    @json_option
    def command(node: str, wait: bool, confirm: tuple[str, ...], as_json: bool) -> int:
        return _give(connect(), node, {"verb": verb, "confirm": confirm}, wait, as_json)


_agent_verb("start", AGENT_START, "Start the agent of NODE (name or id).")
_agent_verb("stop", AGENT_STOP, "Stop the agent of NODE (name or id); it stays stopped.")
_agent_verb("restart", AGENT_RESTART, "Restart the agent of NODE (name or id).")


@click.command()
@click.argument("node")
@wait_option
@confirm_option
@json_option
def collect(node: str, wait: bool, confirm: tuple[str, ...], as_json: bool) -> int:
    """Have NODE take a sample of all its figures now."""
    return _give(connect(), node, {"verb": COLLECT, "confirm": confirm}, wait, as_json)


@click.command("log-level")
@click.argument("node")
@click.argument("level", type=click.Choice(LOG_LEVELS))
@wait_option
@confirm_option
@json_option
def log_level(node: str, level: str, wait: bool, confirm: tuple[str, ...], as_json: bool) -> int:
    """Have the daemon of NODE log at LEVEL until it starts anew."""
    return _give(connect(), node, {"verb": LOG_LEVEL, "level": level, "confirm": confirm}, wait, as_json)


@click.group()
def config() -> None:
    """Look at the configuration of a node's daemon, or change it."""


@config.command("show")
@click.argument("node")
@json_option
def config_show(node: str, as_json: bool) -> None:
    """Print the configuration in force on NODE, secrets masked."""
    client = connect()
    told = _in_force(client, names.node(client, node))
    if as_json:
        show.as_json(told)
        return
    sys.stdout.write(told["text"])
    sys.stdout.flush()
    show.say(f"in force since {show.moment(told['at'])}: {told['note']}")


@config.command("push")
@click.argument("node")
@click.option("--file", "file", required=True, metavar="FILE|-", help="The whole new configuration (- for stdin).")
@click.option("--base", default="", help="The hash of the one it was edited from; without this, the one in force.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@wait_option
@confirm_option
@json_option
def config_push(node: str, file: str, base: str, yes: bool, wait: bool, confirm: tuple[str, ...], as_json: bool) -> int:
    """Put a new configuration in force on NODE, after showing what differs.

    A secret that is left masked stays as it is. The one before comes back by itself if the manager is not reached under it.
    """
    client, text = connect(), text_of(file, MAX_BYTES, f"a configuration has at most {MAX_BYTES} bytes")
    found = names.node(client, node)
    told = _in_force(client, found)
    lines = [masking.mask(one).splitlines() for one in (told["text"], text)]
    difference = list(difflib.unified_diff(lines[0], lines[1], f"{found['name']}: in force", file, lineterm=""))
    for line in difference:
        print(show.clean(line), file=sys.stderr)
    if not difference:
        show.say("nothing that can be seen differs from the configuration in force")
    if not yes:
        if file == "-" or not sys.stdin.isatty():
            raise Usage("nobody can be asked here; look at the difference, and give --yes")
        click.confirm(f"put this in force on {found['name']}?", abort=True, err=True)
    order = {"verb": CONFIGURE, "text": text, "base": base or told["hash"], "confirm": confirm}
    return _give(client, found["id"], order, wait, as_json, quiet=True)


@click.command()
@click.argument("node")
@click.option("--to", "to", required=True, type=click.Path(dir_okay=False), metavar="FILE", help="The tar.gz to write.")
@confirm_option
@json_option
def diagnose(node: str, to: str, confirm: tuple[str, ...], as_json: bool) -> int:
    """Fetch configuration (without secrets), states and logs of NODE's daemon as one file."""
    client = connect()
    found = names.node(client, node)
    part = Path(f"{to}.part")
    try:
        part.touch(0o600)
        with part.open("wb") as stream:
            sink = _ToFile(stream)
            target = _order(client, found, {"verb": DIAGNOSE, "confirm": confirm})
            item = _end(client, target, sink)
        if item["state"] == "succeeded":
            if sink.size != item["stdout_bytes"]:
                raise Problem(f"{sink.size} of {item['stdout_bytes']} bytes came; ask again")
            part.replace(to)
    except OSError as problem:
        raise Problem(f"{problem.filename or to}: {problem.strerror}") from problem
    finally:
        part.unlink(missing_ok=True)
    if as_json:
        show.as_json(item)
    elif item["state"] == "succeeded":
        show.say(f"{to}: {sink.size} bytes")
    return outcome.judge([item])


def _give(client: Client, node: str, order: dict[str, Any], wait: bool, as_json: bool, quiet: bool = False) -> int:
    """Gives the order; waits for its end when that is wanted. The exit code."""
    found = names.node(client, node)
    with leaving(PERHAPS):
        target = _order(client, found, order)
    if not wait:
        if as_json:
            show.as_json({"command_id": target.command_id})
        else:
            print(target.command_id)
        return 0
    if found["state"] != "online":
        show.say(f"{found['name']} is {found['state']}: waiting for it to fetch the order")
    kept = follow.Kept()
    item = _end(client, target, kept if as_json or quiet else follow.Raw())
    if as_json:
        show.as_json(item | {"chunks": kept.chunks.get(target.command_id, [])})
    elif item["state"] == "succeeded":
        show.say(f"{found['name']}: {item['reason']}")
    return outcome.judge([item])


def _order(client: Client, found: dict[str, Any], order: dict[str, Any]) -> follow.Target:
    answer = client.create(f"/api/v1/nodes/{found['id']}/orders", order)
    return follow.Target(answer["command_id"], found["name"])


def _end(client: Client, target: follow.Target, sink: follow.Sink) -> dict[str, Any]:
    """The command when it has ended."""
    with leaving(f"left running; go on watching with: opsctl output --follow {target.command_id}"):
        follow.watch(client, [target], "", sink)
        item: dict[str, Any] = follow.Patient(client).get(f"/api/v1/commands/{target.command_id}")
        return item


def _in_force(client: Client, found: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] | None = client.get(f"/api/v1/nodes/{found['id']}/daemon")["configuration"]
    if told is None:
        raise Problem(f"the daemon of {found['name']} has not told its configuration yet")
    return told
