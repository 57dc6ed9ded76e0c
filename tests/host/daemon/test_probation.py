"""A pushed configuration: killed at any step it ends confirmed or restored, never between; nobody's change is lost."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from host.daemon import config_change, probation, secrets
from host.daemon.configure import Configure
from host.daemon.order_ledger import OrderLedger
from host.daemon.outbox import Outbox
from host.lib.errors import ConfigError
from host.wire.masking import MASK, mask
from host.wire.orders import Order
from tests.host.daemon.conftest import FakeClock

OLD, NEW = "manager: {address: 'a:1'}\n", "manager: {address: 'b:2'}\n"


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Killed(BaseException):
    """The process ended here."""


class Host:
    """A daemon as far as its configuration goes; `kill_at` ends it just before its n-th change of the disk."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        self.path, self.clock = folder / "daemon.yaml", clock
        self.path.write_text(OLD)
        self.outbox = Outbox(folder / "outbox.db", 2**30)
        self.ledger = OrderLedger(self.outbox, clock.now())
        self.ledger.accept("c1", "configure", "{}", clock.now(), clock.now() + 3_600_000)
        self.agains: list[str] = []

    def configure(self) -> Configure:
        return Configure(self.path, sha(OLD), 120.0, self.clock, self.agains.append)

    def push(self, text: str = NEW, base: str = "") -> str:
        """What the orders loop does; the reason of a refusal."""
        one, order = self.configure(), Order("N1", text=text, base=base or sha(OLD))
        refusal = one.look("c1", order)
        if refusal:
            return refusal
        self.ledger.start("c1", self.clock.now())
        end = one.order("c1", order, lambda data: self.ledger.write("c1", data, self.clock.now()))
        if end:
            self.ledger.finish("c1", end.state, end.reason, self.clock.now())
        return ""

    def start(self, proven: bool, valid: bool = True) -> None:
        """One life of the daemon, up to its first judgement."""
        probation.before_start(self.path, self.clock.now())
        if not valid and self.path.read_text() != OLD:
            probation.give_up(self.path, "D1002 broken")
        one = self.configure()
        one.end_cut_off(self.ledger)
        while one.watch(self.ledger, proven, "the manager does not answer") == 0.0:
            pass

    @property
    def state(self) -> str:
        return self.ledger.state("c1", self.clock.now())

    @property
    def reason(self) -> str:
        ends = [json.loads(one.body) for one in self.outbox.next_batch("urgent", 100, 10**7) if one.kind == "execution"]
        return str(ends[-1]["reason"])


@pytest.fixture
def host(tmp_path: Path, clock: FakeClock) -> Iterator[Host]:
    one = Host(tmp_path, clock)
    yield one
    one.outbox.close()


def test_a_good_one_stays_and_the_one_before_is_kept(host: Host) -> None:
    assert host.push() == ""
    assert host.agains == ["pushed"]
    host.start(proven=False)
    assert (host.state, host.path.read_text()) == ("started", NEW)
    host.start(proven=True)
    assert (host.state, host.path.read_text()) == ("succeeded", NEW)
    assert probation.previous_file(host.path).read_text() == OLD
    assert sorted(one.name for one in host.path.parent.glob("*daemon.yaml*")) == ["daemon.yaml", "daemon.yaml.previous"]


def test_one_that_does_not_reach_the_manager_is_taken_back(host: Host) -> None:
    host.push()
    host.start(proven=False)
    host.clock.pass_(121)
    host.start(proven=False)
    assert (host.state, host.path.read_text()) == ("failed", OLD)
    assert "not reached within 120 s" in host.reason


def test_the_limit_is_kept_while_the_daemon_runs_and_the_reason_is_the_links(host: Host) -> None:
    host.push()
    probation.before_start(host.path, host.clock.now())
    one = host.configure()
    assert one.watch(host.ledger, False, "") == pytest.approx(0.2)
    host.clock.pass_(121)
    one.watch(host.ledger, False, "D2001 no such host")
    assert host.agains[-1] == "restored"
    host.start(proven=False)
    assert host.state == "failed"
    assert "D2001 no such host" in host.reason


def test_one_under_which_the_daemon_cannot_even_start_is_taken_back(host: Host) -> None:
    host.push()
    host.start(proven=False, valid=False)
    assert (host.state, host.path.read_text()) == ("failed", OLD)
    assert "D1002 broken" in host.reason


def test_one_under_which_the_daemon_keeps_dying_is_taken_back(host: Host) -> None:
    host.push()
    for _ in range(probation.MAX_STARTS):
        host.start(proven=False)
        assert host.path.read_text() == NEW
    host.start(proven=False)
    assert (host.state, host.path.read_text()) == ("failed", OLD)


def test_a_clock_that_was_set_back_does_not_prolong_it_for_ever(host: Host) -> None:
    host.push()
    host.clock.wall -= 86_400_000
    host.start(proven=False)
    assert (host.state, host.path.read_text()) == ("failed", OLD)


def test_a_change_made_on_the_host_meanwhile_is_not_lost(host: Host) -> None:
    host.push()
    host.path.write_text("manager: {address: 'c:3'}\n")
    host.clock.pass_(121)
    host.start(proven=False)
    assert (host.state, host.path.read_text()) == ("failed", "manager: {address: 'c:3'}\n")
    assert "left as it is" in host.reason


def test_one_that_was_edited_from_another_one_is_refused(host: Host) -> None:
    host.path.write_text("manager: {address: 'c:3'}\n")
    assert "not the one that was edited" in host.push()
    assert host.path.read_text() == "manager: {address: 'c:3'}\n"


def test_the_same_one_again_changes_nothing(host: Host) -> None:
    assert host.push(OLD) == ""
    assert host.state == "succeeded"
    assert host.agains == []


@pytest.mark.parametrize("proven", [True, False])
def test_killed_before_any_change_of_the_disk_it_ends_in_exactly_one_of_two(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, proven: bool
) -> None:
    """Every rename and unlink of the push, the starts and the end is killed once, and so is the one after it."""
    real, left = {"rename": os.rename, "unlink": os.unlink}, [10**9]

    def patched(name: str) -> Callable[..., None]:
        def change(*arguments: object, **more: object) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            real[name](*arguments, **more)  # type: ignore[operator]

        return change

    for name in real:
        monkeypatch.setattr(os, name, patched(name))
    ends: set[tuple[str, str]] = set()
    step = 0
    while True:
        folder = tmp_path / str(step)
        folder.mkdir()
        left[0] = 10**9
        host = Host(folder, clock)
        assert host.configure().look("c1", Order("N1", text=NEW, base=sha(OLD))) == ""
        left[0] = step
        finished = True
        for life in range(4):
            try:
                if life == 0:
                    host.push()
                else:
                    host.start(proven)
                    if not proven:
                        host.clock.pass_(121)
                        host.start(proven)
            except Killed:
                finished = False
                left[0] = 10**9  # the next life is not killed
        text, state = host.path.read_text(), host.state
        if state != "accepted":  # killed before it was begun: it is begun later
            assert (state, text) in {("succeeded", NEW), ("failed", OLD)}, (step, state, text)
            ends.add((state, text))
        assert not (folder / ".daemon.yaml.probation").exists()
        host.outbox.close()
        if finished:
            break
        step += 1
    assert step > 5
    assert (("succeeded", NEW) if proven else ("failed", OLD)) in ends


# -- what a pushed file is checked for ---------------------------------------------------------------------------------


def check(tmp_path: Path, old: str, new: str) -> tuple[str, str]:
    """The difference, and the file as it would be put in force."""
    current, proposed = tmp_path / "daemon.yaml", tmp_path / "proposed"
    current.write_text(old)
    proposed.write_text(new)
    return config_change.check(proposed, current), proposed.read_text()


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (OLD + "daemon: {work_dir: /elsewhere}\n", "daemon.work_dir may not be changed"),
        (OLD + "daemon: {run_dir: /elsewhere}\n", "daemon.run_dir may not be changed"),
        (OLD + "daemon: {policy_file: /dev/null}\n", "daemon.policy_file may not be changed"),
        (OLD + "x: 1\n", "daemon.yaml:2: unknown key x"),
        (OLD + "manager: [\n", "daemon.yaml:"),
        (f"manager:\n  address: a:1\n  enrolment_token: '{MASK}'\n", "daemon.yaml:3: manager.enrolment_token is masked"),
    ],
)
def test_what_may_not_be_pushed_is_named_with_its_place(tmp_path: Path, new: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check(tmp_path, OLD, new)


SECRETS = (
    "manager:\n  address: a:1\n  enrolment_token: |\n    ops1.abcdefg.hij\n"
    "  proxy: 'http://ann:s3cret@proxy:8080'\n# enrolment_token: ops1.oldoldold.x\n"
)


def test_secrets_are_masked_wherever_they_stand_and_come_back_where_they_are_left_masked(tmp_path: Path) -> None:
    shown = secrets.masked(SECRETS)
    assert shown.count("\n") == SECRETS.count("\n"), "every line keeps its number"
    for secret in ("abcdefg", "s3cret", "ann", "oldoldold"):
        assert secret not in shown
    difference, text = check(tmp_path, SECRETS, shown + "collectors: {cpu: {interval: 30s}}\n")
    assert "ops1.abcdefg.hij" in text
    assert "http://ann:s3cret@proxy:8080" in text
    assert "+collectors" in difference
    assert "s3cret" not in difference
    difference, _ = check(tmp_path, SECRETS, SECRETS.replace("s3cret", "other"))
    assert "a secret is another one" in difference


@pytest.mark.parametrize(
    "text",
    [
        "proxy_password: hunter2 # comment",
        "{enrolment_token: hunter2, address: x}",
        "  password = 'hunter2'",
        "http://me:hunter2@host/",
        "Authorization ops1.hunter2x.abc and opst_hunter2hunter2",
    ],
)
def test_text_alone_is_masked_as_well(text: str) -> None:
    assert "hunter2" not in mask(text)


def test_what_is_no_secret_is_left_alone() -> None:
    text = "enrolment_token_file: /etc/ops/token\nmanager: {address: 'a:1'}\n# see https://example.com/x@y\n"
    assert mask(text) == text
    assert secrets.masked(text) == text


def test_a_marker_that_makes_no_sense_is_told_and_holds_nothing_up(host: Host) -> None:
    host.path.with_name(".daemon.yaml.probation").write_text("{")
    assert probation.before_start(host.path, 0) is None
