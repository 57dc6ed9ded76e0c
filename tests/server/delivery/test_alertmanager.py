"""What an Alertmanager is posted has the shape that its API states, comes again while the alert fires, and ends when it is over.

The shape is stated here anew from `postableAlerts` in api/v2/openapi.yaml of github.com/prometheus/alertmanager (Apache-2.0).
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import jsonschema_rs
import pytest

from server.outbound.shapes import FIRING_MS
from server.service.delivery_turns import REPEAT_MS
from tests.conftest import Manager
from tests.server.delivery import http_receiver as does
from tests.server.delivery.conftest import event, go, make, states, tell
from tests.server.delivery.http_receiver import Receiver, Request

LABELS = {"type": "object", "additionalProperties": {"type": "string"}}
MOMENT = {"type": "string", "format": "date-time"}
POSTABLE = jsonschema_rs.Draft202012Validator(
    {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "labels": LABELS,
                "annotations": LABELS,
                "startsAt": MOMENT,
                "endsAt": MOMENT,
                "generatorURL": {"type": "string", "format": "uri"},
            },
            "required": ["labels"],
        },
    },
    validate_formats=True,
)


@pytest.fixture
async def firing(manager: Manager, hook: Receiver) -> str:
    """A receiver that was told of one alert."""
    receiver = await make(manager, hook, kind="alertmanager", secrets={"token": "a-token"})
    await tell(manager, event(manager))
    await go(manager)
    return receiver


def one_of(request: Request) -> dict[str, Any]:
    """The only alert of a request, whose shape is held against the published one."""
    POSTABLE.validate(request.json)
    [alert] = request.json
    assert isinstance(alert, dict)
    return alert


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc).timestamp() * 1000)


def test_the_shape_refuses_what_alertmanager_refuses() -> None:
    for wrong in ({}, [{"annotations": {}}], [{"labels": {"a": 1}}], [{"labels": {}, "endsAt": "soon"}]):
        assert not POSTABLE.is_valid(wrong)


@pytest.mark.usefixtures("firing")
async def test_an_alert_is_posted_as_the_api_takes_it(manager: Manager, hook: Receiver) -> None:
    request = hook.got[0]
    alert = one_of(request)
    assert request.line == "POST /api/v2/alerts HTTP/1.1"
    assert request.headers["authorization"] == "Bearer a-token"
    assert alert["labels"]["alertname"] == "Disk full"
    assert (alert["labels"]["node"], alert["labels"]["severity"]) == ("web-1", "critical")
    assert "" not in alert["labels"].values()
    assert ms(alert["startsAt"]) == manager.time()
    assert ms(alert["endsAt"]) == manager.time() + FIRING_MS
    assert alert["generatorURL"] == "https://ops.example.com/alerts/01ALERT0000000000000000000"


@pytest.mark.usefixtures("firing")
async def test_it_comes_again_while_it_fires_before_alertmanager_would_forget_it(manager: Manager, hook: Receiver) -> None:
    for _ in range(10):
        await go(manager, REPEAT_MS / 1000)
    assert len(hook.got) >= 10
    alerts = [one_of(request) for request in hook.got]
    assert {str(alert["labels"]) for alert in alerts} == {str(alerts[0]["labels"])}
    assert {alert["startsAt"] for alert in alerts} == {alerts[0]["startsAt"]}
    assert ms(alerts[-1]["endsAt"]) > manager.time()
    assert await states(manager) == [("opened", "sent", 1)]


async def test_it_is_not_repeated_directly_after_its_first_message_and_others_are_in_time(manager: Manager, hook: Receiver) -> None:
    await make(manager, hook, kind="alertmanager")
    for number in range(6):
        # A new one each minute: what fires already is repeated all the same.
        await tell(manager, event(manager, alert=f"01ALERT{number}"))
        await go(manager)
        assert len(hook.got) == number + 1 + sum(one["repeat"] for one in posts(hook)), number
        await go(manager, 60)
    repeated = [one for one in posts(hook) if one["repeat"]]
    assert 2 <= len(repeated) <= 3
    assert len(repeated[-1]["alerts"]) >= 4


def posts(hook: Receiver) -> list[dict[str, Any]]:
    """Which alerts were in each request, and whether all of them had been told of before."""
    known: set[str] = set()
    found = []
    for request in hook.got:
        alerts = {alert["generatorURL"] for alert in request.json}
        found.append({"alerts": alerts, "repeat": alerts <= known})
        known |= alerts
    return found


@pytest.mark.usefixtures("firing")
async def test_when_it_is_over_its_end_is_told_under_the_labels_it_had(manager: Manager, hook: Receiver) -> None:
    first = one_of(hook.got[0])
    manager.time.now += 60_000
    over = manager.time()
    await tell(manager, event(manager, "resolved", node_name="renamed", severity="warning", opened_at=over - 60_000))
    await go(manager)
    last = one_of(hook.got[-1])
    assert last["labels"] == first["labels"]
    assert ms(last["endsAt"]) == over
    for _ in range(20):
        await go(manager, REPEAT_MS / 1000)
        await manager.services.deliveries.forget(0, manager.time())
    assert all(ms(one_of(request)["endsAt"]) == over for request in hook.got[2:])
    count = len(hook.got)
    await go(manager, REPEAT_MS / 1000)
    assert len(hook.got) == count


@pytest.mark.usefixtures("firing")
async def test_a_repeat_that_fails_pauses_and_goes_on(manager: Manager, hook: Receiver, firing: str) -> None:
    hook.behave = [does.answers(503)]
    await go(manager, 2 * REPEAT_MS / 1000)
    assert (await manager.services.receivers.get(firing))["health"] == "failing"
    await go(manager, 2 * REPEAT_MS / 1000)
    assert (await manager.services.receivers.get(firing))["health"] == "fine"
    one_of(hook.got[-1])
