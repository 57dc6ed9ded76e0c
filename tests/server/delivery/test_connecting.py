"""Where the manager connects to (ATTACKS 8): judged on the address that is used, TLS verified. Real sockets; only names are faked."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.outbound import http
from server.outbound.addresses import Policy, networks_of, target_of
from server.outbound.outcome import Outcome
from tests.server.delivery import http_receiver as does
from tests.server.delivery.certificates import Authority
from tests.server.delivery.http_receiver import Receiver, receiver

HERE = Policy(networks_of(["127.0.0.0/8", "::1/128"]), http=True)
EVERYTHING = Policy(networks_of(["0.0.0.0/0", "::/0"]), http=True)
Names = Callable[..., list[str]]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """`names("host", ["first answer"], ["second answer"])`: what looking a name up gives; the list of names that were asked for."""
    known: dict[str, list[list[str]]] = {}
    asked: list[str] = []
    real = asyncio.base_events.BaseEventLoop.getaddrinfo

    async def look_up(self: Any, host: Any, port: Any, **more: Any) -> Any:
        if host not in known:
            return await real(self, host, port, **more)
        asked.append(host)
        answers = known[host]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", look_up)

    def know(host: str, *answers: list[str]) -> list[str]:
        known[host] = [*answers]
        return asked

    return know


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Addresses to which a connection was begun."""
    found: list[str] = []
    real = asyncio.open_connection

    async def open_connection(host: Any, *more: Any, **named: Any) -> Any:
        found.append(host)
        return await real(host, *more, **named)

    monkeypatch.setattr(asyncio, "open_connection", open_connection)
    return found


async def post(url: str, policy: Policy = HERE, ca: str = "") -> Outcome:
    return await http.post(target_of(url, policy), {}, b"{}", ca, policy, 0)


NEVER = [
    "169.254.169.254",
    "169.254.170.2",
    "::ffff:169.254.169.254",
    "fd00:ec2::254",
    "fe80::1",
    "100.100.100.200",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "0.0.0.0",
    "::",
    "224.0.0.1",
]
NOT_PUBLIC = ["127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "::1", "fd12::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1"]


@pytest.mark.parametrize("address", NEVER)
@pytest.mark.parametrize("by_name", [False, True])
async def test_metadata_and_link_local_addresses_are_refused_whatever_is_allowed(
    address: str, by_name: bool, names: Names, opened: list[str]
) -> None:
    names("hooks.example.com", [address])
    host = "hooks.example.com" if by_name else f"[{address}]" if ":" in address else address
    outcome = await post(f"http://{host}/", EVERYTHING)
    assert not outcome.ok
    assert "never connects there" in outcome.text
    assert opened == []


@pytest.mark.parametrize("address", NOT_PUBLIC)
@pytest.mark.parametrize("by_name", [False, True])
async def test_what_is_not_public_is_refused_until_it_is_allowed(address: str, by_name: bool, names: Names, opened: list[str]) -> None:
    names("hooks.example.com", [address])
    host = "hooks.example.com" if by_name else f"[{address}]" if ":" in address else address
    outcome = await post(f"https://{host}/", Policy())
    assert "receiver_networks" in outcome.text
    assert opened == []


@pytest.mark.parametrize("spelt", ["2130706433", "0x7f000001", "017700000001", "127.1"])
async def test_other_spellings_of_an_address_gain_nothing(spelt: str, opened: list[str]) -> None:
    outcome = await post(f"https://{spelt}/", Policy())
    assert not outcome.ok
    assert opened == []


async def test_one_address_that_is_not_allowed_refuses_the_name(names: Names, opened: list[str], hook: Receiver) -> None:
    names("hooks.example.com", ["127.0.0.1", "169.254.169.254"])
    assert "never connects" in (await post(f"http://hooks.example.com:{hook.port}/")).text
    assert opened == []


async def test_a_name_that_answers_differently_the_second_time_gains_nothing(names: Names, opened: list[str], hook: Receiver) -> None:
    asked = names("hooks.example.com", ["127.0.0.1"], ["169.254.169.254"])
    assert (await post(f"http://hooks.example.com:{hook.port}/")).ok
    assert (asked, opened) == (["hooks.example.com"], ["127.0.0.1"])
    assert hook.got[0].headers["host"] == f"hooks.example.com:{hook.port}"


async def test_a_redirect_is_told_and_not_followed(hook: Receiver) -> None:
    async with receiver() as inside:
        hook.otherwise = does.answers(307, b"", Location=inside.url)
        outcome = await post(hook.url)
        assert (outcome.ok, outcome.status, "redirects are not followed" in outcome.text) == (False, 307, True)
        assert inside.connections == 0


async def test_an_address_of_its_own_authority_is_trusted_by_that_one_only(tmp_path: Path) -> None:
    ours, another = Authority(tmp_path), Authority(tmp_path)
    async with receiver(ours.context("127.0.0.1")) as secure:
        assert (await post(secure.url, ca=ours.pem)).ok
        for ca in ("", another.pem):
            outcome = await post(secure.url, ca=ca)
            assert (outcome.ok, outcome.text.startswith("its certificate is not trusted")) == (False, True)
        assert len(secure.got) == 1


async def test_a_certificate_of_another_name_is_refused_and_that_of_the_name_taken(tmp_path: Path, names: Names) -> None:
    ours = Authority(tmp_path)
    names("hooks.example.com", ["127.0.0.1"])
    async with receiver(ours.context("other.example.com")) as secure:
        outcome = await post(f"https://hooks.example.com:{secure.port}/", ca=ours.pem)
        assert "not trusted" in outcome.text
        assert "hooks.example.com" in outcome.text
        assert secure.got == []
    async with receiver(ours.context("hooks.example.com")) as secure:
        assert (await post(f"https://hooks.example.com:{secure.port}/", ca=ours.pem)).ok
