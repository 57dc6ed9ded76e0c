"""Example of a Python plugin: file handles that the kernel has open, and how many it allows.

Copy it to /etc/ops-scaffold/plugins/ (owner root, not writable by others); the daemon finds it within seconds.
`collect()` gives a list of (name, value, unit); it runs in a process of its own, once an interval.
"""


def collect():
    with open("/proc/sys/fs/file-nr") as file:
        used, _, most = (int(number) for number in file.read().split())
    return [
        ("open", used, "files"),
        ("share", 100 * used / most, "%"),
    ]
