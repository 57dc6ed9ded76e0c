"""`python -m host.agent.plugins.describe FILE`: prints the `SCHEMA` of a Python plugin as JSON, and ends.

What the plugin itself prints while it is loaded goes to stderr, so that a forgotten print() does not spoil the JSON.
"""

from __future__ import annotations

import json
import os
import runpy
import sys


def main(file: str) -> int:
    answer = os.dup(1)
    os.dup2(2, 1)
    try:
        namespace = runpy.run_path(file, run_name="plugin")
    except SyntaxError as problem:
        return _wrong(f"line {problem.lineno}: {problem.msg}")
    except Exception as problem:  # noqa: BLE001 - whatever its author did: one line of it, not a traceback
        return _wrong(f"it cannot be loaded: {type(problem).__name__}: {problem}")
    if not callable(namespace.get("run")):
        return _wrong("it defines no function run(content, work)")
    if "SCHEMA" not in namespace:
        return _wrong("it defines no SCHEMA")
    try:
        text = json.dumps(namespace["SCHEMA"])
    except (TypeError, ValueError) as problem:
        return _wrong(f"its SCHEMA cannot be written as JSON: {problem}")
    with os.fdopen(answer, "w", encoding="utf-8") as stream:
        stream.write(text)
    return 0


def _wrong(reason: str) -> int:
    sys.stderr.write(" ".join(reason.split())[:500] + "\n")
    return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
