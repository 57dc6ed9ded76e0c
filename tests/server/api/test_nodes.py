"""Nodes as the API shows them."""

from __future__ import annotations

import pytest

from tests.server.api.harness import Api, Manager


def names(api: Api, query: str) -> list[str]:
    return [item["name"] for item in api.data("GET", f"/api/v1/nodes?{query}")["items"]]


def test_the_list_filters_by_name_tag_and_state_and_comes_in_pages(manager: Manager, viewer: Api) -> None:
    for number in range(3):
        manager.host(f"list-{number}", {"room": f"r_{number}"})
    assert names(viewer, "q=LIST-") == ["list-0", "list-1", "list-2"]
    assert names(viewer, "q=r_1") == ["list-1"]
    assert names(viewer, "q=list-&state=online") == []
    page = viewer.data("GET", "/api/v1/nodes?q=list-&page=2&size=2")
    assert ([item["name"] for item in page["items"]], page["total"], page["page"], page["size"]) == (["list-2"], 3, 2, 2)
    assert page["items"][0]["tags"] == {"room": "r_2"}
    assert names(viewer, "q=%25") == []
    assert names(viewer, "q=!") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page=0", "page"),
        ("page=x", "page"),
        ("page=-1", "page"),
        ("page=1.5", "page"),
        ("page=9999999999999999999999", "page"),
        ("page=%D9%A3", "page"),
        ("size=0", "size"),
        ("size=501", "size"),
        ("state=gone", "state"),
    ],
)
def test_a_number_that_cannot_be_used_is_named(viewer: Api, query: str, field: str) -> None:
    status, code, at, message = viewer.refusal("GET", f"/api/v1/nodes?{query}")
    assert (status, code, at) == (400, 1001, field)
    assert message.startswith(f"{field}:")


def test_one_node_shows_facts_tags_metrics_and_agent(manager: Manager, viewer: Api) -> None:
    host = manager.host("whole", {"env": "prod"})
    host.measures(33.0)
    host.speaks_of_its_agent()
    node = viewer.data("GET", f"/api/v1/nodes/{host.id}")
    assert (node["name"], node["facts"]["os"], node["tags"]) == ("whole", "Debian 12", {"env": "prod"})
    assert (node["metrics"]["cpu"]["percent"], node["agent"]["state"]) == (33.0, "running")
    assert "fingerprint" not in node
    assert viewer.data("GET", f"/api/v1/nodes/{host.id}/agent")["pid"] == 4711


def test_metrics_are_given_for_a_span_of_time(manager: Manager, viewer: Api) -> None:
    host = manager.host("measured")
    host.measures(10.0)
    manager.clock.now += 60_000
    host.measures(20.0)
    path = f"/api/v1/nodes/{host.id}/metrics"
    assert [point["cpu_usage"] for point in viewer.data("GET", path)["points"]] == [10.0, 20.0]
    since = manager.clock.now - 1000
    assert [point["cpu_usage"] for point in viewer.data("GET", f"{path}?since={since}")["points"]] == [20.0]
    assert viewer.refusal("GET", f"{path}?since=2&until=1")[:3] == (400, 1001, "since")
    assert viewer.refusal("GET", f"{path}?until=soon")[:3] == (400, 1001, "until")
    assert viewer.refusal("GET", f"{path}?since=99999999999999999")[:3] == (400, 1001, "since")


def test_what_plugins_measured_comes_with_the_metrics_and_stands_in_the_newest_picture(manager: Manager, viewer: Api) -> None:
    host = manager.host("with-plugins")
    metrics = [{"plugin": "mail", "name": name, "value": value, "unit": "mails"} for name, value in (("sent", 3.0), ("held", 0.5))]
    host.tells("sample", {"took_ms": 1.0, "plugins": metrics, "processes": 7, "process_states": {"running": 7}})
    series = viewer.data("GET", f"/api/v1/nodes/{host.id}/metrics")["plugins"]
    assert [(row["plugin"], row["name"], row["value"], row["unit"], row["at"]) for row in series] == [
        ("mail", "held", 0.5, "mails", manager.clock.now),
        ("mail", "sent", 3.0, "mails", manager.clock.now),
    ]
    assert viewer.data("GET", f"/api/v1/nodes/{host.id}/metrics?since=1&until=2")["plugins"] == []
    node = viewer.data("GET", f"/api/v1/nodes/{host.id}")["metrics"]
    assert (node["plugins"], node["process_states"]) == (metrics, {"running": 7})


def test_a_long_range_comes_as_means_with_their_peaks_and_says_the_step(manager: Manager, viewer: Api) -> None:
    host = manager.host("watched-for-long")
    manager.clock.now = manager.clock.now // 3_600_000 * 3_600_000
    for percent in (10.0, 90.0):
        host.measures(percent)
        manager.clock.now += 60_000
    path = f"/api/v1/nodes/{host.id}/metrics?since=0"
    week = viewer.data("GET", path)
    assert week["step"] == 25 * 3_600_000  # two years of hours in at most 720 points
    assert [(point["cpu_usage"], point["cpu_usage_most"]) for point in week["points"]] == [(50.0, 90.0)]
    assert [point["cpu_usage"] for point in viewer.data("GET", f"{path}&step=1")["points"]] == [10.0, 90.0]
    assert viewer.refusal("GET", f"{path}&step=0")[:3] == (400, 1001, "step")


def test_a_range_by_name_goes_back_from_now_or_from_an_end(manager: Manager, viewer: Api) -> None:
    host = manager.host("ranged")
    host.measures(10.0)
    path = f"/api/v1/nodes/{host.id}/metrics"
    now, day = manager.clock.now, 86_400_000
    for query, since, until in ((f"range=24h&until={now}", now - day, now), (f"range=1y&until={now}", now - 365 * day, now)):
        found = viewer.data("GET", f"{path}?{query}")
        assert (found["since"], found["until"]) == (since, until)
    assert viewer.refusal("GET", f"{path}?range=24h&since=1")[:3] == (400, 1001, "range")
    assert viewer.refusal("GET", f"{path}?range=2h")[:3] == (400, 1001, "range")


def test_an_hour_of_which_there_are_no_samples_any_more_comes_from_the_roll_ups(manager: Manager, viewer: Api) -> None:
    host = manager.host("long-ago")
    path = f"/api/v1/nodes/{host.id}/metrics?range=1h&until="
    now, day = manager.clock.now, 86_400_000
    steps = [viewer.data("GET", f"{path}{now - days * day}")["step"] for days in (0, 29, 31, 89, 91)]
    assert steps == [1, 1, 300_000, 300_000, 3_600_000]


def test_what_happened_to_a_node_in_a_range_comes_as_spans_and_moments(manager: Manager, viewer: Api) -> None:
    host = manager.host("marked")
    started = manager.clock.now - 60_000
    host.tells("health", {"started": started, "address": "manager:8443"})
    path = f"/api/v1/nodes/{host.id}/marks"
    found = viewer.data("GET", f"{path}?range=1h")
    start = [{"kind": "start", "since": started, "until": started}]
    assert [{name: mark[name] for name in ("kind", "since", "until")} for mark in found["marks"]] == start
    assert found["more"] == []
    assert viewer.data("GET", f"{path}?since=1&until=2")["marks"] == []


def test_each_mount_over_time_or_those_that_were_chosen(manager: Manager, viewer: Api) -> None:
    host = manager.host("with-mounts")
    mounts = [
        {"mount": name, "device": "/dev/x", "fstype": "xfs", "total": 9, "used": 1, "free": 8, "percent": share}
        for name, share in (("/", 10.0), ("/var", 30.0))
    ]
    host.tells("sample", {"took_ms": 1.0, "disks": mounts})
    path = f"/api/v1/nodes/{host.id}/metrics/mounts"
    found = viewer.data("GET", f"{path}?range=24h")
    assert (found["names"], found["step"]) == (["/", "/var"], 300_000)
    assert [(line["name"], line["figure"], line["unit"], line["points"][0]["value"]) for line in found["lines"]] == [
        ("/", "used", "%", 10.0),
        ("/var", "used", "%", 30.0),
    ]
    assert [line["name"] for line in viewer.data("GET", f"{path}?name=/var&name=/gone")["lines"]] == ["/var"]
    assert found["kept_since"] <= manager.clock.now - 729 * 86_400_000, "as long as roll-ups of an hour"
    week = viewer.data("GET", f"{path}?range=7d&step=60000")
    assert (week["step"], [line["name"] for line in week["lines"]]) == (3_600_000, ["/", "/var"]), "beyond a day it is made of hours"
    assert viewer.data("GET", f"{path}?since=1&until=2")["lines"] == []
    assert viewer.refusal("GET", f"/api/v1/nodes/{host.id}/metrics/fans")[0] == 404
    assert viewer.refusal("GET", path + "?" + "&".join(f"name={n}" for n in range(65)))[:3] == (400, 1001, "name")


def test_the_log_shows_what_the_host_warned_of(manager: Manager, viewer: Api) -> None:
    host = manager.host("warned")
    host.logs("the disk is slow")
    log = viewer.data("GET", f"/api/v1/nodes/{host.id}/log")
    assert [line["message"] for line in log["lines"]] == ["the disk is slow"]
    assert (log["dropped"], log["next"], log["searched_to"]) == ([], "", None)


def test_the_log_of_a_node_is_searched_narrowed_and_paged_as_that_of_all(manager: Manager, viewer: Api) -> None:
    host = manager.host("chatty")
    start = manager.clock.now
    for number in range(5):
        host.logs(f"the disk is slow ({number})")
        manager.clock.now += 1000
    path = f"/api/v1/nodes/{host.id}/log"

    def messages(query: str, of: str = path) -> list[str]:
        return [line["message"][-2] for line in viewer.data("GET", f"{of}?{query}")["lines"]]

    for query, found in (
        ("size=2", "43"),
        ("q=(3)", "3"),
        ("level=critical", ""),
        (f"since={start + 1000}&until={start + 3000}", "21"),
        (f"before={start + 1000}", "0"),
    ):
        assert messages(query) == list(found)
        assert messages(f"{query}&node={host.id}", "/api/v1/log") == list(found)
    first = viewer.data("GET", f"{path}?size=3")
    assert messages(f"size=3&before={first['next']}") == ["1", "0"]
    assert viewer.refusal("GET", f"{path}?since=2&until=1")[:3] == (400, 1001, "since")
    assert viewer.refusal("GET", f"{path}?before=x")[:3] == (400, 1001, "before")
    assert viewer.refusal("GET", f"{path}?size=501")[:3] == (400, 1001, "size")


@pytest.mark.parametrize("path", ["", "/metrics", "/metrics/cores", "/marks", "/agent", "/log"])
@pytest.mark.parametrize("node_id", ["01JZZZZZZZZZZZZZZZZZZZZZZZ", "%00", "..%2f", "' OR 1=1", "节点", "x" * 3000])
def test_an_unknown_node_is_2001(viewer: Api, node_id: str, path: str) -> None:
    status, code, _, _ = viewer.refusal("GET", f"/api/v1/nodes/{node_id}{path}")
    assert status == 404
    assert code in (2001, 1001)


def test_a_retired_node_leaves_the_list_and_what_waited_for_it_is_canceled(manager: Manager, admin: Api) -> None:
    host = manager.host("old")
    command = admin.data("POST", "/api/v1/commands", json={"nodes": [host.id], "content": {"script": "true"}})["commands"][host.id]
    assert admin.data("DELETE", f"/api/v1/nodes/{host.id}") == {"state": "retired"}
    assert names(admin, "q=old") == []
    assert names(admin, "q=old&state=retired") == ["old"]
    assert admin.data("GET", f"/api/v1/commands/{command}")["state"] == "canceled"
    assert admin.refusal("POST", "/api/v1/commands", json={"nodes": [host.id], "content": {"script": "true"}})[:3] == (409, 1001, "nodes")
    assert admin.refusal("DELETE", "/api/v1/nodes/nope")[:2] == (404, 2001)


def test_a_filter_is_exported_whole_as_json_and_as_csv(manager: Manager, viewer: Api) -> None:
    for number in range(3):
        manager.host(f"export-{number}", {"note": "=1+1"})
    listed = viewer.send("GET", "/api/v1/nodes/export.json?q=export-&sort=-name").json()
    assert [item["name"] for item in listed] == ["export-2", "export-1", "export-0"]
    assert listed[0]["tags"] == {"note": "=1+1"}
    answer = viewer.send("GET", "/api/v1/nodes/export.csv?select=name:export-*")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="nodes.csv"'
    assert [line.split(",")[0] for line in answer.text.split("\r\n")] == ["name", "export-0", "export-1", "export-2", ""]
    assert viewer.refusal("GET", "/api/v1/nodes/export.csv?page=2")[2] == "page"
    assert viewer.refusal("GET", "/api/v1/nodes/export.json?select=nme:x")[2] == "select"
