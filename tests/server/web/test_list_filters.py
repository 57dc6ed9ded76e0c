"""What the pages' lists are narrowed down by: it stands in the address, survives paging, can be taken away, and a wrong one is told."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest

from server.service.alert_drafts import Draft
from server.service.receivers import Change
from server.service.windows import Wanted
from server.web import deliveries as pages_of_deliveries
from tests.conftest import DAY, Manager
from tests.server.web.conftest import Visitor

HOUR = 3_600_000
HOOK = {"url": "https://hooks.example.com/x"}
FRAGMENT = {"HX-Request": "true"}


def links(text: str) -> list[dict[str, str]]:
    """The addresses of chips that take a part of the filter away."""
    found = re.findall(r'class="chip-x" href="([^"]+)"', text)
    return [{name: values[0] for name, values in parse_qs(urlsplit(unescape(one)).query).items()} for one in found]


def names(text: str) -> set[str]:
    return set(re.findall(r'class="name"><a href="[^"]+">([^<]+)</a>', text))


async def seen(visit: Visitor, path: str) -> set[str]:
    answer = await visit.get(path)
    assert answer.status_code == 200, (path, answer.text[-400:])
    assert answer.text.count('aria-current="true"') >= 2, path
    return names((await visit.get(path, **FRAGMENT)).text)


async def test_rules_are_narrowed_down_by_text_kind_severity_and_whether_they_are_on(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    assert "Nothing is watched" in (await visit.get("/rules")).text
    make, now = manager.services.alert_rules.make, manager.time()
    await make(manager.admin, Draft("CPU busy", "metric", "name=prod-1", "cpu_usage", threshold="90%", severity="critical"), now)
    await make(manager.admin, Draft("Gone", "offline", "all", threshold="5m"), now)
    await make(manager.admin, Draft("Quiet", "offline", "all", threshold="5m", enabled=False), now)
    for query, expected in (
        ("", {"CPU busy", "Gone", "Quiet"}),
        ("kind=offline", {"Gone", "Quiet"}),
        ("kind=offline&enabled=false", {"Quiet"}),
        ("enabled=true", {"CPU busy", "Gone"}),
        ("severity=critical", {"CPU busy"}),
        ("q=NAME%3Dprod", {"CPU busy"}),
        ("q=cpu&enabled=true&severity=critical&kind=metric", {"CPU busy"}),
    ):
        assert await seen(visit, f"/rules?{query}") == expected, query
    page = (await visit.get("/rules?q=cpu&severity=critical&enabled=false")).text
    assert "No rule matches" in page
    assert links(page) == [
        {"severity": "critical", "enabled": "false"},
        {"q": "cpu", "enabled": "false"},
        {"q": "cpu", "severity": "critical"},
    ]
    assert '<input type="hidden" name="severity" value="critical">' in page


async def test_receivers_are_narrowed_down_by_text_kind_health_and_whether_they_are_on(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    make, now = manager.services.receivers.make, manager.time()
    await make(manager.admin, "webhook", Change(name="pager", settings=HOOK, selector="name=prod-1"), now)
    await make(manager.admin, "alertmanager", Change(name="central", settings={"url": "https://am.example.com"}), now)
    await make(manager.admin, "webhook", Change(name="old", settings=HOOK, enabled=False), now)
    for query, expected in (
        ("", {"pager", "central", "old"}),
        ("kind=webhook", {"pager", "old"}),
        ("health=off", {"old"}),
        ("health=untried&kind=webhook", {"pager"}),
        ("enabled=true", {"pager", "central"}),
        ("q=PROD", {"pager"}),
    ):
        assert await seen(visit, f"/receivers?{query}") == expected, query
    page = (await visit.get("/receivers?q=nobody&kind=chat")).text
    assert "No receiver matches" in page
    assert links(page) == [{"kind": "chat"}, {"q": "nobody"}]


async def test_windows_are_narrowed_down_in_the_list_and_in_the_calendar(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    make, now = manager.services.windows.make, manager.time()
    start = datetime.fromtimestamp(now / 1000 - 600, timezone.utc).strftime("%Y-%m-%dT%H:%M")
    await make(manager.admin, Wanted("Open one", "kernel", "name=prod-1", {"start": start, "minutes": 60}, "UTC"), now)
    later = datetime.fromtimestamp(now / 1000 + 7200, timezone.utc).strftime("%Y-%m-%dT%H:%M")
    await make(manager.admin, Wanted("Later one", "", "name=test-1", {"start": later, "minutes": 60}, "UTC"), now)
    await make(manager.admin, Wanted("Off one", "", "all", {"start": later, "minutes": 60}, "UTC", enabled=False), now)
    for query, expected in (
        ("", {"Open one", "Later one", "Off one"}),
        ("open=true", {"Open one"}),
        ("open=false", {"Later one", "Off one"}),
        ("open=false&enabled=true", {"Later one"}),
        ("q=KERNEL", {"Open one"}),
    ):
        assert await seen(visit, f"/windows?{query}") == expected, query
    calendar = (await visit.get("/windows?view=week&zone=UTC&open=true")).text
    assert "Open one" in calendar
    assert "Later one" not in calendar
    assert links(calendar) == [{"view": "week", "zone": "UTC"}]
    assert re.search(r'href="/windows\?[^"]*open=true[^"]*at=', calendar), "the filter gets lost by turning to the next week"
    assert "No window matches" in (await visit.get("/windows?q=nothing&view=month")).text


async def deliveries(manager: Manager, count: int) -> list[str]:
    """A rule that opens on so many nodes, told to two receivers; the receivers' ids."""
    made = [
        (await manager.services.receivers.make(manager.admin, "webhook", Change(name=name, settings=HOOK), manager.time()))[0]
        for name in ("pager", "second")
    ]
    draft = Draft("Agents", "agent-failed", "all")
    await manager.services.alert_rules.make(manager.admin, draft, manager.time())
    for number in range(count):
        node = await manager.enrol(f"n-{number}")
        await manager.report(node, "urgent", (1, "state", {"state": "failed", "reason": "it ends at once", "restarts": 5}))
    await manager.services.alert_watch.tick(manager.time())
    return made


async def test_deliveries_keep_every_filter_on_the_next_page(visit: Visitor, manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages_of_deliveries, "PAGE", 4)
    await visit.sign_in("admin")
    pager, second = await deliveries(manager, 5)
    total = lambda text: int(re.search(r"([\d,]+) deliver", text)[1])  # type: ignore[index] # noqa: E731
    everything = (await visit.get("/deliveries")).text
    assert total(everything) == 10
    page = (await visit.get(f"/deliveries?receiver={pager}&kind=opened&state=waiting&range=24h")).text
    assert total(page) == 5
    onward = re.search(r'rel="next" href="([^"]+)"', page)
    assert onward is not None
    assert parse_qs(urlsplit(unescape(onward[1])).query).keys() == {"page", "receiver", "kind", "state", "range"}
    assert len(names((await visit.get(unescape(onward[1]), **FRAGMENT)).text)) == 1
    assert len(links(page)) == 4
    assert "Receiver: pager" in page
    assert total((await visit.get(f"/deliveries?receiver={second}&kind=resolved")).text) == 0
    assert "No delivery matches" in (await visit.get("/deliveries?kind=test")).text


async def test_deliveries_of_a_night(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    await deliveries(manager, 1)
    at = manager.time()
    manager.time.now += 3 * DAY
    await visit.sign_in("admin")
    for query, found in (
        (f"from={at - HOUR}&until={at + HOUR}", True),
        (f"from={at - 2 * HOUR}&until={at - HOUR}", False),
        ("range=24h", False),
    ):
        text = (await visit.get(f"/deliveries?{query}")).text
        assert ("2 deliveries" in text) == found, query
        assert ("No delivery matches" in text) != found, query


async def test_the_log_of_a_night_page_by_page(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    node, start = await manager.enrol("web-1"), manager.time()
    for seq in range(1, 131):
        body = {"component": "daemon", "level": "ERROR", "logger": "link", "message": f"line {seq} of the night"}
        await manager.report(node, "bulk", (seq, "log", body))
        manager.time.now += 60_000
    manager.time.now += 5 * DAY
    await visit.sign_in("admin")
    night = f"/log?q=night&from={start}&until={start + 119 * 60_000}"
    first = (await visit.get(night)).text
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older is not None
    second = (await visit.get(unescape(older[1]))).text
    found = [int(one) for one in re.findall(r"line (\d+) of the night", first) + re.findall(r"line (\d+) of the night", second)]
    assert found == list(range(120, 0, -1))
    assert 'data-refresh="0"' in first
    assert {"q": "night"} in links(first)
    assert "No line fits" in (await visit.get("/log?range=24h")).text
    assert "line 130" in (await visit.get("/log?range=7d")).text
    assert 'data-refresh="30"' in (await visit.get("/log?range=7d")).text


WRONG = (
    ("/rules?kind=gossip", "kind: 'gossip' is unknown; use one of "),
    ("/rules?severity=grave", "severity: 'grave' is unknown; use one of "),
    ("/rules?enabled=maybe", "enabled: 'maybe' is unknown; use one of true, false"),
    ("/receivers?kind=pigeon", "kind: 'pigeon' is unknown; use one of "),
    ("/receivers?health=well", "health: 'well' is unknown; use one of "),
    ("/receivers?enabled=1", "enabled: '1' is unknown; use one of true, false"),
    ("/windows?open=ajar", "open: 'ajar' is unknown; use one of true, false"),
    ("/windows?view=year", "view: 'year' is unknown; use one of "),
    ("/deliveries?state=lost", "state: 'lost' is unknown; use one of "),
    ("/deliveries?kind=gossip", "kind: 'gossip' is unknown; use one of "),
    ("/deliveries?range=99y", "range: '99y' is unknown; use one of "),
    ("/log?range=99y", "range: '99y' is unknown; use one of "),
    ("/deliveries?from=yesterday", "from: 'yesterday' is no moment; write it such as "),
    ("/log?from=yesterday", "from: 'yesterday' is no moment; write it such as "),
    ("/log?until=2026-01-01", "from: say when the range begins"),
    ("/log?from=2027-01-01T10:00Z&until=2027-01-01T09:00Z", "until: at least a minute after the begin"),
)


@pytest.mark.parametrize(("path", "said"), WRONG)
async def test_a_wrong_value_is_one_message_with_its_mend_in_both_languages(visit: Visitor, path: str, said: str) -> None:
    await visit.sign_in("admin")
    answer = await visit.get(path)
    assert answer.status_code == 400
    assert unescape(answer.text).count(said) == 1
    chinese = await visit.get(path, **{"Accept-Language": "zh"})
    assert chinese.status_code == 400
    assert said not in unescape(chinese.text), "it is not translated"
