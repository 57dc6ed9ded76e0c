"""What may need somebody, in words: for each kind how grave it is, what is wrong, why, and the next step.

Plain English with `{count}`; the pages translate it (server/web/findings.py has the same sentences for the catalogue).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CRITICAL, WARNING = "critical", "warning"
SEVERITIES = (CRITICAL, WARNING)
"""The gravest first."""


@dataclass(frozen=True)
class Kind:
    severity: str
    one: str
    many: str
    why: str
    next: str


KINDS = {
    "quarantined": Kind(
        CRITICAL,
        "{count} node is in quarantine",
        "{count} nodes are in quarantine",
        "two machines claim to be this node; it takes no commands",
        "open it, compare the two machines, and decide which one stays",
    ),
    "alerts": Kind(
        WARNING,
        "{count} open alert that nobody has taken on",
        "{count} open alerts that nobody has taken on",
        "a rule that somebody made says that this is wrong",
        "open it, see what it says, and acknowledge it so that others know that somebody is at work",
    ),
    "offline": Kind(
        CRITICAL,
        "{count} node is offline",
        "{count} nodes are offline",
        "the host, its network or its daemon is down; what it measures meanwhile is kept there",
        "see whether the host is up; if it is, whether its daemon runs",
    ),
    "agent_failed": Kind(
        CRITICAL,
        "{count} agent has failed",
        "{count} agents have failed",
        "what is run on these nodes waits until the agent is back",
        "read the reason on the node's page, mend it, and start the agent there",
    ),
    "manager_loop": Kind(
        CRITICAL,
        "{count} background loop of a manager fails",
        "{count} background loops of managers fail",
        "its work is left undone there until it succeeds again",
        "read the log of that manager: each failure is there with its cause",
    ),
    "receivers": Kind(
        WARNING,
        "{count} receiver takes nothing",
        "{count} receivers take nothing",
        "whoever is behind it hears of no alert; for a day it is tried again",
        "read its problem, mend it, and send a test",
    ),
    "never_seen": Kind(
        WARNING,
        "{count} enrolled host has never connected",
        "{count} enrolled hosts have never connected",
        "it was given a certificate but has not been heard of since",
        "check on the host that its daemon runs and reaches the manager's node port",
    ),
    "pending": Kind(
        WARNING,
        "{count} host waits for approval",
        "{count} hosts wait for approval",
        "it asked without a token and can do nothing until somebody decides",
        "compare its key with the one in the daemon's log on the host, then approve or reject it",
    ),
    "agent_restarts": Kind(
        WARNING,
        "{count} agent keeps restarting",
        "{count} agents keep restarting",
        "it was restarted three times or more within an hour",
        "look at the node's log and memory around the restarts",
    ),
    "dropping": Kind(
        WARNING,
        "{count} node had to let go of records",
        "{count} nodes had to let go of records",
        "its outbox was full within the last day; what it measured then is lost",
        "find out why it could not report for so long; a larger outbox bridges longer outages",
    ),
    "backlog": Kind(
        WARNING,
        "{count} node does not get its records away",
        "{count} nodes do not get their records away",
        "it is online, yet its oldest unsent record is more than 5 minutes old",
        "look at the link failures on the node's page, and whether the manager keeps up",
    ),
    "certificate": Kind(
        WARNING,
        "{count} certificate ends soon",
        "{count} certificates end soon",
        "hosts renew theirs long before; something keeps this one from it",
        "read the daemon's last problem on the node's page; once ended, the host has to enrol anew",
    ),
    "clock": Kind(
        WARNING,
        "{count} host has a wrong clock",
        "{count} hosts have a wrong clock",
        "it is more than 30 seconds off the manager's; its log and charts are misdated",
        "set up time synchronisation on the host (chrony or systemd-timesyncd)",
    ),
    "stuck": Kind(
        WARNING,
        "{count} command is stuck",
        "{count} commands are stuck",
        "not fetched in time, about to expire, or past its deadline",
        "open it to see what it waits for; cancel it if it is not wanted any more",
    ),
    "disk": Kind(
        WARNING,
        "{count} node has a nearly full disk",
        "{count} nodes have a nearly full disk",
        "nine tenths or more of its fullest file system are in use",
        "see on the node's page which one it is; free space, or enlarge it",
    ),
    "rollup_lag": Kind(
        WARNING,
        "roll-ups are behind",
        "roll-ups are behind",
        "trends and long charts are older than they should be",
        "see whether the database is slow, and what the loop rollups says in the manager's log",
    ),
    "database_slow": Kind(
        WARNING,
        "the database answers slowly",
        "the database answers slowly",
        "a simple question took more than half a second",
        "look at the load and the disk of the database server",
    ),
    "checkpoint": Kind(
        WARNING,
        "the audit checkpoint is behind",
        "the audit checkpoint is behind",
        "the newest audit entries could be cut off without being noticed",
        "check that the manager can write to its keys folder",
    ),
    "intake": Kind(
        WARNING,
        "records wait to be stored",
        "records wait to be stored",
        "reports come faster than the database takes them",
        "look at the load of the database server; hosts keep what is not stored",
    ),
}


@dataclass(frozen=True)
class Subject:
    """One of what a finding is about; the ids of what it is not are empty. `said`: a sentence, or empty."""

    name: str
    since: int
    node_id: str = ""
    command_id: str = ""
    said: str = ""
    alert_id: str = ""
    receiver_id: str = ""


@dataclass(frozen=True)
class Finding:
    """`since`: the oldest, UTC ms. `more`: there are more than `count`."""

    kind: str
    severity: str
    count: int
    since: int
    subjects: Sequence[Subject]
    more: bool = False

    @property
    def what(self) -> str:
        kind = KINDS[self.kind]
        return (kind.one if self.count == 1 else kind.many).format(count=self.count)

    @property
    def why(self) -> str:
        return KINDS[self.kind].why

    @property
    def next(self) -> str:
        return KINDS[self.kind].next
