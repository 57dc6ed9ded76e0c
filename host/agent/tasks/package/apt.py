"""Packages of Debian and Ubuntu, by `apt-get`, `apt-cache`, `apt-mark` and `dpkg-query`.

apt takes an unknown name for a pattern (`a.b` for all that match it), and one with `+` or `-` at its end for an order:
so every name has to be one that `apt-cache policy` knows before `apt-get` gets to see it.
"""

from __future__ import annotations

import re

from host.agent.tasks.base import TaskProblem
from host.agent.tasks.commands import Clock, Run
from host.agent.tasks.package.model import Change, Plan, Versions, failure
from host.wire.tasks import Package

QUIET = {"DEBIAN_FRONTEND": "noninteractive", "DEBCONF_NONINTERACTIVE_SEEN": "true", "APT_LISTCHANGES_FRONTEND": "none"}
QUIET |= {"NEEDRESTART_MODE": "l", "UCF_FORCE_CONFFOLD": "1"}
FILES = {"keep": ["confdef", "confold"], "new": ["confnew"]}
FORMAT = r"${db:Status-Status}\t${Package}\t${Architecture}\t${Version}\n"
_DOWN = re.compile(r"^The following packages will be DOWNGRADED:\n((?: .*\n)+)", re.MULTILINE)
_STEP = re.compile(r"^(Inst|Remv|Purg) (\S+)(?: \[([^\]]*)\])?(?: \((\S+) )?", re.MULTILINE)


class Apt:
    """See `model.Manager`."""

    name = "apt"

    def __init__(self, run: Run, clock: Clock) -> None:
        self._run, self._clock = run, clock

    def _ask(self, doing: str, *line: str, show: bool = False, environment: dict[str, str] | None = None) -> str:
        done = self._run(list(line), self._clock.left(), environment=environment or QUIET, show=show)
        if done.code:
            raise failure(done, doing)
        return done.out

    def refresh(self) -> None:
        # Without this option apt reports success when it could fetch nothing.
        self._ask("refresh", "apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "update", show=True)

    def installed(self) -> Versions:
        native = (self._ask("look", "dpkg", "--print-architecture").strip(), "all")
        rows = (line.split("\t") for line in self._ask("list", "dpkg-query", "--show", f"--showformat={FORMAT}").splitlines())
        good = [row for row in rows if len(row) == 4 and row[0] == "installed"]
        return {row[1] if row[2] in native else f"{row[1]}:{row[2]}": row[3] for row in good}

    def upgradable(self) -> Versions:
        out = self._ask("simulate", "apt-get", "-s", "-q", "-y", "dist-upgrade")
        return {one.name: one.after for one in _steps(out) if one.before and one.after}

    def plan(self, content: Package) -> Plan:
        """See `model.Manager`."""
        self._known(content)
        words = {"install": ["install"], "remove": ["remove"], "upgrade": ["install", "--only-upgrade"]}[content.action]
        if content.everything:
            words = ["upgrade"]
        if any("=" in one for one in content.names):
            words.append("--allow-downgrades")  # a version that was named is meant
        line = [*words, "--", *content.names] if content.names else words
        changes = _steps(self._ask(content.action, "apt-get", "-s", "-q", "-y", *line))
        if changes:
            self._free(changes)
        files = [f"--option=Dpkg::Options::=--force-{one}" for one in FILES[content.settings_files]]
        environment = QUIET if content.settings_files == "keep" else {**QUIET, "UCF_FORCE_CONFFOLD": "", "UCF_FORCE_CONFFNEW": "1"}
        return Plan(changes, ["apt-get", "-q", "-y", "--option=Dpkg::Use-Pty=0", *files, *line], environment)

    def _known(self, content: Package) -> None:
        """Raises A6001 for the first name that apt does not know."""
        if not content.names:
            return
        names = [one.partition("=")[0] for one in content.names]
        told = set(re.findall(r"^(\S+):$", self._ask("look", "apt-cache", "policy", "--", *names), re.MULTILINE))
        if unknown := next((one for one in names if one not in told), ""):
            raise TaskProblem("A6001", f"apt knows no package {unknown}", "correct the name, or set refresh")

    def _free(self, changes: list[Change]) -> None:
        """Raises A6002 for the first that is held; apt itself would say so only in the middle of things."""
        held = set(self._ask("look", "apt-mark", "showhold").split())
        if stuck := next((one.name for one in changes if one.name in held), ""):
            raise TaskProblem("A6002", f"{stuck} is held back on this host", f"release it with apt-mark unhold {stuck} if it may change")

    def carry_out(self, plan: Plan) -> None:
        self._ask("change", *plan.command, show=True, environment=plan.environment)


def _steps(out: str) -> list[Change]:
    down = {name for block in _DOWN.findall(out) for name in block.split()}
    found = []
    for verb, name, before, after in _STEP.findall(out):
        action = "remove" if verb != "Inst" else "install" if not before else "downgrade" if name in down else "upgrade"
        found.append(Change(name, before, after, action) if verb == "Inst" else Change(name, before, "", action))
    return found
