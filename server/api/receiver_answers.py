"""What `/api/v1/receivers` and `/api/v1/deliveries` answer: their types, and the settings as they also come in."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from server.api.calls import Answer
from server.service.alert_events import AlertEvent


class Settings(Answer):
    """Those of the receiver's kind: webhook `url`; alertmanager `url`, `username`; chat `language`; mail all but `url`.

    Each has `ca`: PEM of the only authorities that count, empty for the system's; and `burst`: messages a minute, past which the
    rest is one message.
    """

    url: str | UnsetType = UNSET
    username: str | UnsetType = UNSET
    host: str | UnsetType = UNSET
    port: int | UnsetType = UNSET
    security: str | UnsetType = UNSET
    sender: str | UnsetType = UNSET
    to: list[str] | UnsetType = UNSET
    language: str | UnsetType = UNSET
    ca: str | UnsetType = UNSET
    burst: int | UnsetType = UNSET


class Receiver(Answer):
    """`health`: off, failing, fine or untried, `problem` why. `secrets`: the names of those that are set, never their values.

    Times in UTC ms, 0 for never. `both_until`: the webhook's secret before signs as well until then. `pause_until`: nothing is tried
    before. `waiting`: deliveries that are not ended, the oldest from `oldest_waiting`.
    """

    id: str
    name: str
    kind: str
    enabled: bool
    min_severity: str
    selector: str
    events: list[str]
    settings: Settings
    secrets: list[str]
    both_until: int
    health: str
    problem: str
    failures: int
    failing_since: int
    ok_at: int
    pause_until: int
    waiting: int
    oldest_waiting: int
    version: int
    created_at: int
    updated_at: int
    updated_by: str


class MadeReceiver(Answer):
    """`secret`: the one that was made for a webhook, shown this once; null where none was made."""

    id: str
    version: int
    secret: str | None


class Rotated(Answer):
    """`secret`: shown this once."""

    secret: str
    version: int


class Tested(Answer):
    """`status`: of HTTP or SMTP, 0 for none; `answer`: its beginning, or what went wrong; `note`: what is to be known of one taken."""

    delivery_id: str
    ok: bool
    status: int
    answer: str
    note: str
    took_ms: int


class Delivery(Answer):
    """`state`: waiting, sent or failed, with the `reason`. `message_id`: what went out together has the same one. Times in UTC ms."""

    id: str
    receiver_id: str
    receiver_name: str
    alert_id: str
    event_kind: str
    severity: str
    event: AlertEvent
    message_id: str
    state: str
    reason: str
    attempts: int
    created_at: int
    next_at: int
    deadline_at: int
    finished_at: int


class Attempt(Answer):
    """`good`: it was taken; `answer`: the beginning of what the other side said."""

    id: str
    begun_at: int
    took_ms: int
    status: int
    good: bool
    answer: str


class Together(Answer):
    id: str
    alert_id: str
    event: AlertEvent


class OneDelivery(Delivery):
    """`together`: what else is in the same message; `repeatable`: it can be sent again."""

    attempts_log: list[Attempt]
    together: list[Together]
    repeatable: bool
