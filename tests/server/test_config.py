"""The manager's configuration: every mistake is one line that names it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from server.config import Config, address, load
from server.errors import ConfigError
from server.keys import open_keys
from server.listen import bind
from tests.conftest import DAY, START


def write(folder: Path, text: str) -> Path:
    file = folder / "manager.yaml"
    file.write_text(text)
    return file


def test_without_a_file_everything_has_its_default() -> None:
    assert load(None, {}) == Config()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("web_lisen: x", r"manager.yaml:1: unknown key web_lisen; known: .*web_listen"),
        ("# a\npoll_wait: soon", r"poll_wait"),
        ("poll_wait: 900", r"poll_wait must be 1 to 60"),
        ("offline_after: 10", r"offline_after"),
        ("web_listen: 9443", r"web_listen"),
        ("web_listen: '0.0.0.0:9443'\nweb_tls: false", r"loopback only"),
        ("log_level: loud", r"log_level"),
        ("session_hours: 0", r"session_hours"),
        ("- a", r"keys and values"),
        ("a: [", r"manager.yaml:\d: not valid YAML"),
        ("public_names: []", r"public_names"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(write(tmp_path, text), {})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.yaml", {})


def test_the_environment_gives_the_database(tmp_path: Path) -> None:
    config = load(write(tmp_path, "database_url: sqlite:///a"), {"OPS_DATABASE_URL": "mysql://u@h/d"})
    assert config.url == "mysql://u@h/d"


def test_addresses_may_be_ipv6() -> None:
    assert address("[::1]:8443", "x") == ("::1", 8443)


def test_a_taken_port_is_one_clear_line() -> None:
    taken = bind("127.0.0.1", 0, "node_listen")
    with pytest.raises(ConfigError, match="free the port or change node_listen"):
        bind("127.0.0.1", taken.getsockname()[1], "node_listen")
    taken.close()


def test_keys_are_made_closed_and_kept(tmp_path: Path) -> None:
    first = open_keys(tmp_path / "keys", ["localhost"], START)
    again = open_keys(tmp_path / "keys", ["localhost"], START)
    assert (first.seals.token("x"), first.ca_pin) == (again.seals.token("x"), again.ca_pin)
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in [tmp_path / "keys", *(tmp_path / "keys").iterdir()])


def test_the_manager_does_not_start_on_keys_that_others_may_read(tmp_path: Path) -> None:
    open_keys(tmp_path / "keys", ["localhost"], START)
    (tmp_path / "keys/master.secret").chmod(0o640)
    with pytest.raises(ConfigError, match="others may read it"):
        open_keys(tmp_path / "keys", ["localhost"], START)


def test_a_damaged_key_is_named_and_not_replaced(tmp_path: Path) -> None:
    open_keys(tmp_path / "keys", ["localhost"], START)
    (tmp_path / "keys/master.secret").write_text("oops")
    with pytest.raises(ConfigError, match="damaged"):
        open_keys(tmp_path / "keys", ["localhost"], START)


@pytest.mark.parametrize(("names", "days", "same"), [(["localhost"], 300, True), (["localhost"], 380, False), (["ops.example"], 0, False)])
def test_the_servers_certificate_is_renewed_in_time_and_when_its_names_change(
    tmp_path: Path, names: list[str], days: int, same: bool
) -> None:
    before = open_keys(tmp_path / "keys", ["localhost"], START).server_files[0].read_bytes()
    after = open_keys(tmp_path / "keys", names, START + days * DAY).server_files[0].read_bytes()
    assert (before == after) is same


def test_every_node_has_a_dispatch_key_of_its_own(tmp_path: Path) -> None:
    keys = open_keys(tmp_path / "keys", ["localhost"], START)
    assert keys.dispatch_key("a") != keys.dispatch_key("b")
    assert keys.dispatch_key("a") == keys.dispatch_key("a")
