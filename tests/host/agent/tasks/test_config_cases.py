"""Each case of tests/host/agent/tasks/config/*.json: a file, a task, and the file, the value or the error that follow.

`file` is a name, `before` and `after` texts (or lists of lines, joined without line endings added); without `after` the file must be
as it was. `value` is what a read gives, `error` the code, `says` a part of its sentence.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.host.agent.tasks.configs import Here

CASES = [
    pytest.param(path.stem, case, id=f"{path.stem}: {case['name']}")
    for path in sorted((Path(__file__).parent / "config").glob("*.json"))
    for case in json.loads(path.read_text(encoding="utf-8"))
]


def _text(written: Any) -> bytes:
    text = "".join(written) if isinstance(written, list) else written
    assert isinstance(text, str)
    return text.encode("utf-8")


@pytest.mark.parametrize(("stem", "case"), CASES)
def test_a_task_does_to_a_file_what_its_case_says_and_nothing_else(tmp_path: Path, stem: str, case: dict[str, Any]) -> None:
    assert set(case) <= {"name", "file", "before", "task", "after", "value", "error", "says", "bytes_before", "bytes_after"}
    here = Here(tmp_path)
    before = (
        bytes.fromhex(case["bytes_before"]) if "bytes_before" in case else _text(case["before"]) if case["before"] is not None else None
    )
    path = here.folder / case.get("file", f"it.{stem}")
    if before is not None:
        path.write_bytes(before)
    if "error" in case:
        problem = here.problem(path, **case["task"])
        assert problem.code == case["error"], problem
        assert case.get("says", "") in str(problem)
        assert (path.read_bytes() if path.exists() else None) == before
        assert here.left() == []
        return
    dry = here.run(path, **case["task"], dry_run=True) if case["task"]["action"] in ("set", "remove") else {}
    assert (path.read_bytes() if path.exists() else None) == before, "a dry run changed the file"
    result = here.run(path, **case["task"])
    after = bytes.fromhex(case["bytes_after"]) if "bytes_after" in case else _text(case["after"]) if "after" in case else before
    assert path.read_bytes().decode("utf-8", "backslashreplace") == (after or b"").decode("utf-8", "backslashreplace")
    assert result["changed"] == (before != after)
    if dry:
        assert dry["diff"] == result["diff"]
        assert bool(result["diff"]) == (before != after)
    if "value" in case:
        assert result["value"] == case["value"]
    if result["changed"]:
        again = here.run(path, "restore") if before is not None else None
        assert again is None or path.read_bytes() == before
    assert here.left() == []
