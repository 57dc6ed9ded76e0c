"""Commands for the daemon itself: `POST /daemon/v1/<verb>`, signed as every command (D5, D8, D13).

The body is JSON with `node_id` and what the verb needs. Each ends like any command: succeeded, failed with a reason,
or refused by the host's own policy; what it has to say is its output.
"""

from __future__ import annotations

from dataclasses import dataclass

AGENT_START = "agent-start"
AGENT_STOP = "agent-stop"
AGENT_RESTART = "agent-restart"
COLLECT = "collect"
LOG_LEVEL = "log-level"
CONFIGURE = "configure"
DIAGNOSE = "diagnose"

VERBS = (AGENT_START, AGENT_STOP, AGENT_RESTART, COLLECT, LOG_LEVEL, CONFIGURE, DIAGNOSE)
LOG_LEVELS = ("debug", "info", "warning", "error")
MAX_CONFIGURATION_BYTES = 256 * 1024


@dataclass(frozen=True)
class Order:
    """`level` is for `log-level`. `text` is the whole new file for `configure`, and `base` the hash of the file that it
    was edited from: another one in force by then refuses the order, so that nobody's change is lost."""

    node_id: str
    level: str = ""
    text: str = ""
    base: str = ""
