"""`python -m host.agent.plugins.worker`: runs one task of a plugin, and ends.

On stdin: `{"file", "python", "content", "command_id", "folder"}`. A Python plugin's `run(content, work)` is called here; an
executable gets the content on its stdin and is listened to (`listen`). What the task says is stdout, what went wrong one line
on stderr; what it returns, or `{"error": {"code", "message"}}`, goes into the file that `OPS_RESULT` names.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any

from host.agent.plugins.listen import listen
from host.agent.tasks.base import TaskProblem, Work
from host.agent.worker import RESULT_VARIABLE

MAX_MESSAGE = 1000


def main() -> int:
    given = json.load(sys.stdin)
    file, content = given["file"], given["content"]
    if not given["python"]:
        heard = listen(file, content, sys.stdout.buffer)
        return _failed(heard.code, heard.message, heard.exit_code) if heard.message else _done(heard.result)
    work = Work(given["command_id"], Path(given["folder"]))
    try:
        return _done(runpy.run_path(file, run_name="plugin")["run"](content, work))
    except TaskProblem as problem:
        return _failed(problem.code, str(problem))
    except MemoryError:
        return _failed("A2004", "A2004 the task needs more memory than it was given — raise memory_limit")
    except Exception as problem:  # noqa: BLE001 - its author gets the place of it, everybody else one line
        return _failed("A9001", f"A9001 the plugin failed{_place(file, problem)}: {type(problem).__name__}: {problem}")


def _place(file: str, problem: Exception) -> str:
    lines = [frame.lineno for frame in traceback.extract_tb(problem.__traceback__) if frame.filename == file]
    return f" at line {lines[-1]}" if lines else ""


def _done(result: Any) -> int:
    if result is None:
        return 0
    try:
        text = json.dumps(result, ensure_ascii=False, allow_nan=False) if isinstance(result, dict) else ""
    except (TypeError, ValueError) as problem:
        return _failed("A9001", f"A9001 the plugin returned what is no JSON: {problem}")
    if not text:
        return _failed("A9001", f"A9001 the plugin returned {type(result).__name__}; it may return an object or nothing")
    _tell(text)
    return 0


def _failed(code: str, message: str, exit_code: int = 1) -> int:
    sys.stdout.flush()
    message = message[:MAX_MESSAGE]
    sys.stderr.write(message + "\n")
    _tell(json.dumps({"error": {"code": code, "message": message}}))
    return exit_code


def _tell(text: str) -> None:
    Path(os.environ[RESULT_VARIABLE]).write_text(text, encoding="utf-8", errors="replace")


if __name__ == "__main__":
    sys.exit(main())
