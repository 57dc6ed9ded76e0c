"""What may hang or be absent: dead file systems, GPUs and their drivers, thousands of processes."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from host.daemon import config
from host.daemon.collectors import gpu
from host.daemon.collectors.patience import MOST_STUCK, Patience
from host.daemon.collectors.platform import PsutilPlatform, process_states
from host.daemon.collectors.registry import collectors
from host.daemon.collectors.schedule import Schedule
from host.lib.clock import SystemClock
from tests.host.daemon.test_collectors import FakePlatform, mount

ROOT = Path(__file__).parents[3]


def helpers() -> int:
    return sum(thread.name == "statvfs" for thread in threading.enumerate())


@pytest.fixture
def dead_mount(tmp_path: Path) -> Iterator[tuple[Path, Any]]:
    """A real file system that never answers: FUSE with nobody behind it. Gives its path, and what lets it die."""
    libc, path = ctypes.CDLL(None, use_errno=True), tmp_path / "dead"
    path.mkdir()
    try:
        device = os.open("/dev/fuse", os.O_RDWR)
    except OSError:
        pytest.skip("no /dev/fuse for us here")
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    if libc.mount(b"dead", os.fsencode(path), b"fuse", 0, options):
        os.close(device)
        pytest.skip(f"this machine lets nobody mount: {os.strerror(ctypes.get_errno())}")
    closed = []

    def let_die() -> None:
        if not closed:
            closed.append(True)
            os.close(device)

    yield path, let_die
    let_die()
    libc.umount2(os.fsencode(path), 2)


def test_a_file_system_that_never_answers_costs_its_own_figures_and_one_thread(dead_mount: tuple[Path, Any]) -> None:
    path, let_die = dead_mount
    settings = config.Collectors(disk=config.DiskCollector(mount_points=["/", str(path)]))
    schedule = Schedule(collectors(settings, PsutilPlatform()), SystemClock(), first=0)
    before = helpers()
    for number in range(12):
        schedule.hurry()
        sample = schedule.step()
        assert sample
        assert sample.took_ms < 500
        assert sample.disks
        assert [disk.mount for disk in sample.disks] == ["/"]
        assert sample.memory
        assert sample.cpu
        assert ("it did not answer within" if number == 0 else "it still does not answer") in sample.failed["disk"]
        assert helpers() <= before + 3, "one hangs, one ends, one begins: no thread more with each try"
    let_die()
    until = time.monotonic() + 5
    while time.monotonic() < until:
        schedule.hurry()
        sample = schedule.step()
        assert sample
        if "still" not in sample.failed.get("disk", "still"):
            break
    assert "not connected" in sample.failed["disk"], "it answers again, with an error of its own"


def test_many_dead_mounts_together_stay_within_their_time_and_a_bound_of_threads() -> None:
    release = threading.Event()

    class Hung(FakePlatform):
        def disk_usage(self, mount: str) -> Any:
            if mount.startswith("/dead"):
                release.wait(30)
            return super().disk_usage(mount)

    platform = Hung()
    platform.fs = [mount(f"/dead{number}") for number in range(40)] + [mount("/srv")]
    schedule = Schedule(collectors(config.Collectors(), platform), SystemClock(), first=0)
    for _ in range(4):
        schedule.hurry()
        sample = schedule.step()
        assert sample
        assert sample.took_ms < 500
        assert helpers() <= MOST_STUCK + 1
    patience = Patience(platform.disk_usage, time.monotonic, limit=0.005, total=10.0)
    before = helpers()
    patience.begin()
    for number in range(40):
        with pytest.raises(OSError, match="answer"):
            patience.size(f"/dead{number}")
    assert helpers() - before <= MOST_STUCK
    release.set()


def test_a_mount_that_answers_again_is_measured_again() -> None:
    gate, now = threading.Event(), [0.0]

    def ask(path: str) -> str:
        gate.wait(10)
        return "size"

    one = Patience(ask, lambda: now[0], limit=0.02, total=1.0)
    one.begin()
    with pytest.raises(OSError, match="did not answer"):
        one.size("/x")
    gate.set()
    until = time.monotonic() + 5
    while time.monotonic() < until:
        one.begin()
        try:
            assert one.size("/x") == "size"
            break
        except OSError:
            continue
    else:
        pytest.fail("it was never asked again")
    one.end()


def test_processes_are_counted_by_state() -> None:
    stopped = subprocess.Popen(["sleep", "100"])
    os.kill(stopped.pid, 19)
    zombie = subprocess.Popen(["true"])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    try:
        sample = Schedule(collectors(config.Collectors(), PsutilPlatform()), SystemClock(), first=0).step()
    finally:
        stopped.kill()
        stopped.wait()
        zombie.wait()
    assert sample
    states = sample.process_states
    assert states
    assert states["stopped"] >= 1
    assert states["zombie"] >= 1
    assert states["running"] + states["sleeping"] >= 1
    assert sum(states.values()) == sample.processes
    assert abs(len(psutil.pids()) - (sample.processes or 0)) < 50
    assert process_states("/proc", time.monotonic() - 1) is None, "too many to count in time"


# A driver of NVIDIA's with two GPUs, as far as the collector asks; the second has no temperature sensor.
FAKE_NVML = r"""
#include <string.h>
typedef struct { unsigned long long total, free, used; } memory; typedef struct { unsigned gpu, memory; } rates;
int nvmlInitWithFlags(unsigned f) { return 0; }
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *n) { *n = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **d) { *d = (void *)(unsigned long)(i + 1); return 0; }
int nvmlDeviceGetName(void *d, char *s, unsigned n) { strncpy(s, d == (void *)1 ? "Test T4" : "Test A10", n); return 0; }
int nvmlDeviceGetMemoryInfo(void *d, memory *m) { m->total = 1000; m->used = 250; m->free = 750; return 0; }
int nvmlDeviceGetUtilizationRates(void *d, rates *r) { r->gpu = 42; r->memory = 7; return 0; }
int nvmlDeviceGetTemperature(void *d, unsigned s, unsigned *t) { *t = 55; return d == (void *)1 ? 0 : 3; }
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler here")
    folder = tmp_path_factory.mktemp("nvml")
    (folder / "nvml.c").write_text(FAKE_NVML)
    library = folder / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, folder / "nvml.c"], check=True)
    return library


def test_gpus_are_measured_through_the_drivers_library(driver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pynvml")
    assert gpu.present([str(driver)])
    monkeypatch.setenv("LD_LIBRARY_PATH", str(driver.parent))
    told: list[bool] = []
    one = gpu.GpuCollector(60, SystemClock(), lambda: told.append(True))
    assert 50 < one.step() <= 60
    assert told == [True]
    found = one.take()
    assert found
    gpus, problem = found
    assert problem == ""
    assert gpus
    assert [(g.name, g.percent, g.memory_used, g.memory_total, g.temperature) for g in gpus] == [
        ("Test T4", 42.0, 250, 1000, 55.0),
        ("Test A10", 42.0, 250, 1000, None),
    ]
    assert one.take() is None
    assert "pynvml" not in [name for name in sys.modules if "host" in name], "the daemon itself never loads it"


def test_without_a_driver_nothing_is_started_and_a_hanging_one_is_a_reason_not_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not gpu.present(["/no/such/device"])
    monkeypatch.setattr(gpu, "TIMEOUT_S", 0.3)
    one = gpu.GpuCollector(60, SystemClock(), lambda: None, ["/bin/sleep", "100"])
    one.step()
    assert one.take() == (None, "it did not end within 0.3 s")
    absent = gpu.GpuCollector(60, SystemClock(), lambda: None)
    absent.step()
    assert absent.take() is None, "no driver is no failure"


def test_the_running_daemon_holds_neither_yaml_nor_the_gpu_library() -> None:
    code = "import sys, host.daemon.steady, host.daemon.service, host.daemon.collectors.gpu; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert {"pynvml", "ctypes", "yaml", "runpy"} & set(loaded) == set()
