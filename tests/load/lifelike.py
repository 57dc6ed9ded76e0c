"""What an emulated host says of itself and measures: the same for the same number, and such as a real fleet would."""

from __future__ import annotations

import hashlib
import math
import random
from typing import Any

from host.wire.messages import Facts

GB = 1024**3
DAY_MS = 86_400_000
_ROLES = ("web", "app", "db", "cache", "queue", "build", "edge", "log")
_SITES = ("ams", "fra", "sin", "pvg")
_SHAPES = {
    "web": (14, 40, 15.0, 0.3),
    "app": (12, 34, 15.0, 0.4),
    "db": (22, 24, 14.0, 0.68),
    "cache": (8, 14, 15.0, 0.8),
    "queue": (9, 20, 14.0, 0.35),
    "build": (4, 55, 2.0, 0.25),
    "edge": (10, 30, 20.0, 0.22),
    "log": (18, 18, 15.0, 0.45),
}
"""Role → processor percent at rest, how much comes on top, at which hour (UTC) it peaks, and the share of memory at rest."""

_SYSTEMS = (
    ("Debian GNU/Linux 12 (bookworm)", "6.1.0-28-amd64"),
    ("Ubuntu 24.04.2 LTS", "6.8.0-51-generic"),
    ("Rocky Linux 9.5 (Blue Onyx)", "5.14.0-503.el9.x86_64"),
    ("Debian GNU/Linux 11 (bullseye)", "5.10.0-33-amd64"),
    ("CentOS Linux 7 (Core)", "3.10.0-1160.el7.x86_64"),
)
_MODELS = ("Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz", "AMD EPYC 7543 32-Core Processor", "Intel(R) Xeon(R) Silver 4314 CPU @ 2.40GHz")


class Machine:
    """The `number`-th machine of a fleet. Its load follows the day with its own height and phase."""

    def __init__(self, number: int) -> None:
        self.dice = dice = random.Random(number)
        role, site = _ROLES[number % len(_ROLES)], _SITES[number // len(_ROLES) % len(_SITES)]
        self.name = f"{role}-{site}-{number:04d}"
        self.tags = {"role": role, "site": site, "env": "staging" if number % 10 == 9 else "production"}
        self._cores = dice.choice((2, 4, 4, 8, 16))
        self._memory = self._cores * dice.choice((2, 4)) * GB
        base, swing, peak, self._memory_base = _SHAPES.get(role, (12, 25, 14.0, 0.3))
        self._base, self._swing = base * dice.uniform(0.6, 1.4), swing * dice.uniform(0.6, 1.4)
        self._phase = math.pi - 2 * math.pi * (peak + dice.uniform(-2, 2)) / 24
        self.filling: float | None = None
        """How full the last file system is, in percent; None: as the others."""
        mounts = ["/", "/var", "/boot"] + (["/srv/data"] if role in ("db", "log", "cache") else [])
        self._disks = [
            (mount, f"/dev/vd{'abcd'[i]}1", dice.choice((40, 80, 200)) * GB, dice.uniform(12, 70)) for i, mount in enumerate(mounts)
        ]
        self._nics = ["eth0"] + (["eth1"] if number % 3 == 0 else [])
        self._sent: dict[str, list[int]] = {nic: [0, 0] for nic in self._nics}
        self._plugin = number % 4 == 0
        self._system, self._model = dice.choice(_SYSTEMS), dice.choice(_MODELS)
        self._number = number

    def facts(self, boot: int) -> Facts:
        n = self._number
        system, kernel = self._system
        return Facts(
            hostname=self.name,
            addresses=[f"10.{n // 65536}.{n // 256 % 256}.{n % 256}"],
            os=system,
            kernel=kernel,
            arch="x86_64",
            cpu_model=self._model,
            cpu_count=self._cores,
            memory=self._memory,
            boot_time=boot,
            timezone=("Europe/Amsterdam", "Europe/Berlin", "Asia/Singapore", "Asia/Shanghai")[n // 8 % 4],
            daemon_version="0.1.0",
            agent_version="0.1.0",
            labels=self.tags,
        )

    def fingerprint(self, salt: str) -> dict[str, str]:
        mark = hashlib.sha256(f"{salt}/{self._number}".encode()).hexdigest()
        mac = ":".join(mark[i : i + 2] for i in range(0, 10, 2))
        return {"machine_id": mark[:32], "board_id": mark[32:64], "macs": f"02:{mac}"}

    def cpu(self, at: int) -> float:
        """Percent at that time (UTC ms): the day's curve, and noise."""
        curve = (1 - math.cos(2 * math.pi * (at % DAY_MS) / DAY_MS + self._phase)) / 2
        return min(99.0, max(0.3, self._base + self._swing * curve + self.dice.gauss(0, 3)))

    def sample(self, at: int, period_ms: int) -> dict[str, Any]:
        """The body of a `sample` record as a daemon sends it; counters go on from the one before."""
        dice, cpu = self.dice, round(self.cpu(at), 1)
        used = int(self._memory * min(0.95, self._memory_base + cpu / 300 + dice.uniform(0, 0.02)))
        body: dict[str, Any] = {
            "took_ms": round(dice.uniform(1.5, 6), 2),
            "cpu": {
                "percent": cpu,
                "user": round(cpu * 0.7, 1),
                "system": round(cpu * 0.25, 1),
                "idle": round(100 - cpu, 1),
                "iowait": round(cpu * 0.05, 1),
                "cores": [round(min(100.0, max(0.0, cpu + dice.gauss(0, 8))), 1) for _ in range(self._cores)],
                "count": self._cores,
                "model": self._model,
            },
            "memory": {
                "total": self._memory,
                "used": used,
                "available": self._memory - used,
                "percent": round(100 * used / self._memory, 1),
                "cached": used // 3,
                "buffers": used // 40,
                "swap_total": 2 * GB,
                "swap_used": int(cpu * 1e6),
            },
            "disks": [],
            "disk_io": [],
            "nics": [],
            "load": [round(self._cores * cpu / 100 * f, 2) for f in (1.0, 0.95, 0.9)],
            "processes": 110 + int(cpu),
            "process_states": {"sleeping": 90, "running": 1 + int(cpu / 25), "idle": 19 + int(cpu) % 7},
            "uptime": 400_000 + at // 1000 % 9_000_000,
            "failed": {},
        }
        for mount, device, size, percent in self._disks:
            full = round(min(97.0, percent + at % (30 * DAY_MS) / (3 * DAY_MS)), 1)
            if self.filling is not None and mount == self._disks[-1][0]:
                full = round(self.filling, 1)
            taken = int(size * full / 100)
            body["disks"].append(
                {"mount": mount, "device": device, "fstype": "ext4", "total": size, "used": taken, "free": size - taken, "percent": full}
            )
        reads, writes = round(dice.uniform(0, 4e5), 1), round(dice.uniform(0, 3e6), 1)
        body["disk_io"].append({"device": "vda", "read_bytes": at // 7, "write_bytes": at // 3, "read_rate": reads, "write_rate": writes})
        for nic in self._nics:
            rx, tx = round(cpu * dice.uniform(8e3, 3e4), 1), round(cpu * dice.uniform(5e3, 2e4), 1)
            counted = self._sent[nic]
            counted[0] += int(rx * period_ms / 1000)
            counted[1] += int(tx * period_ms / 1000)
            row: dict[str, Any] = {"name": nic, "rx_bytes": counted[0], "tx_bytes": counted[1], "rx_rate": rx, "tx_rate": tx}
            row |= {
                "rx_packets": counted[0] // 900,
                "tx_packets": counted[1] // 800,
                "rx_errors": 0,
                "tx_errors": 0,
                "rx_drops": 0,
                "tx_drops": 0,
            }
            body["nics"].append(row)
        if self._plugin:
            body["plugins"] = [{"plugin": "open_files", "name": "open", "value": 900 + int(cpu) * 11, "unit": "files"}]
        return body
