"""docs/agent.md and the configuration template say what is true: every error code, every setting, and none that does not exist."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_type_hints

from host.agent.config import Settings, read
from host.wire.tasks import KINDS, Limits

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs/agent.md").read_text(encoding="utf-8")
TEMPLATE = ROOT / "packaging/host/agent.yaml"


def test_every_error_code_of_a_task_is_documented_with_what_happened_and_the_mend_and_no_other() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "host/agent").rglob("*.py"))
    used = set(re.findall(r'"(A[1-9]\d{3})"', code))
    rows = re.findall(r"^\| (A\d{4}) \| (.+) \| (.+) \|$", DOCS, re.MULTILINE)
    assert {row[0] for row in rows} == used
    assert len(rows) == len(used)
    assert all(len(what) > 10 and len(mend) > 10 for _, what, mend in rows)


def test_every_kind_and_every_limit_of_a_task_is_documented() -> None:
    for kind in KINDS:
        assert f"Kind `{kind}`" in DOCS, kind
    for one in fields(Limits):
        assert f"`{one.name}`" in DOCS, one.name


def test_the_template_names_every_setting_and_with_every_line_in_force_is_the_default(tmp_path: Path) -> None:
    lines = [re.sub(r"^# ?(?=( *)(# |[a-z_]+:))", "", line) for line in TEMPLATE.read_text().splitlines()]
    text = "\n".join(line for line in lines if re.match(r" *[a-z_]+:", line))
    file = tmp_path / "agent.yaml"
    file.write_text(text + "\n")
    assert read(file) == Settings()
    for name in _keys(Settings):
        assert re.search(rf"^ *{name}:", text, re.MULTILINE), name


def _keys(cls: type) -> list[str]:
    hints = get_type_hints(cls)
    found = []
    for one in fields(cls):
        found.append(one.name)
        if is_dataclass(hints[one.name]):
            found += _keys(hints[one.name])
    return found
