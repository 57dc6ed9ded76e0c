"""What `file` does to a real folder: each case is a data file with arguments, the tree before, and what is to be after."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from host.agent.tasks import file
from host.agent.tasks.base import TaskProblem, Work
from host.wire.schema import build
from host.wire.tasks import File
from tests.host.agent import file_tree
from tests.host.agent.file_store import FileStore

CASES = sorted((Path(__file__).parent / "tasks/file").glob("*.json"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FileStore]:
    (tmp_path / "run").mkdir(mode=0o750)
    one = FileStore(tmp_path / "run/transfer.sock")
    one.start()
    yield one
    one.stop()


def settings(root: Path, tmp_path: Path, case: dict[str, Any]) -> dict[str, Any]:
    policy = tmp_path / "policy.yaml"
    if "policy" in case:
        policy.write_text(case["policy"].replace("{root}", str(root)))
        policy.chmod(0o600)
    return {
        "roots": [one.replace("{root}", str(root)) for one in case.get("roots", ["/"])],
        "refused": [f"{root}/work", *(one.replace("{root}", str(root)) for one in case.get("refused", []))],
        "policy_file": str(policy),
        "socket": str(tmp_path / "run/transfer.sock"),
    }


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path, tmp_path: Path, store: FileStore, capsys: pytest.CaptureFixture[str]) -> None:
    case = json.loads(path.read_text())
    root = tmp_path / "root"
    root.mkdir()
    file_tree.make(root, case["before"])
    store.files = {name: text.encode() for name, text in case.get("store", {}).items()}
    store.lies = {name: text.encode() for name, text in case.get("lies", {}).items()}
    arguments = {name: value.replace("{root}", str(root)) if isinstance(value, str) else value for name, value in case["arguments"].items()}
    work = Work("01COMMAND", tmp_path, settings(root, tmp_path, case))
    result: dict[str, Any] = {}
    if problem := case.get("problem"):
        with pytest.raises(TaskProblem) as raised:
            file.run(build(File, arguments), work)
        assert raised.value.code == problem["code"], raised.value
        assert problem["says"] in str(raised.value)
        assert " — " in str(raised.value), "every problem comes with its mend"
    else:
        result = file.run(build(File, arguments), work)
        json.dumps(result)
    assert file_tree.read(root, case["after"]) == case["after"]
    assert {name: result.get(name) for name in case.get("result", {})} == case.get("result", {})
    if "names" in case:
        assert [entry["name"] for entry in result["entries"]] == case["names"]
    said = capsys.readouterr().out
    for words in case.get("says", []):
        assert words in said
    if "received" in case:
        assert {name: bytes(data).decode() for name, data in store.received.items()} == case["received"]
        assert store.finished == set(case["received"])


def test_every_action_has_cases() -> None:
    actions = {json.loads(path.read_text())["arguments"]["action"] for path in CASES}
    assert actions == set(file.ACTIONS)
