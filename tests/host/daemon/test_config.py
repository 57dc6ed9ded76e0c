"""daemon.yaml: the templates are good, and every mistake is one line with its code, file and place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from host.daemon import config_file
from host.daemon.config import Config, Manager, addresses, from_plain, to_plain
from host.lib.errors import ConfigError

ROOT = Path(__file__).parents[3]


def load(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "daemon.yaml"
    path.write_text(text)
    return config_file.load(path)


def test_everything_has_a_default_but_the_managers_address(tmp_path: Path) -> None:
    config = load(tmp_path, "manager: {address: 'ops.example.com:8443'}\n")
    assert addresses(config.manager.address) == [("ops.example.com", 8443)]
    assert config.collectors.disk.interval == 60
    assert config.agent.health_check.memory_threshold == 524288000
    assert config.supervisor_socket == Path("/run/ops-scaffold/supervisor.sock")
    assert addresses(load(tmp_path, "manager: {address: '[::1]:99'}\n").manager.address) == [("::1", 99)]


def test_a_configuration_survives_being_handed_to_the_running_process(tmp_path: Path) -> None:
    text = (
        "manager: {address: 'a:1', labels: {site: x}}\ncollectors: {disk: {mount_points: [/data], interval: 5m}}\ndaemon: {run_dir: /r}\n"
    )
    config = load(tmp_path, text)
    assert from_plain(to_plain(config)) == config


def test_the_packaged_template_is_good_also_with_every_line_in_force(tmp_path: Path) -> None:
    text = (ROOT / "packaging/host/daemon.yaml").read_text()
    load(tmp_path, text)
    in_force = []
    for line in text.splitlines():
        bare = re.sub(r"^(\s*)# (?=\s*(#|[a-z_]+:))", r"\1", line)
        if not re.match(r"\s*(enrolment_token_file|ca_file):", bare):
            in_force.append(bare)
    config = load(tmp_path, "\n".join(in_force))
    assert config.manager.labels == {"site": "berlin"}
    assert config.outbox.max_age == 7 * 86400


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("", "D1002", "manager.address is missing"),
        ("manager: {}\n", "D1002", "manager.address is missing"),
        ("manager: {address: 'a:1'}\ncollector: {}\n", "D1002", "daemon.yaml:2: unknown key collector"),
        ("manager:\n  address: a:1\n  token: x\n", "D1002", "daemon.yaml:3: unknown key manager.token"),
        (
            "manager: {address: 'a:1'}\ncollectors:\n  cpu:\n    interval: 9s\n",
            "D1002",
            "daemon.yaml:4: collectors.cpu.interval: 9 is not between 10 and 300",
        ),
        (
            "manager: {address: 'a:1'}\ncollectors:\n  cpu: {interval: soon}\n",
            "D1002",
            "daemon.yaml:3: collectors.cpu.interval: 'soon' is not a duration",
        ),
        ("manager: {address: 'a:1'}\ndaemon: {log_level: loud}\n", "D1002", "'loud' is unknown"),
        ("manager: {address: 'a:1'\n", "D1001", "daemon.yaml:2"),
        ("manager: {address: 'nowhere'}\n", "D1002", "'nowhere' is not host:port"),
        ("manager: {address: 'https://a:1'}\n", "D1002", "is not host:port"),
        ("manager: {address: 'bücher.example:1'}\n", "D1002", "is not host:port"),
        ("manager: {address: 'a:1', enrolment_token: x, enrolment_token_file: y}\n", "D1002", "are both given"),
        ("manager: {address: 'a:1'}\nagent: {url: 'http://127.0.0.1:1'}\n", "D1002", "is not an https:// address"),
        ("manager: {address: 'a:1'}\ndaemon: {work_dir: here}\n", "D1002", "is not an absolute path"),
        ("manager: {address: 'a:1'}\ndaemon: {run_dir: /" + "r" * 110 + "}\n", "D1002", "a Unix socket may have 107"),
    ],
)
def test_a_mistake_is_one_line_with_code_and_place(tmp_path: Path, text: str, code: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    line = str(caught.value)
    assert line.startswith(f"{code} {tmp_path}/daemon.yaml")
    assert words in line
    assert "\n" not in line
    assert " — " in line


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"D1001 .*No such file"):
        config_file.load(tmp_path / "none.yaml")


def test_a_token_is_never_shown() -> None:
    assert "secret" not in repr(from_plain(to_plain(Config(Manager("a:1", enrolment_token="secret")))))
