"""docs/daemon.md says what is true: every error code of the host is explained there, and none that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

from host.wire.orders import VERBS

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs/daemon.md").read_text(encoding="utf-8")


def test_every_error_code_is_documented_with_what_happened_and_the_mend_and_no_other() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "host").rglob("*.py"))
    used = set(re.findall(r"\bD[1-9]\d{3}\b", code))
    rows = re.findall(r"^\| (D\d{4}) \| (.+) \| (.+) \|$", DOCS, re.MULTILINE)
    assert {row[0] for row in rows} == used
    assert len(rows) == len(used)
    assert all(len(what) > 10 and len(mend) > 10 for _, what, mend in rows)


def test_every_order_and_every_key_of_the_policy_is_documented() -> None:
    for word in (*VERBS, "refuse", "only", "kinds", "interpreters", "users", "paths"):
        assert word in DOCS, word
