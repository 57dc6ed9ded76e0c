"""`python -m host.agent.worker KIND`: runs one task of a kind that comes with the agent, and ends.

On stdin: `{"content": …, "command_id": …, "folder": …, "settings": …}`. What the task says is stdout, what went wrong one line
on stderr. What it returns goes into the file that `OPS_RESULT` names: an object, or `{"error": {"code", "message"}}`.
Exit code 0 or 1.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from host.agent.tasks.base import TaskProblem, Work
from host.wire.schema import build
from host.wire.tasks import KINDS

RESULT_VARIABLE = "OPS_RESULT"


def main(arguments: list[str]) -> int:
    (kind,) = arguments
    given = json.load(sys.stdin)
    work = Work(given["command_id"], Path(given["folder"]), given["settings"])
    try:
        content = build(KINDS[kind], given["content"])
        result = importlib.import_module(f"host.agent.tasks.{kind}").run(content, work)
    except TaskProblem as problem:
        return _failed(problem.code, str(problem))
    except MemoryError:
        return _failed("A2004", "A2004 the task needs more memory than it was given — raise memory_limit")
    except Exception as problem:  # noqa: BLE001 - whatever it is, the operator gets one line of it and not a traceback
        return _failed("A9001", f"A9001 the task met an unforeseen error: {type(problem).__name__}: {problem}")
    _tell(result if isinstance(result, dict) else {})
    return 0


def _failed(code: str, message: str) -> int:
    sys.stderr.write(message + "\n")
    _tell({"error": {"code": code, "message": message}})
    return 1


def _tell(result: dict[str, Any]) -> None:
    Path(os.environ[RESULT_VARIABLE]).write_text(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
