"""Asks plugins for their schemas in a short-lived process, which asks them side by side, each with a deadline.

`python -m host.agent.plugins.ask` is that process: on stdin `[[name, path, is_python], …]`, on stdout a line for each plugin,
`[name, what it printed, what was wrong]`. The agent itself starts no threads and waits for no plugin: it forks keepers.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from host.agent.builtin import PROGRAM, home
from host.agent.plugins.shape import MAX_SCHEMA_BYTES, parse
from host.agent.tasks.base import PATH
from host.lib.plugin_folder import Plugin
from host.wire.schema import Schema

PATIENCE_S = 5.0


def environment(name: str) -> dict[str, str]:
    """What every process of a plugin finds in its environment."""
    return {"PATH": PATH, "HOME": home(), "LANG": "C.UTF-8", "PYTHONPATH": PROGRAM, "OPS_PLUGIN": name}


async def schemas(plugins: Sequence[Plugin]) -> dict[str, Schema | str]:
    """Each plugin's name → its schema with the common limits added, or why it has none that can be used. Raises OSError."""
    if not plugins:
        return {}
    question = json.dumps([[one.name, str(one.path), one.is_python] for one in plugins]).encode()
    answers: dict[str, Schema | str] = {one.name: "the process that asks for its schema failed" for one in plugins}
    for line in (await _run([sys.executable, "-m", "host.agent.plugins.ask"], question)).splitlines():
        name, printed, problem = json.loads(line)
        try:
            answers[name] = f"asked for its schema, {problem}" if problem else parse(name, printed.encode())
        except Exception as wrong:  # noqa: BLE001 - a plugin's mistake, whatever it is, must cost nobody but the plugin
            answers[name] = str(wrong) if isinstance(wrong, ValueError) else f"its schema makes no sense ({type(wrong).__name__}: {wrong})"
    return answers


async def _run(command: list[str], given: bytes) -> bytes:
    """What `command` prints; ended when the caller is canceled. Not asyncio's own subprocesses: those take a thread each."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=environment(""),
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    output, loop, ended, descriptor = bytearray(), asyncio.get_running_loop(), asyncio.Event(), process.stdout.fileno()

    def readable() -> None:
        part = os.read(descriptor, 65536)
        output.extend(part)
        if not part:
            loop.remove_reader(descriptor)
            ended.set()

    loop.add_reader(descriptor, readable)
    try:
        try:
            process.stdin.write(given)  # at most 50 paths: the pipe takes it at once
            process.stdin.close()
        except BrokenPipeError:
            pass  # it has died already, and what it printed says so
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        if not ended.is_set():
            process.send_signal(signal.SIGTERM)  # it ends what it has started
        process.stdout.close()
        process.wait()
    return bytes(output)


def main() -> int:
    from host.lib.short_lived import Job, Processes

    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
    jobs = []
    for name, path, is_python in json.load(sys.stdin):
        own = [sys.executable, "-m", "host.agent.plugins.describe", path]
        jobs.append(Job(name, own if is_python else [path, "--schema"], environment(name), PATIENCE_S))
    for result in Processes(time.monotonic, lambda: bool(stopped)).run(jobs):
        problem = result.problem
        if len(result.output) > MAX_SCHEMA_BYTES:
            problem = f"it printed more than {MAX_SCHEMA_BYTES} bytes"
        text = "" if problem else result.output.decode("utf-8", "replace")
        print(json.dumps([result.name, text, problem]), flush=True)  # noqa: T201 - this is its answer
    return 0


if __name__ == "__main__":
    sys.exit(main())
