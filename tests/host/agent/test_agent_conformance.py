"""The conformance check: our agent passes it, so does one in another language, and one that breaks the contract does not."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.agent.harness import ROOT, Agent

FOREIGN = Path(__file__).with_name("foreign") / "agent.mjs"


class Subject:
    """An agent of any make in a folder, and what starts it anew."""

    def __init__(self, folder: Path, foreign: bool, broken: str = "") -> None:
        self.files = Agent(folder, more="heartbeat_interval: 1s")
        agent = self.files
        command = [shutil.which("node") or "", str(FOREIGN), str(agent.work), str(folder / "run"), str(agent.port)]
        if not foreign:
            command = agent.command("run", "--config", str(agent.config))
        self.pid, self.restart = folder / "pid", folder / "restart.sh"
        start = f"OPS_BREAK={broken} setsid {' '.join(command)} >/dev/null 2>>{folder}/agent.log </dev/null &\necho $! >{self.pid}\n"
        text = f"cd {ROOT}\n[ -f {self.pid} ] && kill -KILL $(cat {self.pid}) 2>/dev/null\n{start}"
        self.restart.write_text(text)
        subprocess.run(["sh", str(self.restart)], check=True)

    def check(self, only: str = "") -> tuple[int, list[str]]:
        agent = self.files
        command = agent.command("conformance", "--url", f"https://127.0.0.1:{agent.port}", "--socket", str(agent.daemon.path))
        command += ["--identity", str(agent.work / "identity"), "--restart-command", f"sh {self.restart}", "--only", only]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout.splitlines()

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(self.pid.read_text()), signal.SIGKILL)
        self.files.close()


@pytest.fixture
def subjects(tmp_path: Path) -> Iterator[list[Subject]]:
    made: list[Subject] = []
    yield made
    for one in made:
        one.close()


def test_our_agent_keeps_the_contract(subjects: list[Subject], tmp_path: Path) -> None:
    subjects.append(Subject(tmp_path, foreign=False))
    code, lines = subjects[0].check()
    assert [line for line in lines if not line.startswith("ok ")][:-1] == []
    assert (code, lines[-1]) == (0, f"{len(lines) - 1} passed, 0 failed")
    assert len(lines) > 30


needs_node = pytest.mark.skipif(not shutil.which("node"), reason="no node on this machine")


@needs_node
def test_an_agent_in_another_language_keeps_the_contract(subjects: list[Subject], tmp_path: Path) -> None:
    subjects.append(Subject(tmp_path, foreign=True))
    code, lines = subjects[0].check()
    assert [line for line in lines if not line.startswith("ok ")][:-1] == []
    assert code == 0


@needs_node
@pytest.mark.parametrize(
    ("broken", "caught"),
    [
        ("duplicate", "it runs a command once, however often it is delivered"),
        ("signature", "it takes signed requests only, and no change of one"),
        ("output", "it tells started, output and succeeded, in that order"),
        ("forgets", "it remembers commands and nonces over a restart"),
    ],
)
def test_an_agent_that_breaks_the_contract_is_caught(subjects: list[Subject], tmp_path: Path, broken: str, caught: str) -> None:
    subjects.append(Subject(tmp_path, foreign=True, broken=broken))
    code, lines = subjects[0].check(caught)
    assert code == 1
    assert lines[0].startswith(f"FAILED {caught}: "), lines
    assert lines[1:] == ["0 passed, 1 failed"]


def test_without_an_agent_or_with_a_wrong_word_it_says_so(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    try:
        base = agent.command("conformance", "--socket", str(agent.daemon.path))
        for more, words in (
            (["--url", "http://127.0.0.1:1", "--identity", str(agent.work / "identity")], "is not https://ADDRESS:PORT"),
            (["--identity", str(tmp_path)], "node.json or dispatch.key cannot be read"),
        ):
            done = subprocess.run([*base, *more], cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
            assert (done.returncode, words in done.stderr) == (1, True), done
        agent.daemon.start()
        done = subprocess.run([*base, "--identity", str(agent.work / "identity")], cwd=ROOT, capture_output=True, text=True, check=False)
        assert "a daemon listens on" in done.stderr
        done = subprocess.run(
            [*base, "--identity", str(agent.work / "identity"), "--only", "sings"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert (done.returncode, "no check has 'sings' in its name" in done.stderr) == (2, True), done
    finally:
        agent.close()
