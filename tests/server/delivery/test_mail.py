"""Mail to a real SMTP server: encryption that is kept to, passwords, refusals for now and for ever, and what the mail itself says."""

from __future__ import annotations

import asyncio
import email
import email.policy
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

from server.outbound import mails, smtp
from server.outbound.addresses import Policy, networks_of
from server.outbound.outcome import Outcome
from server.outbound.smtp import NONE, STARTTLS, TLS, MailServer
from tests.server.delivery.certificates import Authority
from tests.server.delivery.conftest import EVENT

HERE = Policy(networks_of(["127.0.0.0/8"]))
TO = ["ada@example.com", "bob@example.com"]


class Post:
    """A mail server: `rcpt` and `data` say what it answers instead of taking a recipient or a mail."""

    def __init__(self) -> None:
        self.got: list[Envelope] = []
        self.rcpt: dict[str, str] = {}
        self.data = ""
        self.port = 0
        self.logins: list[bytes] = []

    async def handle_RCPT(self, _: object, __: object, envelope: Envelope, address: str, ___: object) -> str:
        if address in self.rcpt:
            return self.rcpt[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: object, __: object, envelope: Envelope) -> str:
        if self.data:
            return self.data
        self.got.append(envelope)
        return "250 kept"

    def authenticate(self, _: object, __: object, ___: object, ____: object, given: LoginPassword) -> AuthResult:
        self.logins.append(given.password)
        return AuthResult(success=given.password == b"right-password", handled=False)

    def newest(self) -> EmailMessage:
        found = email.message_from_bytes(self.got[-1].content or b"", policy=email.policy.default)  # type: ignore[arg-type]
        assert isinstance(found, EmailMessage)
        return found


@asynccontextmanager
async def post_office(security: str, context: ssl.SSLContext | None, offers: bool = True, **more: Any) -> AsyncIterator[Post]:
    post = Post()
    more |= {"authenticator": post.authenticate} if more.get("auth_required") else {}

    made: list[SMTP] = []

    def factory() -> SMTP:
        one = SMTP(post, tls_context=context if security == STARTTLS and offers else None, auth_require_tls=security == STARTTLS, **more)
        made.append(one)
        return one

    loop = asyncio.get_running_loop()
    server = await loop.create_server(factory, "127.0.0.1", 0, ssl=context if security == TLS else None)
    post.port = server.sockets[0].getsockname()[1]
    try:
        yield post
    finally:
        server.close()
        for one in made:
            if one.transport is not None:
                one.transport.abort()  # type: ignore[attr-defined]
        await server.wait_closed()
        # The loop closes what was cut off in its next turns.
        for _ in range(3):
            await asyncio.sleep(0)


def mail(**more: Any) -> EmailMessage:
    kind = more.pop("kind", "opened")
    language = more.pop("language", "en")
    event = replace(EVENT, kind=kind, at=1_795_000_000_000, **more)
    return mails.mail(
        "01MESSAGE", [("01MESSAGE", event)], "ops mail", "Ops <ops@example.com>", TO, language, "https://ops.example.com", "ops.example.com"
    )


async def send(post: Post, security: str, ca: str = "", password: str = "", made: EmailMessage | None = None) -> Outcome:
    server = MailServer("127.0.0.1", post.port, security, "ops" if password else "", password, ca, "ops.example.com")
    return await smtp.send(made or mail(), "ops@example.com", TO, server, HERE)


@pytest.mark.parametrize("security", [NONE, STARTTLS, TLS])
async def test_a_mail_goes_with_each_kind_of_encryption(security: str, tmp_path: Path) -> None:
    ours = Authority(tmp_path)
    async with post_office(security, ours.context("127.0.0.1")) as post:
        outcome = await send(post, security, ours.pem)
        assert (outcome.ok, outcome.status, outcome.text) == (True, 250, "kept")
        assert post.got[0].rcpt_tos == TO
        if security != NONE:
            outcome = await send(post, security, Authority(tmp_path).pem)
            assert "not trusted" in outcome.text
            assert len(post.got) == 1


@pytest.mark.parametrize("security", [STARTTLS, TLS])
async def test_a_certificate_of_another_name_gets_neither_mail_nor_password(security: str, tmp_path: Path) -> None:
    ours = Authority(tmp_path)
    async with post_office(security, ours.context("other.example.com"), auth_required=security == STARTTLS) as post:
        outcome = await send(post, security, ours.pem, "right-password")
        assert "not trusted" in outcome.text
        assert (post.got, post.logins) == ([], [])


async def test_a_server_that_offers_no_starttls_gets_nothing(tmp_path: Path) -> None:
    ours = Authority(tmp_path)
    async with post_office(STARTTLS, None, offers=False) as post:
        outcome = await send(post, STARTTLS, ours.pem, "right-password")
        assert (outcome.ok, outcome.final) == (False, False)
        assert "STARTTLS" in outcome.text
        assert (post.got, post.logins) == ([], [])


async def test_the_right_password_is_taken_and_a_wrong_one_is_told_without_it(tmp_path: Path) -> None:
    ours = Authority(tmp_path)
    async with post_office(STARTTLS, ours.context("127.0.0.1"), auth_required=True) as post:
        assert (await send(post, STARTTLS, ours.pem, "right-password")).ok
        outcome = await send(post, STARTTLS, ours.pem, "wrong-password")
        assert (outcome.ok, outcome.status, outcome.final) == (False, 535, False), outcome
        assert outcome.text.startswith("name or password is wrong")
        assert "wrong-password" not in outcome.text


@pytest.mark.parametrize(("answer", "final"), [("451 try later", False), ("552 too large", True)])
async def test_a_refusal_for_now_is_tried_again_and_one_for_ever_is_not(answer: str, final: bool) -> None:
    async with post_office(NONE, None) as post:
        post.data = answer
        outcome = await send(post, NONE)
        assert (outcome.ok, outcome.status, outcome.final) == (False, int(answer[:3]), final)
        assert answer[4:] in outcome.text
        post.data, post.rcpt = "", dict.fromkeys(TO, answer)
        outcome = await send(post, NONE)
        assert (outcome.ok, outcome.final) == (False, final)
        assert "every recipient was refused" in outcome.text


async def test_taken_for_some_is_sent_and_says_for_whom_not() -> None:
    async with post_office(NONE, None) as post:
        post.rcpt = {TO[1]: "550 no such user"}
        outcome = await send(post, NONE)
        assert outcome.ok
        assert outcome.note == "refused for bob@example.com: 550 no such user"
        assert post.got[0].rcpt_tos == TO[:1]


async def test_names_with_line_ends_make_no_headers_and_no_markup() -> None:
    evil = "web-1\r\nBcc: eve@example.com\r\n\r\n<script>alert(1)</script>"
    async with post_office(NONE, None) as post:
        assert (await send(post, NONE, made=mail(node_name=evil, rule_name=evil, summary=evil))).ok
        assert post.newest()["Bcc"] is None
        assert post.got[0].rcpt_tos == TO
        assert "<script>" not in post.newest().get_body(("html",)).get_content()  # type: ignore[union-attr]


async def test_what_follows_on_an_alert_is_in_the_thread_of_its_first_mail() -> None:
    async with post_office(NONE, None) as post:
        await send(post, NONE)
        first = post.newest()
        await send(post, NONE, made=mail(kind="resolved"))
        assert post.newest()["In-Reply-To"] == post.newest()["References"] == first["Message-ID"]
        assert post.newest()["Message-ID"] != first["Message-ID"]
        assert post.newest()["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize(("language", "subject"), [("en", "[critical] Opened: web-1 /var: Disk full"), ("zh", "web-1 /var: Disk full")])
async def test_a_mail_is_in_the_language_of_its_receiver(language: str, subject: str) -> None:
    async with post_office(NONE, None) as post:
        await send(post, NONE, made=mail(language=language))
        assert subject in post.newest()["Subject"]
        for kind in ("plain", "html"):
            text = post.newest().get_body((kind,)).get_content()  # type: ignore[union-attr]
            assert "https://ops.example.com/alerts/01ALERT0000000000000000000" in text
            assert any("一" <= c <= "鿿" for c in text) == (language == "zh")
