"""The collectors on this machine, and on counters that start again, wrap, vanish and fail."""

from __future__ import annotations

import logging
from types import SimpleNamespace as Row
from typing import Any

import psutil
import pytest

from host.daemon import config
from host.daemon.collectors import cpu, disk, network
from host.daemon.collectors.platform import PsutilPlatform
from host.daemon.collectors.rates import rate
from host.daemon.collectors.registry import Collector, collectors
from host.daemon.collectors.schedule import Schedule
from host.lib.clock import SystemClock
from tests.host.daemon.conftest import FakeClock


def times(**spent: float) -> Row:
    return Row(**{"user": 0.0, "nice": 0.0, "system": 0.0, "idle": 0.0, "iowait": 0.0, "irq": 0.0, "softirq": 0.0, "steal": 0.0} | spent)


class FakePlatform(PsutilPlatform):
    """This machine, but for the counters that a test sets."""

    def __init__(self) -> None:
        super().__init__()
        self.cpu, self.cores = times(idle=100.0), [times(idle=50.0), times(idle=50.0)]
        self.fs: list[Any] = []
        self.broken: set[str] = set()
        self.disks: dict[str, Any] = {}
        self.nics: dict[str, Any] = {}

    def cpu_times(self) -> Any:
        return self.cpu

    def cpu_times_each(self) -> list[Any]:
        return self.cores

    def mounts(self) -> list[Any]:
        return self.fs

    def disk_usage(self, mount: str) -> Any:
        if mount in self.broken:
            raise OSError(5, "Input/output error")
        return Row(total=100, used=40, free=60, percent=40.0)

    def disk_counters(self) -> dict[str, Any]:
        return self.disks

    def nic_counters(self) -> dict[str, Any]:
        return self.nics


def mount(path: str, fstype: str = "ext4", device: str = "") -> Row:
    return Row(mountpoint=path, device=device or f"/dev{path}", fstype=fstype)


def nic(received: int, sent: int) -> Row:
    return Row(bytes_recv=received, bytes_sent=sent, packets_recv=1, packets_sent=2, errin=3, errout=4, dropin=5, dropout=6)


def test_a_sample_of_this_machine_is_whole_and_agrees_with_psutil() -> None:
    clock = SystemClock()
    sample = Schedule(collectors(config.Collectors(), PsutilPlatform()), clock, first=0).step()
    assert sample
    assert sample.failed == {}
    assert sample.took_ms < 500
    assert sample.cpu
    assert sample.cpu.count == psutil.cpu_count() == len(sample.cpu.cores)
    assert sample.cpu.model
    assert all(0 <= share <= 100 for share in (sample.cpu.percent, sample.cpu.user, sample.cpu.system, sample.cpu.idle, *sample.cpu.cores))
    assert sample.memory
    assert sample.memory.total == psutil.virtual_memory().total
    assert sample.disks
    assert any(one.mount == "/" and one.total == psutil.disk_usage("/").total for one in sample.disks)
    assert sample.nics is not None
    assert all(one.rx_rate is None for one in sample.nics)
    assert "lo" not in [one.name for one in sample.nics]
    assert sample.load
    assert len(sample.load) == 3
    assert sample.processes
    assert sample.processes > 1
    assert sample.uptime
    assert sample.uptime > 0


def test_processor_shares_come_from_the_difference_of_two_readings() -> None:
    platform = FakePlatform()
    before = cpu.read(platform)
    platform.cpu = times(user=20.0, nice=5.0, system=10.0, irq=1.0, softirq=2.0, steal=2.0, iowait=10.0, idle=150.0)
    platform.cores = [times(user=40.0, idle=60.0), times(idle=140.0)]
    section, _ = cpu.collect(platform, before)
    assert (section.percent, section.user, section.system, section.idle, section.iowait) == (40.0, 25.0, 13.0, 50.0, 10.0)
    assert section.cores == [80.0, 0.0]


def test_processor_counters_that_went_back_give_the_average_since_the_boot_and_never_nonsense() -> None:
    platform = FakePlatform()
    before = cpu.read(platform)
    platform.cpu, platform.cores = times(user=1.0, idle=3.0), [times(user=1.0, idle=3.0)]
    section, now = cpu.collect(platform, before)
    assert section.percent == 25.0
    assert section.cores == [25.0]
    assert section.count == 1
    again, _ = cpu.collect(platform, now)
    assert (again.percent, again.idle) == (0.0, 100.0), "two readings within one tick"


@pytest.mark.parametrize(
    ("now", "before", "elapsed", "expected"), [(300, 100, 10.0, 20.0), (5, 2**32 - 1, 10.0, None), (5, None, 10.0, None), (5, 1, 0.0, None)]
)
def test_a_rate_is_unknown_rather_than_wrong(now: int, before: int | None, elapsed: float, expected: float | None) -> None:
    assert rate(now, before, elapsed) == expected


def test_traffic_has_rates_from_the_second_reading_on_and_none_for_what_began_again() -> None:
    platform = FakePlatform()
    platform.nics = {"eth0": nic(1000, 1000), "eth1": nic(50, 50), "lo": nic(1, 1), "veth12": nic(1, 1), "docker0": nic(1, 1)}
    first, seen = network.collect(platform, [], None, 10.0)
    assert [one.name for one in first] == ["eth0", "eth1"]
    assert first[0].rx_rate is None
    assert first[0].tx_drops == 6
    platform.nics = {"eth0": nic(3000, 500), "wlan0": nic(9, 9)}
    second, _ = network.collect(platform, [], seen, 20.0)
    assert [(one.name, one.rx_rate, one.tx_rate) for one in second] == [("eth0", 200.0, None), ("wlan0", None, None)]
    assert [one.name for one in network.collect(platform, ["wlan0"], None, 1.0)[0]] == ["wlan0"]

    platform.disks = {
        "sda": Row(read_bytes=100, write_bytes=0),
        "loop0": Row(read_bytes=1, write_bytes=1),
        "dm-0": Row(read_bytes=1, write_bytes=1),
    }
    io, kept = disk.traffic(platform, None, 0.0)
    assert [(one.device, one.read_rate) for one in io] == [("sda", None)]
    platform.disks = {"sda": Row(read_bytes=600, write_bytes=50)}
    assert [(one.read_rate, one.write_rate) for one in disk.traffic(platform, kept, 5.0)[0]] == [(100.0, 10.0)]


def test_only_real_file_systems_are_measured_unless_others_are_named() -> None:
    platform = FakePlatform()
    platform.fs = [
        mount("/", "overlay", "overlay"),
        mount("/proc", "proc"),
        mount("/run", "tmpfs"),
        mount("/home", "ext4", "/dev/sda2"),
        mount("/srv/bind", "ext4", "/dev/sda2"),
        mount("/mnt/nas", "nfs4", "nas:/x"),
        mount("/var/lib/docker/overlay2/abc/merged", "ext4"),
        mount("/snap/core/1", "squashfs"),
        mount("/data", "xfs"),
    ]
    assert [one.mountpoint for one in disk.chosen(platform.fs, [])] == ["/", "/data", "/home"]
    assert [one.mountpoint for one in disk.chosen(platform.fs, ["/mnt/nas", "/run", "/none"])] == ["/mnt/nas", "/run"]


def test_one_failing_mount_costs_that_mount_only_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    platform, clock = FakePlatform(), FakeClock()
    platform.fs, platform.broken = [mount("/"), mount("/bad")], {"/bad"}
    schedule = Schedule(collectors(config.Collectors(), platform), clock, first=0)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            sample = schedule.step()
            assert sample
            assert sample.disks
            assert [one.mount for one in sample.disks] == ["/"]
            assert sample.failed == {"disk": "/bad: Input/output error"}
            assert sample.memory
            clock.pass_(60)
        platform.broken = set()
        sample = schedule.step()
    assert sample
    assert sample.failed == {}
    assert caplog.text.count("D5001") == 1
    assert "collector disk works again" in caplog.text


def test_each_collector_is_due_in_its_own_time_and_a_late_one_makes_nothing_up() -> None:
    clock, ran = FakeClock(), []  # type: tuple[FakeClock, list[tuple[str, float]]]
    start = clock.mono

    def note(name: str) -> Collector:
        def collect(at: float) -> dict[str, Any]:
            ran.append((name, round(at - start)))
            if name == "slow":
                raise RuntimeError("no luck")
            return {}

        return Collector(name, 10 if name == "fast" else 30, collect)

    schedule = Schedule([note("fast"), note("slow")], clock, first=1)
    assert schedule.step() is None
    assert schedule.wait() == 1
    for _ in range(5):
        clock.pass_(schedule.wait())
        schedule.step()
    assert ran == [("fast", 1), ("slow", 1), ("fast", 11), ("fast", 21), ("fast", 31), ("slow", 31), ("fast", 41)]
    assert schedule.failing == {"slow": "RuntimeError: no luck"}
    clock.pass_(500)
    ran.clear()
    schedule.step()
    assert len(ran) == 2
    assert 0 < schedule.wait() <= 10
