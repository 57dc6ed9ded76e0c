"""`opsctl windows`, and commands that wait for one."""

from __future__ import annotations

from tests.server.api.harness import Manager
from tests.server.ctl.opsctl import Opsctl


def test_a_window_is_made_looked_at_skipped_switched_and_deleted(manager: Manager, ada: Opsctl, vic: Opsctl) -> None:
    manager.host("ctl-1")
    given = (
        "windows",
        "make",
        "ctl nights",
        "--select",
        "name=ctl-1",
        "--start",
        "2026-11-20T02:30",
        "--for",
        "2h",
        "--zone",
        "Europe/Berlin",
    )
    tried = ada.here(*given, "--every", "week", "--on", "sun", "--try")
    assert (tried.code, tried.out) == (0, b"")
    assert "opens 2026-11-22 02:30 to 2026-11-22 04:30 Europe/Berlin" in tried.err
    assert "1 nodes: ctl-1" in tried.err
    assert "comes twice" in tried.err
    made = ada.here(*given, "--every", "week", "--on", "sun")
    assert made.code == 0, made.err
    window = made.out.decode().strip()
    assert ada.here("windows", "skip", "ctl nights", "2026-11-22").code == 0
    text = vic.here("windows", "list").out.decode()
    assert "2026-11-29 02:30" in text
    assert window in text
    assert "opens for commands  yes" in vic.here("windows", "show", window).out.decode()
    assert vic.here("windows", "switch", "ctl nights", "off").code == 4
    assert ada.here("windows", "switch", "ctl nights", "off").code == 0
    assert ada.here("windows", "end", "ctl nights").code == 1
    assert ada.here("windows", "delete", "ctl nights").code == 0
    assert ada.here("windows", "show", "ctl nights").code == 1


def test_a_month_takes_a_day_the_last_or_a_weekday_of_it(manager: Manager, ada: Opsctl) -> None:
    for on, opens in (("15", "2026-12-15"), ("last", "2026-11-30"), ("2.tue", "2026-12-08"), ("last.fri", "2026-11-27")):
        given = (
            "windows",
            "make",
            "x",
            "--select",
            "all",
            "--start",
            "2026-11-19T22:00",
            "--for",
            "30m",
            "--every",
            "month",
            "--on",
            on,
            "--try",
        )
        assert f"opens {opens} 22:00" in ada.here(*given).err, on
    assert ada.here(*given[:-2], "9.x", "--try").code == 2


def test_a_command_that_waits_says_for_what(manager: Manager, ada: Opsctl) -> None:
    manager.host("ctl-2")
    none = ada.here("run", "ctl-2", "--in-window", "--no-wait", "--", "true")
    assert none.code == 2
    assert "no maintenance window that opens for commands covers it" in none.err
    ada.here(
        "windows", "make", "ctl two", "--select", "name=ctl-2", "--start", "2026-11-20T02:00", "--for", "1h", "--zone", "Asia/Shanghai"
    )
    done = ada.here("run", "ctl-2", "--in-window", "3d", "--no-wait", "--", "true")
    assert done.code == 0, done.err
    assert "ctl-2 waits for window ctl two, opens 2026-11-20 02:00 Asia/Shanghai" in done.err
    assert "waits for window ctl two" in ada.here("output", done.out.decode().strip()).err
    listed = ada.here("commands", "--node", "ctl-2").out.decode()
    assert "waits for a maintenance window" in listed
