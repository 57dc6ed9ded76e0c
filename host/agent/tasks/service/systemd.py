"""Services of systemd, by `systemctl`; tried with 252, written for 219 (CentOS 7) and later.

Names stand behind `--` and can be neither options nor patterns (`host.wire.tasks.service`). Moments are taken from the
monotonic properties: the readable ones are in the host's time zone and words.
"""

from __future__ import annotations

from host.agent.tasks.base import TaskProblem
from host.agent.tasks.commands import LATE, MISSING, Clock, Ran, Run
from host.agent.tasks.service.model import FAILED, RUNNING, STOPPED, UNKNOWN, Status

SYSTEMCTL = ["systemctl", "--no-ask-password", "--no-pager"]
PROPERTIES = (
    "LoadState,ActiveState,SubState,UnitFileState,MainPID,Type,Result,CanReload,"
    "ActiveEnterTimestampMonotonic,InactiveEnterTimestampMonotonic"
)
STATES = {"active": RUNNING, "reloading": RUNNING, "inactive": STOPPED, "failed": FAILED, "activating": STOPPED, "deactivating": RUNNING}
ENABLED = {"enabled": True, "enabled-runtime": True, "linked": False, "linked-runtime": False, "disabled": False, "masked": False}


class Systemd:
    """See `model.Manager`."""

    name = "systemd"

    def __init__(self, run: Run, clock: Clock) -> None:
        self._run, self._clock = run, clock

    def knows(self, service: str) -> bool:
        return self._show(service).get("LoadState") != "not-found"

    def status(self, service: str) -> Status:
        """See `model.Manager`."""
        found = self._show(service)
        load, active, sub = (found.get(name, "") for name in ("LoadState", "ActiveState", "SubState"))
        if load == "not-found":
            raise TaskProblem("A5001", f"systemd knows no service {service}", "look at its name with: systemctl list-unit-files")
        entered = found.get("ActiveEnterTimestampMonotonic" if active == "active" else "InactiveEnterTimestampMonotonic", "0")
        # Between two attempts of a service that keeps dying systemd says "activating": to whoever waits for it, it failed.
        state = FAILED if sub == "auto-restart" else STATES.get(active, UNKNOWN)
        detail = f"{active} ({sub})" + ("" if found.get("Result", "success") == "success" else f", {found['Result']}")
        return Status(
            state=state,
            enabled=self._enabled(service, found.get("UnitFileState", "")),
            pid=int(found.get("MainPID") or 0) or None,
            since=self._moment(int(entered or 0)),
            detail=detail if load in ("loaded", "") else f"{detail}, {load}",
            settling=active in ("activating", "deactivating", "reloading"),
            once=found.get("Type") == "oneshot",
        )

    def _show(self, service: str) -> dict[str, str]:
        done = self._run([*SYSTEMCTL, "show", f"--property={PROPERTIES}", "--", service], self._clock.left())
        if done.code:
            raise _unusable(done)
        return dict(line.split("=", 1) for line in done.out.splitlines() if "=" in line)

    def _enabled(self, service: str, file_state: str) -> bool | None:
        if file_state in ENABLED:
            return ENABLED[file_state]
        if file_state not in ("generated", "bad", ""):
            return None  # static, alias, indirect, transient: others decide when it starts
        # A SysV script behind systemd: only this asks its own links.
        done = self._run([*SYSTEMCTL, "is-enabled", "--", service], self._clock.left())
        return ENABLED.get(done.out.strip())

    def _moment(self, entered_us: int) -> int | None:
        ago_ms = int(self._clock.monotonic() * 1000) - entered_us // 1000
        return self._clock.now_ms() - ago_ms if entered_us else None

    def check(self, action: str, service: str, status: Status) -> None:
        """See `model.Manager`."""
        found = self._show(service)
        load, file_state = found.get("LoadState", ""), found.get("UnitFileState", "")
        if load == "masked" and action in ("start", "restart", "enable"):
            raise TaskProblem("A5004", f"{service} is masked, so that nobody starts it", f"run systemctl unmask {service} if it may run")
        if load not in ("loaded", "masked"):
            raise TaskProblem("A5004", f"systemd cannot use the unit {service}: {load}", f"see systemctl status {service}")
        if action == "reload" and found.get("CanReload") == "no":
            raise TaskProblem("A5004", f"{service} cannot reload its settings while it runs", "restart it")
        if action in ("enable", "disable") and file_state in ("static", "transient", "indirect"):
            raise TaskProblem("A5004", f"{service} is {file_state}: it has no start of its own to {action}", "enable what needs it instead")

    def act(self, action: str, service: str) -> None:
        """See `model.Manager`."""
        done = self._run([*SYSTEMCTL, action, "--", service], self._clock.left())
        if done.code == MISSING:
            raise _unusable(done)
        if done.code == LATE:
            raise TaskProblem("A5002", f"systemd did not finish to {action} {service} in time", "raise timeout, or see its log")
        if done.code:
            raise TaskProblem("A5003", f"systemd could not {action} {service}: {done.words}", "see the log lines above")

    def last_words(self, service: str) -> list[str]:
        """See `model.Manager`."""
        line = ["journalctl", "--no-pager", "--quiet", "--lines=20", "--output=short-iso", f"--unit={service}"]
        done = self._run(line, max(1.0, min(5.0, self._clock.left())))
        return [] if done.code else done.out.splitlines()[-20:]


def _unusable(done: Ran) -> TaskProblem:
    return TaskProblem("A5005", f"systemd cannot be asked: {done.words}", "is this host run by systemd? name another manager")
