"""Enrolment on every database: who gets in, once, and what is refused."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from host.wire.messages import EnrollRequest, Facts
from server.auth import Caller
from server.errors import BadInput, NotAllowed, NotAuthenticated
from tests.conftest import DAY, Manager, make_csr


async def token(manager: Manager, uses: int = 1, hours: float = 1) -> str:
    return (await manager.services.enrolment.create_token(manager.admin, uses, hours, "", {"env": "test"}, manager.time())).token


def request(token: str, hostname: str = "web-1") -> EnrollRequest:
    return EnrollRequest(1, token, make_csr(), Facts(hostname))


async def test_a_host_gets_a_client_certificate_and_its_own_dispatch_key(manager: Manager) -> None:
    answer = await manager.services.enrolment.enroll(request(await token(manager)), "192.0.2.1", manager.time())
    certificate = x509.load_pem_x509_certificate(answer.certificate.encode())
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert bytes.fromhex(answer.dispatch_key) == manager.services.keys.dispatch_key(answer.node_id)
    node = await manager.services.nodes.get(answer.node_id)
    assert (node["name"], node["tags"], node["ip"]) == ("web-1", {"env": "test"}, "192.0.2.1")


async def test_the_same_key_asking_again_is_the_same_node(manager: Manager) -> None:
    """The answer was lost: the host must not end up as two nodes or without a token."""
    wanted = request(await token(manager))
    first = await manager.services.enrolment.enroll(wanted, "192.0.2.1", manager.time())
    again = await manager.services.enrolment.enroll(wanted, "192.0.2.1", manager.time())
    assert (first.node_id, first.certificate) == (again.node_id, again.certificate)


async def test_fifty_hosts_at_once_cannot_share_one_use(manager: Manager) -> None:
    one = await token(manager)
    tries = [manager.services.enrolment.enroll(request(one), "192.0.2.1", manager.time()) for _ in range(50)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(not isinstance(result, BaseException) for result in results) == 1
    assert sum(isinstance(result, NotAuthenticated) for result in results) == 49


async def test_a_token_ends(manager: Manager) -> None:
    ends = await token(manager, hours=1)
    manager.time.now += 3600_000
    with pytest.raises(NotAuthenticated, match="has ended"):
        await manager.services.enrolment.enroll(request(ends), "192.0.2.1", manager.time())


@pytest.mark.parametrize("wrong", ["", "ops1.", "ops1.guess.abc", "x" * 5000, "ops1.a.b.c"])
async def test_a_wrong_token_is_refused(manager: Manager, wrong: str) -> None:
    with pytest.raises(NotAuthenticated):
        await manager.services.enrolment.enroll(request(wrong), "192.0.2.1", manager.time())


async def test_a_request_that_is_none_uses_nothing_up(manager: Manager) -> None:
    one = await token(manager)
    for bad in (replace(request(one), csr="nonsense"), replace(request(one), protocol=99)):
        with pytest.raises(BadInput):
            await manager.services.enrolment.enroll(bad, "192.0.2.1", manager.time())
    await manager.services.enrolment.enroll(request(one), "192.0.2.1", manager.time())


async def test_hosts_of_the_same_name_get_names_of_their_own(manager: Manager) -> None:
    many = await token(manager, uses=3)
    names = [(await manager.services.enrolment.enroll(request(many), "192.0.2.1", manager.time())).name for _ in range(3)]
    assert names == ["web-1", "web-1-2", "web-1-3"]


async def test_a_certificate_proves_who_calls_until_it_is_revoked_or_ends(manager: Manager) -> None:
    answer = await manager.services.enrolment.enroll(request(await token(manager)), "192.0.2.1", manager.time())
    der = x509.load_pem_x509_certificate(answer.certificate.encode()).public_bytes(serialization.Encoding.DER)
    enrolment = manager.services.enrolment
    caller = await enrolment.caller(der, "192.0.2.1", manager.time())
    assert (caller.role, caller.id) == ("node", answer.node_id)
    assert (await enrolment.caller(None, "192.0.2.1", manager.time())).role == "anonymous"
    with pytest.raises(NotAuthenticated, match="has ended"):
        await enrolment.caller(der, "192.0.2.1", manager.time() + 91 * DAY)
    await manager.services.nodes.retire(manager.admin, answer.node_id, manager.time())
    with pytest.raises(NotAuthenticated, match="was retired"):
        await enrolment.caller(der, "192.0.2.1", manager.time())


async def test_another_certificate_of_the_same_ca_is_nobody(manager: Manager) -> None:
    stranger = manager.services.keys.issue(make_csr(), "01MADEUP00000000000000000A", 90, manager.time())
    with pytest.raises(NotAuthenticated, match="not one of a node"):
        await manager.services.enrolment.caller(stranger.public_bytes(serialization.Encoding.DER), "192.0.2.1", manager.time())


def forged(victim: x509.CertificateSigningRequest) -> str:
    """A request that names the victim's public key, signed by somebody who does not have the private one."""
    own = x509.load_pem_x509_csr(make_csr().encode())
    encoding, shape = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    mine, theirs = (csr.public_key().public_bytes(encoding, shape) for csr in (own, victim))
    der = own.public_bytes(encoding).replace(mine, theirs)
    return x509.load_der_x509_csr(der).public_bytes(serialization.Encoding.PEM).decode()


async def test_a_public_key_alone_does_not_get_its_owners_dispatch_key(manager: Manager) -> None:
    """The same token may have let many hosts in; a certificate is no secret."""
    wanted = request(await token(manager, uses=2))
    await manager.services.enrolment.enroll(wanted, "192.0.2.1", manager.time())
    stolen = replace(wanted, csr=forged(x509.load_pem_x509_csr(wanted.csr.encode())))
    with pytest.raises(BadInput, match="signed by its own key"):
        await manager.services.enrolment.enroll(stolen, "192.0.2.66", manager.time())


def der_of(pem: str) -> bytes:
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(serialization.Encoding.DER)


async def enrolled(manager: Manager) -> bytes:
    answer = await manager.services.enrolment.enroll(request(await token(manager)), "192.0.2.1", manager.time())
    return der_of(answer.certificate)


async def who(manager: Manager, certificate: bytes) -> Caller:
    return await manager.services.enrolment.caller(certificate, "192.0.2.1", manager.time())


async def test_the_old_certificate_serves_until_the_new_one_was_used(manager: Manager) -> None:
    old = await enrolled(manager)
    manager.time.now += 60 * DAY
    node = await who(manager, old)
    new = der_of((await manager.services.enrolment.renew(node, make_csr(), manager.time())).certificate)
    assert (await who(manager, old)).id == node.id, "the answer may be lost: the old one still serves"
    assert (await who(manager, new)).id == node.id
    with pytest.raises(NotAuthenticated, match="revoked"):
        await who(manager, old)
    manager.time.now += 60 * DAY
    assert (await who(manager, new)).id == node.id, "it lasts longer than the one before it"
    actions = [entry["action"] for entry in (await manager.services.audit.page(10, 0)).rows]
    assert actions[:3] == ["node.certificate", "node.renew", "node.enrol"]


async def test_a_lost_renewal_is_repeated_with_the_same_key_and_another_key_replaces_it(manager: Manager) -> None:
    node = await who(manager, await enrolled(manager))
    csr = make_csr()
    first, again = [await manager.services.enrolment.renew(node, csr, manager.time()) for _ in range(2)]
    assert first.certificate == again.certificate
    other = await manager.services.enrolment.renew(node, make_csr(), manager.time())
    with pytest.raises(NotAuthenticated, match="revoked"):
        await who(manager, der_of(first.certificate))
    assert (await who(manager, der_of(other.certificate))).id == node.id


async def test_a_renewal_needs_a_new_key_of_ones_own(manager: Manager) -> None:
    wanted = request(await token(manager))
    mine = await manager.services.enrolment.enroll(wanted, "192.0.2.1", manager.time())
    node = await who(manager, der_of(mine.certificate))
    other = await who(manager, await enrolled(manager))
    for caller in (node, other):
        with pytest.raises(BadInput, match="never used here"):
            await manager.services.enrolment.renew(caller, wanted.csr, manager.time())
    with pytest.raises(BadInput, match="not a PEM"):
        await manager.services.enrolment.renew(node, "nonsense", manager.time())


async def test_many_first_uses_at_once_revoke_once(manager: Manager) -> None:
    node = await who(manager, await enrolled(manager))
    new = der_of((await manager.services.enrolment.renew(node, make_csr(), manager.time())).certificate)
    callers = await asyncio.gather(*(who(manager, new) for _ in range(10)))
    assert {caller.id for caller in callers} == {node.id}
    actions = [entry["action"] for entry in (await manager.services.audit.page(20, 0)).rows]
    assert actions.count("node.certificate") == 1


async def test_a_manager_whose_clock_was_set_back_does_not_take_the_new_certificate_for_the_old(manager: Manager) -> None:
    old = await enrolled(manager)
    node = await who(manager, old)
    manager.time.now -= DAY
    new = der_of((await manager.services.enrolment.renew(node, make_csr(), manager.time())).certificate)
    await who(manager, old)
    assert (await who(manager, new)).id == node.id
    with pytest.raises(NotAuthenticated, match="revoked"):
        await who(manager, old)


async def test_a_node_in_quarantine_is_told_so_and_gets_no_commands(manager: Manager) -> None:
    certificate = await enrolled(manager)
    node = await who(manager, certificate)
    await manager.services.commands.run(manager.admin, [node.id], "script", {"script": "true"}, "", manager.time())
    assert len(await manager.services.commands.mailbox(node.id, [], manager.time())) == 1
    await manager.db.transaction(lambda session: manager.services.nodes.move(session, node.id, "quarantined", manager.time()))
    with pytest.raises(NotAllowed, match="quarantine"):
        await who(manager, certificate)
    assert await manager.services.commands.mailbox(node.id, [], manager.time()) == [], "not even by a poll that is held"


@pytest.mark.parametrize(("protocol", "words"), [(-1, "too old.*update the daemon"), (2, "too new.*update the manager")])
async def test_a_protocol_that_is_not_spoken_is_said_with_what_to_update(manager: Manager, protocol: int, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        await manager.services.enrolment.enroll(replace(request("ops1.a.b"), protocol=protocol), "192.0.2.1", manager.time())
