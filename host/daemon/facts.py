"""What this host says of itself (D4), and what tells it from others (DESIGN §4). Reads files, runs nothing."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import psutil

from host.daemon import VERSION
from host.daemon.collectors.platform import cpu_model
from host.wire.messages import Facts

_MADE = ("br-", "cali", "cni", "docker", "dummy", "flannel", "lxc", "tap", "tun", "veth", "virbr")
"""Beginnings of the names of interfaces that come and go, with random addresses."""


def gather(labels: dict[str, str], agent_version: str = "", root: Path = Path("/")) -> Facts:
    """The facts; what cannot be read stays empty."""
    system = os.uname()
    return Facts(
        hostname=socket.gethostname(),
        addresses=_addresses(),
        os=os_name(root / "etc/os-release"),
        kernel=system.release,
        arch=system.machine,
        cpu_model=cpu_model(root / "proc/cpuinfo"),
        cpu_count=psutil.cpu_count() or 0,
        memory=psutil.virtual_memory().total,
        boot_time=int(psutil.boot_time() * 1000),
        timezone=_timezone(root),
        daemon_version=VERSION,
        agent_version=agent_version,
        labels=dict(labels),
    )


def fingerprint(root: Path = Path("/")) -> dict[str, str]:
    """`machine_id`, `board_id`, `macs` (sorted, with commas); only those that this machine has."""
    found = {
        "machine_id": _read(root / "etc/machine-id") or _read(root / "var/lib/dbus/machine-id"),
        "board_id": _read(root / "sys/class/dmi/id/product_uuid") or _read(root / "sys/class/dmi/id/board_serial"),
        "macs": ",".join(_macs(root / "sys/class/net")),
    }
    return {name: value for name, value in found.items() if value}


def os_name(path: Path) -> str:
    """`PRETTY_NAME` of an os-release file."""
    for line in _read(path).splitlines():
        key, _, value = line.partition("=")
        if key == "PRETTY_NAME":
            return value.strip().strip("\"'")
    return os.uname().sysname


def _addresses() -> list[str]:
    """Addresses by which others can reach this host, IPv4 first; no loopback, no link-local."""
    found: dict[str, None] = {}
    every = [address for addresses in psutil.net_if_addrs().values() for address in addresses]
    for family in (socket.AF_INET, socket.AF_INET6):
        for address in every:
            text = str(address.address).partition("%")[0]
            if address.family == family and not text.startswith(("127.", "169.254.", "fe80:")) and text != "::1":
                found[text] = None
    return list(found)[:32]


def _macs(folder: Path) -> list[str]:
    """Of real network cards; where none counts as real (some containers), of all interfaces that no software makes and drops."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []  # no sysfs: the other marks have to do
    own = [name for name in names if not name.startswith(_MADE)]
    real = [name for name in names if (folder / name / "device").exists()] or own or names
    macs = {_read(folder / name / "address") for name in real}
    return sorted(mac for mac in macs if mac and mac != "00:00:00:00:00:00")


def _timezone(root: Path) -> str:
    try:
        target = os.readlink(root / "etc/localtime")
        if "zoneinfo/" in target:
            return target.partition("zoneinfo/")[2]
    except OSError:
        return _read(root / "etc/timezone") or time.tzname[0]  # not a link on this distribution
    return _read(root / "etc/timezone") or time.tzname[0]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""  # missing or for root only: the caller has another source, or does without
