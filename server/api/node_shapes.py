"""What the calls about nodes take as parameters and answer."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from host.wire import records
from host.wire.messages import Facts
from host.wire.states import NODE
from server.api.calls import Answer
from server.api.parameters import SIZE, Paged, Query, Time, one_of, sorts
from server.service.nodes import SORTS
from server.service.timeline import KINDS as TIMELINE
from server.service.timeline import MOST

Search = Annotated[str, Meta(description="is looked for in name, address and tags")]
OneState = Annotated[str, one_of(*NODE)]
Sorted = Annotated[str, sorts(*SORTS)]
Selector = Annotated[str, Meta(description="a selector, such as env=prod and not online")]


class NodeList(Paged, frozen=True, kw_only=True):
    """All of them narrow down together; retired nodes only when asked for by `state` or `select`."""

    q: Search = ""
    state: OneState = ""
    sort: Sorted = "name"
    select: Selector | None = None


class NodeTable(Query, frozen=True, kw_only=True):
    """The same without pages."""

    q: Search = ""
    state: OneState = ""
    sort: Sorted = "name"
    select: Selector | None = None


class AnyNode(Answer):
    """What every answer says of a node."""

    id: str
    name: str
    hostname: str
    ip: str
    tags: dict[str, str]
    state: str
    state_since: int
    online: bool
    last_seen: int
    daemon_version: str


class ListedNode(AnyNode):
    """`last_seen` and the others in UTC ms; `online`: it is in that state."""

    agent_state: str | None
    agent_version: str | None
    os: str
    arch: str
    maintenance: InWindow | None


class Agent(Answer):
    """The agent as its daemon last told."""

    node_id: str
    version: str
    state: str
    reason: str
    pid: int | None
    cpu_usage: float | None
    memory_usage: int | None
    restarts: int
    updated_at: int


class InWindow(Answer):
    """The maintenance window that the node is in now."""

    window_id: str
    name: str
    ends_at: int
    silence_alerts: bool
    opens_for_commands: bool


class Picture(Answer):
    """The newest of each section within 15 minutes; what is older is left out."""

    at: int | UnsetType = UNSET
    took_ms: float | UnsetType = UNSET
    cpu: records.Cpu | UnsetType = UNSET
    memory: records.Memory | UnsetType = UNSET
    disks: list[records.Disk] | UnsetType = UNSET
    disk_io: list[records.DiskIo] | UnsetType = UNSET
    nics: list[records.Nic] | UnsetType = UNSET
    load: list[float] | UnsetType = UNSET
    processes: int | UnsetType = UNSET
    process_states: dict[str, int] | UnsetType = UNSET
    uptime: int | UnsetType = UNSET
    gpus: list[records.Gpu] | UnsetType = UNSET
    plugins: list[records.PluginMetric] | UnsetType = UNSET
    failed: dict[str, str] | UnsetType = UNSET


class GroupName(Answer):
    id: str
    name: str


class Node(AnyNode):
    """`groups`: kind → the group that it is in; `fields`: custom fields that are set. `version` counts what people changed of
    tags, groups and fields."""

    version: int
    created_at: int
    facts: Facts
    metrics: Picture
    agent: Agent
    groups: dict[str, GroupName]
    fields: dict[str, str]
    maintenance: InWindow | None


class NodeState(Answer):
    state: str


class LogLine(Answer):
    at: int
    component: str
    level: str
    logger: str
    message: str


class Dropped(Answer):
    """Records that the host had to let go of, and why."""

    lane: str
    epoch: int
    first_seq: int
    last_seq: int
    at: int
    why: str


class LinesOfLog(Query, frozen=True, kw_only=True):
    """All of them narrow down together."""

    q: Annotated[str, Meta(max_length=200, description="is looked for in message, logger and node's name")] = ""
    level: Annotated[str, one_of("error", "critical")] = ""
    since: Annotated[Time, Meta(description="logged then or later, UTC milliseconds")] | None = None
    until: Annotated[Time, Meta(description="logged before, UTC milliseconds")] | None = None
    before: Annotated[str, Meta(max_length=80, description="`next` of an answer, or UTC milliseconds")] = ""
    size: Annotated[int, Meta(ge=1, le=500, description="how many lines")] = 200

    def narrowed(self) -> dict[str, Any]:
        """As `Logs.page` takes them."""
        return {
            "q": self.q,
            "level": self.level,
            "since": self.since or 0,
            "until": self.until,
            "before": self.before,
            "limit": self.size,
        }


class NodeLog(Answer):
    """The newest first. `next`: what `before` takes for what is older, empty at the end. `searched_to`: up to which time a search
    has looked; null when all that fits is here."""

    lines: list[LogLine]
    next: str
    searched_to: int | None
    dropped: list[Dropped]


class TimelineSpan(Query, frozen=True, kw_only=True):
    """From `since` to `until`, both included; without them all that is kept."""

    kind: Annotated[str, one_of(*TIMELINE)] = ""
    since: Time = 0
    until: Time | None = None
    before: Annotated[str, Meta(description="the `next` of a page: what is older than it")] = ""
    size: Annotated[int, Meta(ge=1, le=MOST, description="how many a page")] = SIZE


class TimelineEntry(Answer):
    """`name` says what of its `kind`: a state, what became of a command, an action of the audit log. `actor`: who did it, empty
    for nobody. `ref`: id of the command or alert. `detail` differs by kind; of actions only for those who may read the audit log."""

    id: str
    at: int
    kind: str
    name: str
    actor: str
    ref: str
    detail: dict[str, Any]


class NodeTimeline(Answer):
    """Newest first. `next` is for `before`, empty at the end. `kept`: kind → since when it is kept, where something may be gone."""

    items: list[TimelineEntry]
    next: str
    kept: dict[str, int]


class ConfigurationInForce(Answer):
    """`text` with its secrets masked; `hash`: SHA-256 of the file as it is; `note`: how it came to be in force."""

    text: str
    hash: str
    note: str
    at: int


class Daemon(Answer):
    """Either is null until the daemon has told it. `health` is as `host.wire.records.Health`, and `at`."""

    health: dict[str, Any] | None
    configuration: ConfigurationInForce | None


class Given(Answer):
    command_id: str
