"""`service`: start, stop, restart, reload, enable, disable, look at (A4). One module for each manager of services.

`auto` is systemd where it runs the host, but supervisord for what only that knows; without systemd supervisord where it
has the program, else the SysV script.

A5001 no such service; A5002 not in time; A5003 refused or failed; A5004 it can never do that; A5005 the manager cannot be asked.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from host.agent.tasks import commands
from host.agent.tasks.base import Work
from host.agent.tasks.commands import Clock, Run
from host.agent.tasks.service.model import Manager
from host.agent.tasks.service.steps import carry_out
from host.agent.tasks.service.supervisord import Supervisord, connect
from host.agent.tasks.service.systemd import Systemd
from host.agent.tasks.service.sysv import SysV
from host.wire.tasks import Service

BOOTED = Path("/run/systemd/system")
TOOLS = ("update-rc.d", "chkconfig", "insserv")


def run(content: Service, work: Work) -> dict[str, Any]:
    """The state afterwards: manager, name, state, enabled, pid, since (UTC ms), changed, detail. Raises TaskProblem A50xx."""
    clock = commands.until(content.timeout)
    return carry_out(content, choose(content, work.settings, commands.run, clock), clock, work.say)


def choose(content: Service, settings: dict[str, Any], execute: Run, clock: Clock) -> Manager:
    """The manager that has the service."""
    calls = {path: connect(path) for path in settings.get("supervisors", [])}
    systemd, supervisord = Systemd(execute, clock), Supervisord(calls, clock)
    folder = Path(settings.get("init_folder", "/etc/init.d"))
    sysv = SysV(execute, clock, folder, [tool for tool in TOOLS if commands.has(tool)])
    if content.manager != "auto":
        named: dict[str, Manager] = {one.name: one for one in (systemd, supervisord, sysv)}
        return named[content.manager]
    return pick(content.name, os.path.isdir(BOOTED), systemd, supervisord if calls else None, sysv)


def pick(name: str, booted: bool, systemd: Systemd, supervisord: Supervisord | None, sysv: SysV) -> Manager:
    """See the module. `booted`: systemd runs the host."""
    if booted:
        return systemd if supervisord is None or systemd.knows(name) or not supervisord.knows(name) else supervisord
    return supervisord if supervisord and supervisord.knows(name) else sysv
