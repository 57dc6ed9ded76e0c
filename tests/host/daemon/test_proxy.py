"""Every call goes through the proxy, or not at all; what the proxy says no to is one line, and its password in none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from host.daemon import config_file, enroll, identity, renew
from host.daemon.config import Config, Daemon, Manager
from host.daemon.link import Link
from host.daemon.link_errors import LinkFailure
from host.daemon.proxy import Proxy, masked, of, parse
from host.daemon.route import ManagerRoute
from host.daemon.timeline import Timeline
from host.lib.clock import SystemClock
from host.lib.errors import ConfigError, LinkError
from host.wire.protocol import CA_PATH, ENROLL_PATH, POLL_PATH, RENEW_PATH
from tests.host.daemon.conftest import Pki
from tests.host.daemon.fake_manager import FakeManager, free_port
from tests.host.daemon.fake_proxy import FakeProxy
from tests.host.daemon.managers import GoodManager

NAME = "manager.invalid"
"""A name that no resolver knows: whoever goes past the proxy reaches nobody."""
SECRET = "p@ss:w/rd"


@pytest.fixture
def good(pki: Pki) -> Iterator[tuple[FakeManager, GoodManager]]:
    one = GoodManager(pki.authority, hold=0)
    server = FakeManager(pki.authority, pki.authority.pair("hidden", dns=(NAME,), addresses=()), one.answer)
    yield server, one
    server.close()


@pytest.fixture
def proxies() -> Iterator[list[FakeProxy]]:
    made: list[FakeProxy] = []
    yield made
    for one in made:
        one.close()


def config(folder: Path, good: GoodManager, proxy: str, port: int = 8443) -> Config:
    return Config(Manager(f"{NAME}:{port}", enrolment_token=good.token, proxy=proxy, timeout=3.0), Daemon(work_dir=folder))


@pytest.mark.parametrize("account", ["", f"ops:{SECRET}"])
def test_enrolment_polls_reports_and_renewal_go_through_the_proxy(
    tmp_path: Path, good: tuple[FakeManager, GoodManager], proxies: list[FakeProxy], account: str
) -> None:
    server, manager = good
    proxies.append(FakeProxy(server.port, account))
    user = "ops:p%40ss%3Aw%2Frd@" if account else ""
    settings = config(tmp_path, manager, f"http://{user}127.0.0.1:{proxies[0].port}")
    found = enroll.enroll(settings)
    route = ManagerRoute([(NAME, 8443)], parse(settings.manager.proxy), found, Timeline(SystemClock()))
    link = Link(route, 3.0, SystemClock())
    link.call("POST", POLL_PATH, b'{"accepted":[],"refused":[],"holding":[]}')
    renew.renew(settings, SystemClock())
    link.close()
    assert {call.path for call in server.calls} == {CA_PATH, ENROLL_PATH, POLL_PATH, RENEW_PATH}
    assert {line.rpartition(" ")[0] for line in proxies[0].asked} == {f"CONNECT {NAME}:8443"}
    assert b"PRIVATE" not in proxies[0].passed
    assert b"accepted" not in proxies[0].passed, "the proxy sees nothing but TLS"


@pytest.mark.parametrize(
    ("given", "needed", "status", "says"),
    [
        ("", "ops:secret", 200, "wants a user and a password (407)"),
        ("ops:wrong@", "ops:secret", 200, "does not take the user and password given (407)"),
        ("", "", 403, f"does not allow a connection to {NAME}:8443 (403)"),
        ("", "", 502, f"cannot reach {NAME}:8443 (502)"),
        ("", "", 418, f"refused a connection to {NAME}:8443 (418)"),
    ],
)
def test_what_a_proxy_refuses_is_one_line_at_enrolment_and_afterwards(
    tmp_path: Path,
    good: tuple[FakeManager, GoodManager],
    proxies: list[FakeProxy],
    pki: Pki,
    given: str,
    needed: str,
    status: int,
    says: str,
) -> None:
    proxies.append(FakeProxy(good[0].port, needed, status, "Retry-After: 7\r\n"))
    url = f"http://{given}127.0.0.1:{proxies[0].port}"
    with pytest.raises(LinkError) as refused:
        enroll.enroll(config(tmp_path, good[1], url))
    problem = failure(pki, tmp_path, parse(url))
    for text in (str(refused.value), str(problem)):
        assert says in text
        assert "\n" not in text
        assert "wrong" not in text
    assert problem.retry_after == 7.0
    assert good[0].calls == []


def failure(pki: Pki, folder: Path, proxy: Proxy | None) -> LinkFailure:
    (folder / "identity").mkdir(exist_ok=True)
    for name, source in (("node.crt", pki.node.certificate), ("node.key", pki.node.key), ("ca.crt", pki.authority.ca)):
        (folder / "identity" / name).write_bytes(source.read_bytes())
    found = identity.Identity(folder / "identity", "N1", "n")
    link = Link(ManagerRoute([(NAME, 8443)], proxy, found, Timeline(SystemClock())), 2.0, SystemClock())
    with pytest.raises(LinkFailure) as caught:
        link.call("POST", POLL_PATH, b"{}")
    return caught.value


def test_a_proxy_that_is_not_there_or_is_no_proxy_is_said(
    tmp_path: Path, pki: Pki, manager: FakeManager, good: tuple[FakeManager, GoodManager]
) -> None:
    gone = free_port()
    assert f"nothing listens at 127.0.0.1:{gone} — start the proxy" in str(failure(pki, tmp_path, Proxy("127.0.0.1", gone)))
    assert "the proxy at 127.0.0.1" in str(failure(pki, tmp_path, Proxy("127.0.0.1", manager.port))), "a TLS server, not a proxy"
    with pytest.raises(LinkError, match=r"the proxy at 127.0.0.1:.* cannot be reached"):
        enroll.enroll(config(tmp_path / "new", good[1], f"http://127.0.0.1:{gone}"))


def test_a_password_is_shown_nowhere(tmp_path: Path) -> None:
    url = f"http://ops:{SECRET.replace('/', '%2F')}@127.0.0.1:3128"
    proxy = parse(url)
    assert proxy is not None
    assert (proxy.user, proxy.password, proxy.where) == ("ops", SECRET, "127.0.0.1:3128")
    assert SECRET not in repr(proxy)
    assert "w%2Frd" not in repr(Manager("a:1", proxy=url))
    assert masked(url) == "http://ops:***@127.0.0.1:3128"
    assert masked("http://127.0.0.1:3128") == "http://127.0.0.1:3128"
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    assert of("http://ops@127.0.0.1:3128", str(file)) == proxy
    with pytest.raises(ConfigError, match="proxy_password_file"):
        of("http://ops@127.0.0.1:3128", str(tmp_path / "none"))


@pytest.mark.parametrize(
    "lines", ["proxy: 'https://a:1'", "proxy: 'a:1'", "proxy: 'http://a'", "proxy: 'http://x:hunter2@:1'", "proxy_password_file: /x"]
)
def test_a_proxy_that_cannot_be_one_is_named_without_its_password(tmp_path: Path, lines: str) -> None:
    file = tmp_path / "daemon.yaml"
    file.write_text(f"manager:\n  address: a:1\n  {lines}\n")
    with pytest.raises(ConfigError, match=r"D1002.*manager\.proxy") as caught:
        config_file.load(file)
    assert "hunter2" not in str(caught.value)
