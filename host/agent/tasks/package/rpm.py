"""Packages of Red Hat's family by `dnf` or `yum`, of SUSE's by `zypper`; what is installed says `rpm`."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from host.agent.tasks.base import TaskProblem
from host.agent.tasks.commands import Clock, Ran, Run
from host.agent.tasks.package.model import Change, Locked, Plan, Versions, failure
from host.wire.tasks import Package

QUERY = r"%{NAME}\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\t%{ARCH}\n"
SECTIONS = {"Installing": "install", "Upgrading": "upgrade", "Updating": "upgrade", "Downgrading": "downgrade", "Removing": "remove"}
SECTIONS |= {"Reinstalling": "replace"}
ZYPPER = ["zypper", "--non-interactive", "--xmlout"]
# 102 and 103: done, but the host or zypper itself wants a restart; 106: a source was left out; 107: a script of a package failed
DONE, LOCK, UNKNOWN = (0, 102, 103), 7, 104
KINDS = {"to-install": "install", "to-upgrade": "upgrade", "to-downgrade": "downgrade", "to-remove": "remove", "to-reinstall": "replace"}


class Rpm:
    """What both have in common."""

    def __init__(self, run: Run, clock: Clock) -> None:
        self._run, self._clock = run, clock

    def _do(self, *line: str, show: bool = False, environment: dict[str, str] | None = None) -> Ran:
        return self._run(list(line), self._clock.left(), environment=environment, show=show)

    def installed(self) -> Versions:
        done = self._do("rpm", "--query", "--all", f"--queryformat={QUERY}")
        if done.code:
            raise failure(done, "list")
        found: dict[str, list[str]] = {}
        for row in (line.split("\t") for line in done.out.splitlines()):
            if len(row) == 3 and row[0] != "gpg-pubkey":
                found.setdefault(f"{row[0]}.{row[2]}", []).append(row[1])
        return {name: ", ".join(sorted(versions)) for name, versions in found.items()}


class Dnf(Rpm):
    """See `model.Manager`. `program` is dnf or yum, whose words are the same here."""

    def __init__(self, run: Run, clock: Clock, program: str = "dnf") -> None:
        super().__init__(run, clock)
        self.name = program
        # dnf would wait for another one without an end; yum 3 knows the setting too.
        self._program = [program, "--setopt=exit_on_lock=True"]

    def refresh(self) -> None:
        done = self._do(*self._program, "makecache", show=True)
        if done.code:
            raise failure(done, "refresh")

    def upgradable(self) -> Versions:
        done = self._do(*self._program, "-q", "check-update")
        if done.code not in (0, 100):
            raise failure(done, "look")
        rows = (line.split() for line in done.out.partition("Obsoleting Packages")[0].splitlines())
        return {row[0]: row[1] for row in rows if len(row) == 3 and "." in row[0]}

    def plan(self, content: Package) -> Plan:
        """See `model.Manager`."""
        names = [one.replace("=", "-", 1) for one in content.names]
        line = [content.action, "--", *names] if names else [content.action]
        done = self._do(*self._program, "--assumeno", *line)
        changes = _table(done.out, self.installed())
        if done.code and not changes:  # with changes it is 1 because of the no
            problem = failure(done, content.action)
            if not (content.action == "remove" and isinstance(problem, TaskProblem) and problem.code == "A6001"):
                raise problem
        return Plan(changes, [*self._program, "-y", *line])

    def carry_out(self, plan: Plan) -> None:
        done = self._do(*plan.command, show=True)
        if done.code:
            raise failure(done, "change")


def _table(out: str, installed: Versions) -> list[Change]:
    """The table of a transaction. A long name stands on a line of its own, the rest of its row on the next."""
    found, action, waiting = [], "", ""
    for line in out.splitlines():
        if line.startswith("Transaction Summary"):
            break
        if header := re.match(r"^([A-Z][a-z]+)[a-z ]*:\s*$", line):
            action = SECTIONS.get(header[1], "")
            continue
        words = line.split()
        if not action or not line.startswith(" ") or not words or words[0] == "replacing":
            continue
        if len(words) == 1:
            waiting = words[0]
            continue
        row = [waiting, *words] if waiting else words
        waiting = ""
        if len(row) >= 4:
            name = f"{row[0]}.{row[1]}"
            before = installed.get(name, "")
            found.append(Change(name, before, "" if action == "remove" else row[2], action))
    return found


class Zypper(Rpm):
    """See `model.Manager`."""

    name = "zypper"

    def refresh(self) -> None:
        done = self._do(*ZYPPER, "refresh", show=True)
        if done.code:
            raise self._failure(done, "refresh")

    def _failure(self, done: Ran, doing: str) -> Exception:
        messages = [one.text or "" for one in _xml(done.out).iter("message") if one.get("type") in ("error", "warning")]
        told = Ran(done.code, "", "\n".join(messages) or done.err)
        if done.code == LOCK:
            return Locked(told.words)
        if done.code == UNKNOWN:
            return TaskProblem("A6001", f"not found: {told.words}", "correct the name or version, or set refresh")
        return failure(told, doing)

    def upgradable(self) -> Versions:
        done = self._do(*ZYPPER, "list-updates")
        if done.code not in DONE:
            raise self._failure(done, "look")
        return {f"{one.get('name')}.{one.get('arch')}": one.get("edition", "") for one in _xml(done.out).iter("update")}

    def plan(self, content: Package) -> Plan:
        """See `model.Manager`."""
        words = [{"install": "install", "remove": "remove", "upgrade": "update"}[content.action]]
        if any("=" in one for one in content.names):
            words.append("--oldpackage")
        names = ["--", *content.names] if content.names else []
        done = self._do(*ZYPPER, *words, "--dry-run", *names)
        if done.code not in DONE:
            problem = self._failure(done, content.action)
            if content.action == "remove" and isinstance(problem, TaskProblem) and problem.code == "A6001":
                return Plan([], [])
            raise problem
        changes = []
        for kind, action in KINDS.items():
            for one in (solvable for group in _xml(done.out).iter(kind) for solvable in group.iter("solvable")):
                edition, old = one.get("edition", ""), one.get("edition-old", "")
                before, after = (edition, "") if action == "remove" else (old, edition)
                changes.append(Change(f"{one.get('name')}.{one.get('arch')}", before, after, action))
        return Plan(changes, [*ZYPPER, *words, *names])

    def carry_out(self, plan: Plan) -> None:
        done = self._do(*plan.command, show=True)
        if done.code not in DONE:
            raise self._failure(done, "change")


def _xml(text: str) -> ElementTree.Element:
    """zypper's answer, empty where it gave none. It is this host's own program that speaks, as root."""
    try:
        return ElementTree.fromstring(text[text.index("<?xml") :])  # noqa: S314
    except (ValueError, ElementTree.ParseError):
        return ElementTree.Element("stream")
