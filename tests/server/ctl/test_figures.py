"""`opsctl nodes metrics`: figures over time, summed up as text and whole as the API's data."""

from __future__ import annotations

from tests.server.api.harness import Manager
from tests.server.ctl.opsctl import Opsctl


def test_figures_over_time_are_summed_up_of_a_node_and_of_its_parts(manager: Manager, vic: Opsctl) -> None:
    host = manager.host("measured-1")
    for number, percent in enumerate((10.0, 20.0, 60.0)):
        cpu = {"percent": percent, "user": 1.0, "system": 1.0, "idle": 1.0, "cores": [percent + n for n in range(8)]}
        plugin = {"plugin": "mail", "name": "held", "value": float(number), "unit": "mails"}
        host.tells("sample", {"took_ms": 1.0, "cpu": cpu, "plugins": [plugin]})
        manager.clock.now += 60_000
    span = ("--since", str(manager.clock.now - 3_600_000), "--until", str(manager.clock.now))
    lines = vic("nodes", "metrics", "measured-1", *span).out.decode().splitlines()
    assert lines[0].split() == ["FIGURE", "LATEST", "MEAN", "HIGHEST", "POINTS"]
    assert lines[1].split() == ["cpu_usage", "60", "%", "30", "%", "60", "%", "3"]
    assert lines[2].split() == ["mail/held", "2", "mails", "1", "mails", "2", "mails", "3"]
    cores = vic.here("nodes", "metrics", "measured-1", "--of", "cores", *span)
    assert [line.split()[0] for line in cores.out.decode().splitlines()[1:]] == ["2", "3", "4", "5", "6", "7"]
    assert "not shown: 0, 1; name those that you want with --name" in cores.err
    chosen = vic.here("nodes", "metrics", "measured-1", "--of", "cores", "--name", "0", "--name", "7", *span, "--json").data
    assert [(line["name"], line["points"][-1]["value"]) for line in chosen["lines"]] == [("0", 60.0), ("7", 67.0)]
    nothing = vic.here("nodes", "metrics", "measured-1", "--of", "gpus", "--range", "24h")
    assert (nothing.code, "nothing was measured" in nothing.err) == (0, True)
    assert vic.here("nodes", "metrics", "measured-1", "--name", "0").code == 2
    assert vic.here("nodes", "metrics", "measured-1", "--range", "2h").code == 2
    assert vic.here("nodes", "metrics", "nobody").code == 1


def test_the_log_of_a_host_is_narrowed_by_time_and_says_how_to_go_on(manager: Manager, vic: Opsctl) -> None:
    host = manager.host("logged-1")
    start = manager.clock.now
    for number in range(4):
        host.logs(f"slow {number}")
        manager.clock.now += 1000
    part = vic.here("log", "--node", "logged-1", "--since", str(start + 1000), "--until", str(start + 3000))
    assert [line[-1] for line in part.out.decode().splitlines()[1:]] == ["2", "1"]
    first = vic.here("log", "--node", "logged-1", "--limit", "3")
    cursor = first.err.strip().removeprefix("older ones: --before ")
    assert [line[-1] for line in vic.here("log", "--node", "logged-1", "--before", cursor).out.decode().splitlines()[1:]] == ["0"]
