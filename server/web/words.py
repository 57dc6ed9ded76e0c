"""Words for what the services name in code: states, permissions' refusals, audit actions, the looks. Marked for translation."""

from __future__ import annotations

from host.wire import orders, states


def N_(text: str) -> str:
    """Marks `text` for the catalogue; it is translated where it is shown."""
    return text


NODE_STATES = {
    states.PENDING: N_("pending"),
    states.ONLINE: N_("online"),
    states.OFFLINE: N_("offline"),
    states.UNKNOWN: N_("unknown"),
    states.QUARANTINED: N_("quarantined"),
    states.RETIRED: N_("retired"),
}

NODE_REASONS = {
    states.PENDING: N_("waiting for somebody's approval"),
    states.ONLINE: N_("holds a connection to the manager"),
    states.OFFLINE: N_("no sign of life; what it measures meanwhile is sent when it is back"),
    states.UNKNOWN: N_("the manager was away itself; in a minute it knows whether the host is there"),
    states.QUARANTINED: N_("two machines claim to be this node; it takes no commands"),
    states.RETIRED: N_("taken out of service; its certificate is refused, its history stays"),
}

STANDINGS = {
    "own": N_("the known one"),
    "claims": N_("came later"),
    "former": N_("was replaced"),
    "split": N_("was split off"),
}

AGENT_STATES = {
    "running": N_("running"),
    "stopped": N_("stopped"),
    "failed": N_("failed"),
    "unknown": N_("unknown"),
}

ON_OFF = {"true": N_("on"), "false": N_("off")}
OPEN_SHUT = {"true": N_("open now"), "false": N_("shut now")}

SEVERITIES = {"critical": N_("critical"), "warning": N_("warning"), "info": N_("information")}

LOG_LEVELS = {"": N_("Warnings and errors"), "error": N_("Errors"), "critical": N_("Critical errors")}

COMMAND_STATES = {
    states.QUEUED: N_("queued"),
    states.ACCEPTED: N_("accepted"),
    states.STARTED: N_("running"),
    states.SUCCEEDED: N_("succeeded"),
    states.FAILED: N_("failed"),
    states.TIMED_OUT: N_("timed out"),
    states.CANCELED: N_("canceled"),
    states.EXPIRED: N_("expired"),
    states.REFUSED: N_("refused"),
    states.INTERRUPTED: N_("interrupted"),
}

COMMAND_REASONS = {
    states.QUEUED: N_("waiting for the host to fetch it"),
    states.ACCEPTED: N_("in the host's ledger, waiting for a free slot"),
    states.STARTED: N_("running on the host"),
    states.SUCCEEDED: N_("ended with exit code 0"),
    states.FAILED: N_("ended with another exit code, or could not be run"),
    states.TIMED_OUT: N_("stopped by the host: it ran longer than allowed"),
    states.CANCELED: N_("stopped because somebody asked for it"),
    states.EXPIRED: N_("the host did not fetch it in time; it was never run"),
    states.REFUSED: N_("the host would not run it"),
    states.INTERRUPTED: N_("cut off while it ran; it is never run again by itself"),
}

WAITS_FOR_WINDOW = N_("waits for a maintenance window")
"""In the place of the reason of a queued command."""

ORDERS = {
    orders.AGENT_START: N_("Start the agent"),
    orders.AGENT_STOP: N_("Stop the agent"),
    orders.AGENT_RESTART: N_("Restart the agent"),
    orders.COLLECT: N_("Collect now"),
    orders.LOG_LEVEL: N_("Change the daemon's log level"),
    orders.CONFIGURE: N_("Set the daemon's configuration"),
    orders.DIAGNOSE: N_("Diagnostics bundle"),
    "cancel": N_("Cancel a command"),
}

ORDER_REASONS = {
    states.ACCEPTED: N_("the host's daemon has it and does it next"),
    states.STARTED: N_("the host's daemon is at it"),
    states.SUCCEEDED: N_("done"),
    states.FAILED: N_("it could not be done"),
    states.EXPIRED: N_("the host did not fetch it in time; nothing was done"),
    states.REFUSED: N_("the host would not do it"),
    states.INTERRUPTED: N_("cut off before its end was told"),
}

PROCESS_STATES = {
    "running": N_("running"),
    "sleeping": N_("sleeping"),
    "disk sleep": N_("waiting for a disk"),
    "stopped": N_("stopped"),
    "traced": N_("traced"),
    "zombie": N_("zombie"),
    "dead": N_("dead"),
    "idle": N_("idle"),
    "parked": N_("parked"),
}

GROUP_KINDS = {"business": N_("Business"), "region": N_("Region"), "environment": N_("Environment")}
FIELD_TYPES = {
    "text": N_("text"),
    "number": N_("number"),
    "choice": N_("choice"),
    "date": N_("date"),
    "yes-no": N_("yes or no"),
}
ROLES = {"admin": N_("administrator"), "viewer": N_("viewer")}
THEMES = {"auto": N_("as the system"), "light": N_("light"), "dark": N_("dark")}
INTERPRETERS = {"shell": N_("Shell"), "python": N_("Python"), "powershell": N_("PowerShell")}
LANES = {"urgent": N_("urgent"), "bulk": N_("bulk")}

RECEIVER_KINDS = {
    "webhook": N_("Webhook, signed"),
    "alertmanager": N_("Alertmanager"),
    "chat": N_("Chat"),
    "mail": N_("Mail"),
}
RECEIVER_HEALTH = {
    "fine": N_("takes messages"),
    "failing": N_("takes nothing"),
    "off": N_("switched off"),
    "untried": N_("not tried yet"),
}
MAIL_SECURITY = {
    "starttls": N_("STARTTLS"),
    "tls": N_("TLS from the start"),
    "none": N_("none: can be read on its way"),
}
DELIVERY_STATES = {"waiting": N_("waiting"), "sent": N_("sent"), "failed": N_("failed")}
DELIVERY_SEVERITIES = {"info": N_("info"), "warning": N_("warning"), "critical": N_("critical")}
DELIVERY_EVENTS = {
    "opened": N_("opened"),
    "acknowledged": N_("acknowledged"),
    "resolved": N_("resolved"),
    "reminded": N_("still open"),
    "grouped": N_("many at once"),
    "test": N_("Test"),
}

RESOURCES = {
    "alert rule": N_("alert rule"),
    "alert": N_("alert"),
    "command": N_("command"),
    "delivery": N_("delivery"),
    "enrolment token": N_("enrolment token"),
    "field": N_("field"),
    "file": N_("file"),
    "filter": N_("saved filter"),
    "group": N_("group"),
    "node": N_("node"),
    "receiver": N_("receiver"),
    "task": N_("task"),
    "token": N_("API token"),
    "user": N_("person"),
    "window": N_("maintenance window"),
}
"""What the audit log says that an entry is about; the longer one first where one begins with another."""

ACTIONS = {
    "window.change": N_("changed a maintenance window"),
    "window.delete": N_("deleted a maintenance window"),
    "window.end": N_("ended a maintenance window"),
    "window.make": N_("made a maintenance window"),
    "window.skip": N_("skipped an opening of a maintenance window"),
    "delivery.again": N_("sent a delivery again"),
    "receiver.change": N_("changed a receiver"),
    "receiver.delete": N_("deleted a receiver"),
    "receiver.make": N_("made a receiver"),
    "receiver.rotate": N_("made another signing secret"),
    "receiver.test": N_("sent a test to a receiver"),
    "alert.acknowledge": N_("acknowledged alerts"),
    "alert.command": N_("an alert started a command, or could not"),
    "alert.rule.change": N_("changed an alert rule"),
    "alert.rule.delete": N_("deleted an alert rule"),
    "alert.rule.make": N_("made an alert rule"),
    "command.run": N_("ran a command"),
    "command.cancel": N_("canceled a command"),
    "file.create": N_("began to put a file in"),
    "file.finish": N_("put a file in"),
    "file.read": N_("read a file"),
    "file.delete": N_("deleted a file"),
    "enrolment.token": N_("made an enrolment token"),
    "field.change": N_("changed a field"),
    "field.delete": N_("deleted a field"),
    "field.make": N_("made a field"),
    "filter.delete": N_("deleted a saved filter"),
    "filter.save": N_("saved a filter"),
    "group.change": N_("changed a group"),
    "group.delete": N_("deleted a group"),
    "group.leave": N_("took nodes out of their group"),
    "group.make": N_("made a group"),
    "group.put": N_("put nodes into a group"),
    "node.enrol": N_("enrolled"),
    "node.approve": N_("approved a host"),
    "node.ask": N_("asked to be taken in"),
    "node.delete": N_("deleted a node with its data"),
    "node.edit": N_("edited a node"),
    "node.field": N_("filled a field"),
    "node.note": N_("wrote or deleted a note"),
    "node.tag": N_("changed tags"),
    "node.order": N_("gave an order to a daemon"),
    "node.reject": N_("rejected a host"),
    "node.machine": N_("went on with other hardware"),
    "node.quarantine": N_("came into quarantine"),
    "node.split": N_("split a node from its copy"),
    "node.merge": N_("merged a node's machines"),
    "node.renew": N_("renewed its certificate"),
    "node.certificate": N_("uses its new certificate"),
    "node.restore": N_("took a node back into service"),
    "node.retire": N_("retired a node"),
    "session.open": N_("signed in"),
    "session.close": N_("signed out"),
    "session.refused": N_("sign-in refused"),
    "token.create": N_("made an API token"),
    "token.revoke": N_("revoked an API token"),
    "user.create": N_("made an account"),
    "user.password": N_("changed a password"),
}

TIMELINE_KINDS = {
    "identity": N_("Identity"),
    "state": N_("State"),
    "command": N_("Commands"),
    "update": N_("Updates"),
    "configuration": N_("Configuration"),
    "alert": N_("Alerts"),
    "event": N_("Told by the host"),
    "action": N_("People's actions"),
}
"""What a node's timeline is made of (server/service/timeline.py)."""

TIMELINE_RANGES = {"24h": N_("24 hours"), "7d": N_("7 days"), "30d": N_("30 days"), "": N_("All")}
NODE_EVENTS = {
    "agent_keeps_failing": N_("The agent keeps failing"),
    "daemon.started": N_("The daemon started"),
    "certificate_renewed": N_("The certificate was renewed"),
    "outbox_damaged": N_("The outbox was damaged"),
    "plugin_mended": N_("A plugin works again"),
    "record.unusable": N_("A record could not be used"),
    "result.unusable": N_("A result could not be kept"),
    "kinds.unusable": N_("Kinds of task were left out"),
    "sample.impossible": N_("A sample had impossible figures"),
    "sample.time": N_("A sample had a wrong time"),
}
UPDATE_STATES = {
    "assigned": N_("assigned"),
    "downloading": N_("downloading"),
    "verified": N_("verified"),
    "staged": N_("staged"),
    "switching": N_("switching"),
    "watching": N_("watched"),
    "succeeded": N_("succeeded"),
    "failed": N_("failed"),
    "rolled_back": N_("rolled back"),
    "rollback_failed": N_("roll-back failed"),
    "lost": N_("lost"),
}

FIGURES = {
    "cpu_usage": N_("CPU"),
    "memory_usage": N_("Memory"),
    "disk_usage": N_("Fullest disk"),
    "load_1": N_("Load over 1 min"),
    "network_rx": N_("Network received"),
    "network_tx": N_("Network sent"),
    "cpu.iowait": N_("CPU waiting for disks"),
    "cpu.user": N_("CPU in programs"),
    "cpu.system": N_("CPU in the kernel"),
    "core.percent": N_("CPU core"),
    "memory.available": N_("Available memory"),
    "memory.swap": N_("Swap"),
    "load.5": N_("Load over 5 min"),
    "load.15": N_("Load over 15 min"),
    "processes": N_("Processes"),
    "uptime": N_("Uptime"),
    "mount.percent": N_("Used space"),
    "mount.free": N_("Free space"),
    "mount.used": N_("Used bytes"),
    "disk.read": N_("Reads"),
    "disk.write": N_("Writes"),
    "nic.rx": N_("Received"),
    "nic.tx": N_("Sent"),
    "gpu.percent": N_("GPU"),
    "gpu.memory": N_("GPU memory"),
    "gpu.temperature": N_("GPU temperature"),
}
"""Metric of an alert rule → its title (server/alerting/metrics.py), so that it is translated."""

ALERT_STATES = {"open": N_("unacknowledged"), "acknowledged": N_("acknowledged"), "resolved": N_("resolved")}
ALERT_COMMANDS = {
    "wanted": N_("about to start"),
    "starting": N_("about to start"),
    "started": N_("started"),
    "refused": N_("not started"),
}
COMPARISONS = {"above": N_("above"), "below": N_("below")}
RULE_KINDS = {
    "metric": N_("Figure"),
    "change": N_("Change of a figure"),
    "disk-full": N_("Disk full soon"),
    "offline": N_("Node offline"),
    "agent-failed": N_("Agent failed"),
    "agent-restarts": N_("Agent restarts"),
    "update-failed": N_("Update failed"),
    "certificate": N_("Certificate ends"),
    "outbox": N_("Records let go"),
    "clock": N_("Clock is off"),
}
RULE_HELP = {
    "metric": N_("Wrong when a figure is above or below the threshold for a time."),
    "change": N_("Wrong when a figure has changed by more than the threshold within a time."),
    "disk-full": N_("Wrong when a mount, by its trend of six hours, will be full sooner than the threshold."),
    "offline": N_("Wrong when a node has been offline for longer than the threshold."),
    "agent-failed": N_("Wrong when the agent has failed and its daemon could not bring it back."),
    "agent-restarts": N_("Wrong when the agent was restarted more often than the threshold within a time."),
    "update-failed": N_("Wrong when the newest update of a component within a day failed."),
    "certificate": N_("Wrong when the certificate of a host ends sooner than the threshold."),
    "outbox": N_("Wrong when a host let go of more records than the threshold within a time, because they could not be sent."),
    "clock": N_("Wrong when the clock of a host is off by more than the threshold."),
}
RULE_UNITS = {
    "metric": N_("With its unit: 90%%, 10GiB, 5MiB/s, 5m, 8."),
    "change": N_("With its unit: 90%%, 10GiB, 5MiB/s, 5m, 8."),
    "disk-full": N_("Hours, such as 24h."),
    "offline": N_("A time such as 5m or 2h."),
    "agent-failed": "",
    "agent-restarts": N_("A number, such as 3."),
    "update-failed": "",
    "certificate": N_("Days, such as 14."),
    "outbox": N_("A number of records, such as 0."),
    "clock": N_("Seconds, such as 30s."),
}

NOTICES = {
    "acknowledged": N_("Acknowledged."),
    "rule-deleted": N_("The rule is deleted. Its alerts are resolved and stay in the history."),
    "window-deleted": N_("The window is deleted. Commands that waited for it wait for another, or expire."),
    "password": N_("The password is changed. All sessions and tokens of the account have ended: sign in again."),
    "signed-out": N_("You are signed out."),
    "retired": N_("The node is retired."),
    "approved": N_("The host is approved. It fetches its certificate within a minute."),
    "restored": N_("The node is in service again. Its host connects by itself while its certificate lasts."),
    "node-deleted": N_("The node is deleted."),
    "split": N_("The node goes on. The other machine asks for approval within a minute of its next call."),
    "merged": N_("The node goes on with the hardware that you chose."),
    "saved": N_("Saved."),
    "receiver-deleted": N_("The receiver is deleted. The log of its deliveries stays."),
    "again": N_("It waits to be sent again, for another day."),
    "deleted": N_("The file is deleted."),
    "canceled": N_("The cancel request is on its way to the host."),
}

HELP = {
    400: N_("Go back, correct what is named above and send it again."),
    401: N_("Sign in, then try again."),
    403: N_("If you need this, ask an administrator for the right."),
    404: N_("The address may be mistyped, or what was there is gone. Start from the list."),
    409: N_("Look at its present state, then decide again."),
    429: N_("Wait a moment, then try again."),
    500: N_("Try again. If it happens again, give the request id to whoever looks after the manager."),
    503: N_("Nothing was changed. Try again in a moment."),
}

TITLES = {
    400: N_("That cannot be used"),
    401: N_("Sign in first"),
    403: N_("Not allowed"),
    404: N_("Not found"),
    409: N_("Not in this state"),
    429: N_("Too many attempts"),
    500: N_("The manager failed"),
    503: N_("Not possible right now"),
}
