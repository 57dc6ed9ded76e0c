"""This host's own word: it holds whatever the manager says, and a file that cannot be trusted refuses everything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from host.daemon import order_policy
from host.lib import policy_file
from host.lib.errors import ConfigError
from host.lib.policy import Policy

ROOT = Path(__file__).parents[3]
SCRIPT = ("script",)


def policy(tmp_path: Path, text: str | None, mode: int = 0o600) -> Policy:
    path = tmp_path / "policy.yaml"
    if text is not None:
        path.write_text(text)
        path.chmod(mode)
    return Policy(path, policy_file.read, os.geteuid())


@pytest.mark.parametrize(
    ("text", "asked", "words"),
    [
        ("refuse: {kinds: [script]}", (SCRIPT,), "refuses the kind script"),
        ("refuse: {kinds: [daemon]}", (("configure", "daemon"),), "refuses the kind configure"),
        ("refuse: {kinds: [configure]}", (("collect", "daemon"),), ""),
        ("refuse: {interpreters: [python]}", (SCRIPT, "python"), "refuses the interpreter python"),
        ("refuse: {interpreters: [python]}", (SCRIPT, "shell"), ""),
        ("refuse: {users: [root]}", (SCRIPT, "shell", "root"), "refuses the user root"),
        ("refuse: {paths: [/etc]}", (SCRIPT, "shell", "ops", "/etc/cron.d"), "refuses the working folder /etc/cron.d"),
        ("refuse: {paths: [/etc]}", (SCRIPT, "shell", "ops", "/usr/../etc"), "refuses the working folder"),
        ("refuse: {paths: [/etc]}", (SCRIPT, "shell", "ops", "/etcetera"), ""),
        ("refuse: {paths: [/]}", (SCRIPT, "shell", "ops", "/tmp"), "refuses"),
        ("only: {kinds: [script]}", (("collect", "daemon"),), "refuses the kind collect"),
        ("only: {kinds: [script]}", (SCRIPT, "python", "root", "/"), ""),
        ("only: {paths: [/srv]}", (SCRIPT, "shell", "ops", "/"), "refuses"),
        ("only: {interpreters: [shell], users: [ops]}", (SCRIPT, "shell", "root"), "refuses the user root"),
        ("only: {kinds: [script]}\nrefuse: {kinds: [script]}", (SCRIPT,), "refuses"),
        ("", (SCRIPT, "python", "root", "/"), ""),
    ],
)
def test_the_rules(tmp_path: Path, text: str, asked: tuple[str, ...], words: str) -> None:
    reason = policy(tmp_path, text).reason(*asked)  # type: ignore[arg-type]
    assert words in reason if words else reason == ""


def test_a_link_does_not_lead_around_it(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    assert "refuses" in policy(tmp_path, "refuse: {paths: [/etc]}").reason(SCRIPT, "shell", "ops", str(tmp_path / "link"))


def test_without_a_file_nothing_is_refused(tmp_path: Path) -> None:
    assert policy(tmp_path, None).reason(SCRIPT, "python", "root", "/") == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("refuse: {kind: [script]}", "unknown key refuse.kind"),
        ("refuse: [", "policy.yaml:"),
        ("refuse: {paths: [etc]}", "not an absolute path"),
        ("refuse: {kinds: script}", "is not a list"),
        ("\x00", "policy.yaml"),
    ],
)
def test_a_file_that_makes_no_sense_refuses_everything_and_says_why(tmp_path: Path, text: str, words: str) -> None:
    reason = policy(tmp_path, text).reason(("anything",))
    assert "everything is refused" in reason
    assert words in reason


def test_a_file_that_somebody_else_could_have_written_refuses_everything(tmp_path: Path) -> None:
    assert "others than its owner can write it" in policy(tmp_path, "", 0o620).reason(SCRIPT)
    assert "others than its owner can write it" in policy(tmp_path, "", 0o602).reason(SCRIPT)
    one = policy(tmp_path, "")
    assert one.reason(SCRIPT) == ""
    tmp_path.chmod(0o777)
    assert "others than its owner can write it" in one.reason(SCRIPT), "whoever can write the folder can replace the file"
    tmp_path.chmod(0o700)
    assert one.reason(SCRIPT) == ""
    stranger = Policy(tmp_path / "policy.yaml", policy_file.read, os.geteuid() + 1)
    assert "does not belong to" in stranger.reason(SCRIPT)


def test_a_folder_in_its_place_refuses_everything(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").mkdir(mode=0o700)
    assert "everything is refused" in policy(tmp_path, None).reason(SCRIPT)


def test_a_change_is_seen_at_once(tmp_path: Path) -> None:
    one = policy(tmp_path, "refuse: {kinds: [script]}")
    assert one.reason(SCRIPT)
    policy(tmp_path, "refuse: {kinds: [cancel]}")
    assert one.reason(SCRIPT) == ""
    (tmp_path / "policy.yaml").write_text("nonsense")
    assert "everything is refused" in one.reason(SCRIPT)
    (tmp_path / "policy.yaml").unlink()
    assert one.reason(SCRIPT) == ""


def test_the_daemon_reads_it_without_a_parser_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("refuse: {kinds: [collect]}\nonly: {users: [ops]}\n")
    rules = order_policy.read(path)
    assert (rules.refuse.kinds, rules.only.users) == (["collect"], ["ops"])
    path.write_text("x: 1")
    with pytest.raises(ConfigError, match=r"policy\.yaml:1: unknown key x"):
        order_policy.read(path)


def test_the_packaged_example_is_good_also_with_every_line_in_force(tmp_path: Path) -> None:
    text = (ROOT / "packaging/host/policy.yaml").read_text()
    assert policy_file.read(ROOT / "packaging/host/policy.yaml").refuse.kinds == []
    path = tmp_path / "policy.yaml"
    lines = [line[2:] for line in text.splitlines() if line.startswith(("# refuse:", "# only:", "#   "))]
    path.write_text("\n".join(lines))
    rules = policy_file.read(path)
    assert rules.refuse.paths == ["/srv/secret", "/etc"]
    assert rules.only.interpreters == ["shell"]
