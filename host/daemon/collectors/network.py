"""Traffic of the network interfaces.

Which: those named in `interfaces`; when none is named, all but loopback and the ones that container engines,
hypervisors and pod networks make (`VIRTUAL`, by the beginning of the name): their traffic passes a real one too.
"""

from __future__ import annotations

from dataclasses import dataclass

from host.daemon.collectors.platform import Platform
from host.daemon.collectors.rates import rate
from host.wire.records import Nic

VIRTUAL = (
    "veth",
    "docker",
    "br-",
    "virbr",
    "vnet",
    "cni",
    "flannel",
    "cali",
    "lxc",
    "lxdbr",
    "podman",
    "nerdctl",
    "dummy",
    "ifb",
    "kube-",
    "cilium",
)


@dataclass(frozen=True)
class NicCounters:
    """`at` in monotonic seconds; interface → bytes received, bytes sent."""

    at: float
    nics: dict[str, tuple[int, int]]


def wanted(name: str, interfaces: list[str]) -> bool:
    """Whether this interface is measured; see the head of this module."""
    return name in interfaces if interfaces else name != "lo" and not name.startswith(VIRTUAL)


def collect(platform: Platform, interfaces: list[str], previous: NicCounters | None, at: float) -> tuple[list[Nic], NicCounters]:
    """Counters since the boot, and bytes a second since `previous`."""
    result: list[Nic] = []
    seen: dict[str, tuple[int, int]] = {}
    elapsed = at - previous.at if previous else 0.0
    for name, value in sorted(platform.nic_counters().items()):
        if not wanted(name, interfaces):
            continue
        before = previous.nics.get(name) if previous else None
        seen[name] = (value.bytes_recv, value.bytes_sent)
        result.append(
            Nic(
                name=name,
                rx_bytes=value.bytes_recv,
                tx_bytes=value.bytes_sent,
                rx_packets=value.packets_recv,
                tx_packets=value.packets_sent,
                rx_errors=value.errin,
                tx_errors=value.errout,
                rx_drops=value.dropin,
                tx_drops=value.dropout,
                rx_rate=rate(value.bytes_recv, before[0] if before else None, elapsed),
                tx_rate=rate(value.bytes_sent, before[1] if before else None, elapsed),
            )
        )
    return result, NicCounters(at, seen)
