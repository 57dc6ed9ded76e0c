"""docs/agent.md says what is true of files: every code and action is there, and no code that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

from host.agent.files.problems import MENDS
from host.wire.tasks.file import ACTIONS

DOCS = (Path(__file__).parents[2] / "docs/agent.md").read_text(encoding="utf-8")


def test_every_error_code_of_files_is_documented_and_no_other() -> None:
    rows = re.findall(r"^\| (A30\d\d) \| (.+) \| (.+) \|$", DOCS, re.MULTILINE)
    assert {row[0] for row in rows} == set(MENDS)
    assert all(len(what) > 10 and len(mend) > 5 for _, what, mend in rows)


def test_every_action_is_documented() -> None:
    for action in ACTIONS:
        assert f"`{action}`" in DOCS, action
