"""Plugins as real processes: good ones bring figures, broken ones are told once and never stop the others."""

from __future__ import annotations

import logging
import os
import pwd
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from host.daemon import config
from host.daemon.collectors.platform import PsutilPlatform
from host.daemon.collectors.registry import collectors
from host.daemon.collectors.schedule import Schedule
from host.daemon.plugins import runner
from host.daemon.plugins.contract import MAX_METRICS, Nonsense, read
from host.daemon.plugins.runner import PluginRunner
from host.lib import short_lived
from host.lib.clock import SystemClock
from tests.host.daemon.conftest import FakeClock

GOOD = '#!/bin/sh\necho \'{"metrics": [{"name": "queue", "value": 7, "unit": "jobs"}]}\'\n'
ROOT = Path(__file__).parents[3]


class Plugins:
    """A folder, a runner over it, and what came of a round."""

    def __init__(self, folder: Path, timeout: float = 5.0, user: str = "") -> None:
        self.folder, self.events = folder, []  # type: tuple[Path, list[Any]]
        folder.mkdir(mode=0o755)
        self.clock = SystemClock()
        settings = config.Plugins(folder, 60.0, timeout, user)
        # An hour ahead: no file is so new that it would have to wait.
        self.runner = PluginRunner(settings, self.clock, lambda kind, body: self.events.append(body), wall=lambda: time.time() + 3600)

    def add(self, name: str, text: str, mode: int = 0o755) -> Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        return path

    def round(self) -> dict[tuple[str, str], tuple[float, str]]:
        self.runner._due = 0.0
        self.runner.step()
        return {(one.plugin, one.name): (one.value, one.unit) for one in self.runner.take() or []}


@pytest.fixture
def plugins(tmp_path: Path) -> Plugins:
    return Plugins(tmp_path / "plugins")


def test_a_python_file_and_an_executable_bring_figures_side_by_side(plugins: Plugins) -> None:
    plugins.add("queue.sh", GOOD)
    plugins.add("mail.py", "def collect():\n    print('a forgotten print')\n    return [('sent', 3), ('rate', 0.5, 'mails/s')]\n", 0o644)
    plugins.add("dicts.py", "def collect():\n    yield {'name': 'a b', 'value': 1e9, 'unit': 'bytes'}\n", 0o644)
    plugins.add("README.md", "notes")
    plugins.add("data.json", "{}", 0o644)
    plugins.add("not-executable", GOOD, 0o644)
    plugins.add(".hidden", GOOD)
    plugins.add("queue.sh~", GOOD)
    assert plugins.round() == {
        ("queue", "queue"): (7.0, "jobs"),
        ("mail", "sent"): (3.0, ""),
        ("mail", "rate"): (0.5, "mails/s"),
        ("dicts", "a b"): (1e9, "bytes"),
    }
    assert plugins.runner.broken() == {"dicts": "", "mail": "", "queue": ""}


def test_the_examples_that_are_shipped_work(plugins: Plugins) -> None:
    for file in sorted((ROOT / "packaging/host/plugins").iterdir()):
        if file.suffix != ".md":
            plugins.add(file.name, file.read_text(), 0o755 if os.access(file, os.X_OK) else 0o644)
    figures = plugins.round()
    assert set(plugins.runner.broken().values()) == {""}, plugins.runner.broken()
    assert {plugin for plugin, _ in figures} == {"open_files", "logged_in"}


LONG = f"1000.{os.getpid()}"
"""Seconds that no other process sleeps: by it a child of a child is known."""

BROKEN = {
    "hangs": ("#!/bin/sh\nexec sleep 1000\n", "it did not end within 1 s"),
    "floods": ("#!/bin/sh\nyes\n", f"it printed more than {short_lived.MAX_OUTPUT} bytes"),
    "moans": ("#!/bin/sh\nyes >&2\n", "it did not end within 1 s"),
    "crashes": ("#!/bin/sh\necho 'no such queue' >&2\nexit 3\n", "it ended with exit code 3: no such queue"),
    "dies": ("#!/bin/sh\nkill -11 $$\n", "it was ended by signal 11"),
    "silent": ("#!/bin/sh\n", "it printed nothing"),
    "nonsense": ("#!/bin/sh\necho hello\n", "it printed no JSON"),
    "list": ("#!/bin/sh\necho '[1]'\n", 'it printed no object with "metrics"'),
    "nan": ('#!/bin/sh\necho \'{"metrics": [{"name": "x", "value": NaN}]}\'\n', "x: the value is not a finite number"),
    "huge": ('#!/bin/sh\necho \'{"metrics": [{"name": "x", "value": 1e999}]}\'\n', "x: the value is not a finite number"),
    "nobody": ("#!/no/such/interpreter\n", "it could not be started"),
    "binary": ("#!/bin/sh\nhead -c 1000 /dev/urandom\n", "it printed no JSON"),
    "raises": ("def collect():\n    raise RuntimeError('no luck')\n", "RuntimeError: no luck"),
    "empty": ("x = 1\n", "it defines no function collect()"),
    "leaves": (f"#!/bin/sh\nsleep {LONG} &\n" + GOOD.partition("\n")[2], ""),
}


def test_whatever_is_broken_is_told_once_and_the_others_go_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plugins = Plugins(tmp_path / "plugins", timeout=1.0)
    plugins.add("good.sh", GOOD)
    for name, (text, _) in BROKEN.items():
        plugins.add(f"{name}.py" if name in ("raises", "empty") else name, text)
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            begun = time.monotonic()
            figures = plugins.round()
            assert time.monotonic() - begun < 30, "they run side by side"
            assert figures == {("good", "queue"): (7.0, "jobs"), ("leaves", "queue"): (7.0, "jobs")}
    told = plugins.runner.broken()
    for name, (_, reason) in BROKEN.items():
        assert reason in told[name]
        assert bool(reason) == bool(told[name])
        assert caplog.text.count(f"D5001 plugin {name}: ") == (1 if reason else 0), "told once"
    mine = psutil.Process().children(recursive=True)
    assert [one for one in mine if one.name() in ("sleep", "yes")] == [], "nothing is left running"
    assert not any(LONG in one.info["cmdline"] for one in psutil.process_iter(["cmdline"]) if one.info["cmdline"]), "no grandchild either"
    assert len(os.listdir("/proc/self/fd")) < 60

    plugins.add("crashes", GOOD)
    with caplog.at_level(logging.INFO):
        assert ("crashes", "queue") in plugins.round()
    assert "plugin crashes works again" in caplog.text
    assert [event.detail for event in plugins.events] == ["plugin crashes works again"]
    plugins.add("crashes", BROKEN["crashes"][0])
    plugins.round()
    assert caplog.text.count("D5001 plugin crashes: ") == 2, "it broke again, so it is told again"
    (plugins.folder / "crashes").unlink()
    plugins.round()
    assert "crashes" not in plugins.runner.broken()


def test_what_somebody_else_could_have_written_is_never_run(plugins: Plugins, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    evil = f"#!/bin/sh\ntouch {mark}\n"
    plugins.add("open.sh", evil, 0o757)
    plugins.add("group.sh", evil, 0o775)
    os.chown(plugins.add("foreign.sh", evil), 65534, 65534)
    outside = tmp_path / "outside.sh"
    outside.write_text(evil)
    outside.chmod(0o755)
    (plugins.folder / "link.sh").symlink_to(outside)
    plugins.add("twice.sh", GOOD)
    plugins.add("twice.py", "def collect(): return []\n")
    plugins.round()
    told = plugins.runner.broken()
    assert "others may write it (mode 0757)" in told["open"]
    assert "others may write it" in told["group"]
    assert "belongs to user 65534" in told["foreign"]
    assert "symbolic link" in told["link"]
    assert "have the same name" in told["twice"]
    assert not mark.exists()
    plugins.folder.chmod(0o777)
    assert plugins.round() == {}
    assert "others may write it" in plugins.runner.broken()["(folder)"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_plugins_run_as_the_chosen_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (tmp_path, *(above for above in tmp_path.parents if above.name.startswith(("pytest-", "popen-")))):
        folder.chmod(0o755)
    plugins = Plugins(tmp_path / "plugins", user="nobody")
    plugins.add("who.sh", '#!/bin/sh\necho "{\\"metrics\\": [{\\"name\\": \\"uid\\", \\"value\\": $(id -u)}]}"\n')
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o600)
    plugins.add("thief.sh", f"#!/bin/sh\ncat {secret}\n")
    assert plugins.round() == {("who", "uid"): (float(pwd.getpwnam("nobody").pw_uid), "")}
    assert "Permission denied" in plugins.runner.broken()["thief"]
    other = Plugins(tmp_path / "others", user="no-such-user")
    other.add("good.sh", GOOD)
    assert other.round() == {}
    assert "no-such-user" in other.runner.broken()["(folder)"]


def test_a_new_file_is_found_between_the_rounds_and_a_half_written_one_waits(tmp_path: Path) -> None:
    clock, folder, wall = FakeClock(), tmp_path / "plugins", [time.time() + 3600]
    folder.mkdir()
    one = PluginRunner(config.Plugins(folder), clock, lambda kind, body: None, wall=lambda: wall[0])
    assert one.step() == runner.LOOK_S
    assert one.take() is None
    (folder / "new.sh").write_text(GOOD)
    (folder / "new.sh").chmod(0o755)
    wall[0] = time.time()
    one.step()
    assert one.take() is None, "it was written this moment"
    wall[0] += 10
    clock.pass_(runner.LOOK_S)
    one.step()
    assert [metric.plugin for metric in one.take() or []] == ["new"]
    one.step()
    assert one.take() is None, "not before its time"
    clock.pass_(60)
    one.step()
    assert [metric.plugin for metric in one.take() or []] == ["new"]


def test_a_stop_ends_a_round_and_its_processes_at_once(plugins: Plugins) -> None:
    plugins.add("slow", "#!/bin/sh\nexec sleep 1000\n")
    asked: list[bool] = []
    plugins.runner._processes._stopped = lambda: bool(asked) or asked.append(True) is not None  # type: ignore[method-assign]
    begun = time.monotonic()
    plugins.round()
    assert time.monotonic() - begun < 2
    assert [one for one in psutil.Process().children() if one.name() == "sleep"] == []


def test_what_plugins_brought_goes_with_a_sample_that_is_near_or_makes_one() -> None:
    clock, brought = FakeClock(), [["a"], ["b"]]  # type: tuple[FakeClock, list[Any]]
    take: Callable[[float], dict[str, Any]] = lambda at: {"plugins": brought.pop(0)}  # noqa: E731
    schedule = Schedule(collectors(config.Collectors(), PsutilPlatform(), {"plugins": take}), clock)
    schedule.hasten("plugins")
    assert schedule.step() is None, "a sample is due in a second"
    clock.pass_(1)
    sample = schedule.step()
    assert sample
    assert (sample.plugins, sample.memory is not None) == (["a"], True)
    clock.pass_(20)
    schedule.hasten("plugins")
    sample = schedule.step()
    assert sample
    assert (sample.plugins, sample.memory) == (["b"], None)
    assert schedule.wait() == pytest.approx(40)


def test_one_wrong_value_costs_that_value_and_is_named() -> None:
    text = b'{"metrics": [{"name": "a", "value": 1}, {"name": "a", "value": 2}, {"name": "", "value": 1}, {"name": "b", "value": true}]}'
    good, wrong = read("p", text)
    assert [(one.name, one.value) for one in good] == [("a", 1.0)]
    assert "a: it stands twice" in wrong
    assert "is no name" in wrong
    assert "b: 'True' is no number" in wrong
    many = b'{"metrics": [' + b",".join(b'{"name": "n%d", "value": 1}' % n for n in range(MAX_METRICS + 5)) + b"]}"
    good, wrong = read("p", many)
    assert (len(good), wrong) == (MAX_METRICS, f"more than {MAX_METRICS} metrics; the rest is left out")
    for bad in (b"[" * 100_000, b'{"metrics": [{"name": "x", "value": 1' + b"0" * 5000 + b"}]}"):
        try:
            assert read("p", bad)[0] == []
        except Nonsense:
            continue


def test_the_documented_examples_are_the_shipped_ones() -> None:
    text = (ROOT / "docs/daemon.md").read_text()
    for name, begin in (("open_files.py", "def collect():"), ("logged_in.sh", "count=")):
        shipped = (ROOT / "packaging/host/plugins" / name).read_text()
        assert shipped[shipped.index(begin) :] in text, name
