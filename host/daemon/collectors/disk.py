"""File systems and the traffic of block devices.

Which file systems: those named in `mount_points`, whatever they are; when none is named, every mount but
 - the kernel's own and those in memory (`PSEUDO`: proc, sysfs, cgroup, tmpfs, …) and read-only images (squashfs, iso9660),
 - network file systems (`NETWORK`): their size is their server's to tell, once and not by each of its clients,
 - what container engines mount for their containers (`CONTAINER_FOLDERS`, and `overlay` other than /),
 - further mounts of a device that is shown already (bind mounts): the shortest path stands for it.
A file system that does not answer costs its own figures only, see `collectors.patience`.
Which devices: whole disks; not loop, ram, zram, optical and floppy drives, nor dm and md, whose disks are counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from host.daemon.collectors.platform import Platform
from host.daemon.collectors.rates import rate
from host.wire.records import Disk, DiskIo

PSEUDO = frozenset(
    {"autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devfs", "devpts", "devtmpfs", "efivarfs"}
    | {"fuse.lxcfs", "fuse.portal", "fusectl", "hugetlbfs", "iso9660", "mqueue", "nsfs", "overlay", "proc", "pstore", "ramfs"}
    | {"rootfs", "rpc_pipefs", "securityfs", "selinuxfs", "squashfs", "sysfs", "tmpfs", "tracefs"}
)
NETWORK = frozenset(
    {"9p", "afs", "ceph", "cifs", "fuse.cephfs", "fuse.davfs", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs"}
    | {"glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs"}
)
CONTAINER_FOLDERS = (
    "/var/lib/docker/",
    "/var/lib/containers/",
    "/var/lib/containerd/",
    "/run/containerd/",
    "/var/lib/kubelet/",
    "/var/lib/lxd/",
    "/snap/",
)
NO_DISKS = ("loop", "ram", "zram", "sr", "fd", "dm-", "md")


@dataclass(frozen=True)
class DiskCounters:
    """`at` in monotonic seconds; device → bytes read, bytes written."""

    at: float
    devices: dict[str, tuple[int, int]]


def chosen(mounts: list[Any], wanted: list[str]) -> list[Any]:
    """The mounts to measure, by path; see the head of this module."""
    latest = {mount.mountpoint: mount for mount in mounts}  # what is mounted over a path hides what was there
    if wanted:
        return [latest[path] for path in wanted if path in latest]
    result: list[Any] = []
    devices: set[str] = set()
    for path in sorted(latest, key=lambda one: (len(one), one)):
        mount = latest[path]
        hidden = mount.fstype in PSEUDO or mount.fstype in NETWORK or (path + "/").startswith(CONTAINER_FOLDERS)
        if (hidden and path != "/") or mount.device in devices:
            continue
        devices.add(mount.device)
        result.append(mount)
    return sorted(result, key=lambda mount: str(mount.mountpoint))


def usage(platform: Platform, wanted: list[str], size_of: Callable[[str], Any]) -> tuple[list[Disk], list[str]]:
    """The file systems, and a sentence for each that could not be read: one failing mount costs that mount only.
    `size_of(path)` gives total, used, free and percent, or raises OSError."""
    disks: list[Disk] = []
    problems: list[str] = []
    mounts = chosen(platform.mounts(), wanted)
    for mount in mounts:
        try:
            size = size_of(mount.mountpoint)
        except OSError as problem:
            problems.append(f"{mount.mountpoint}: {problem.strerror or problem}")
            continue
        if size.total:
            disks.append(Disk(mount.mountpoint, mount.device, mount.fstype, size.total, size.used, size.free, size.percent))
    found = {mount.mountpoint for mount in mounts}
    problems += [f"{path}: not mounted" for path in wanted if path not in found]
    return disks, problems


def traffic(platform: Platform, previous: DiskCounters | None, at: float) -> tuple[list[DiskIo], DiskCounters]:
    """Bytes read and written by each device, and how fast since `previous`."""
    devices = {
        name: (value.read_bytes, value.write_bytes)
        for name, value in sorted(platform.disk_counters().items())
        if not name.startswith(NO_DISKS)
    }
    elapsed = at - previous.at if previous else 0.0
    result = []
    for name, (read, written) in devices.items():
        before = previous.devices.get(name) if previous else None
        result.append(
            DiskIo(
                name,
                read,
                written,
                rate(read, before[0] if before else None, elapsed),
                rate(written, before[1] if before else None, elapsed),
            )
        )
    return result, DiskCounters(at, devices)
