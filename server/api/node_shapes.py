"""What the calls about nodes take as parameters and answer."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from host.wire import records
from host.wire.messages import Facts
from host.wire.states import NODE
from server.api.calls import Answer
from server.api.parameters import MAX_TIME, SIZE, Paged, Query, Span, Time, one_of, sorts
from server.errors import BadInput
from server.service.details import MOST_CHOSEN
from server.service.marks import Mark
from server.service.nodes import SORTS
from server.service.ranges import RANGES
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
    """`groups`: kind → the group that it is in; `fields`: custom fields that are set."""

    created_at: int
    facts: Facts
    metrics: Picture
    agent: Agent
    groups: dict[str, GroupName]
    fields: dict[str, str]
    maintenance: InWindow | None


class NodeState(Answer):
    state: str


class NamedSpan(Span, frozen=True, kw_only=True):
    """`range` goes back from `until`, and stands instead of `since`."""

    range: Annotated[str, one_of(*RANGES)] = ""

    def times(self, now: int) -> tuple[int, int]:
        if not self.range:
            return super().times(now)
        if self.since is not None:
            raise BadInput("range: give either a range or since", field="range")
        until = now if self.until is None else self.until
        return max(until - RANGES[self.range], 0), until


class NodeSpan(NamedSpan, frozen=True, kw_only=True):
    step: Annotated[int, Meta(ge=1, le=MAX_TIME, description="ms that one point stands for; 1 for every sample")] | None = None


class Point(Answer):
    """Usage in percent, network in bytes a second. With a step above 1 means, and the highest value as `…_most`."""

    at: int
    cpu_usage: float | None
    memory_usage: float | None
    disk_usage: float | None
    load_1: float | None
    network_rx: float | None
    network_tx: float | None
    cpu_usage_most: float | UnsetType | None = UNSET
    memory_usage_most: float | UnsetType | None = UNSET
    disk_usage_most: float | UnsetType | None = UNSET
    load_1_most: float | UnsetType | None = UNSET
    network_rx_most: float | UnsetType | None = UNSET
    network_tx_most: float | UnsetType | None = UNSET


class PluginPoint(Answer):
    plugin: str
    name: str
    at: int
    value: float
    unit: str
    value_most: float | UnsetType = UNSET


class NodeSeries(Answer):
    since: int
    until: int
    step: int
    points: list[Point]
    plugins: list[PluginPoint]


class DetailSpan(NodeSpan, frozen=True, kw_only=True):
    name: Annotated[
        list[str], Meta(max_length=MOST_CHOSEN, description="which of them; by default those that stand out most, see names")
    ] = msgspec.field(default_factory=list)


class DetailPoint(Answer):
    """The mean of what was read in that time, and the highest of it."""

    at: int
    value: float
    most: float


class DetailLine(Answer):
    """`figure` is one of `used`, `read`, `written`, `received`, `sent`, `busy`, `memory`, `temperature`."""

    name: str
    figure: str
    unit: str
    points: list[DetailPoint]


class NodeDetails(Answer):
    """`names`: all that were seen in that time. Details from before `kept_since` are no longer kept; `since` is not before it."""

    since: int
    until: int
    step: int
    kept_since: int
    names: list[str]
    lines: list[DetailLine]


class NodeMarks(Answer):
    """Ascending by `since`. `more`: kinds of which only the newest are here."""

    since: int
    until: int
    marks: list[Mark]
    more: list[str]


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


class NodeLog(Answer):
    lines: list[LogLine]
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
