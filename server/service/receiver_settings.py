"""What each kind of receiver is told: its settings, and its secrets, which are kept apart (S5).

    webhook        url, ca; secret (signs), previous (signs as well, for a day after a change), token (a bearer's)
    alertmanager   url (of Alertmanager itself), ca; token, or username with password
    chat           ca, language; url, which is a secret itself: whoever has it may write there
    mail           host, port, security, username, sender, to, ca, language; password
Each has `burst`: messages a minute, past which the rest is folded into one.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

from server.errors import BadInput
from server.outbound import signing
from server.outbound.addresses import Policy, Refused, target_of
from server.outbound.http import context_of
from server.outbound.mails import address_of
from server.outbound.smtp import NONE, SECURITY, STARTTLS
from server.outbound.wording import LANGUAGES

WEBHOOK, ALERTMANAGER, CHAT, MAIL = "webhook", "alertmanager", "chat", "mail"
KINDS = (WEBHOOK, ALERTMANAGER, CHAT, MAIL)
BURST, MOST_BURST = 20, 600
MOST_RECIPIENTS = 20
MOST_CA = 100_000

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    WEBHOOK: {"url": "", "ca": "", "burst": BURST},
    ALERTMANAGER: {"url": "", "username": "", "ca": "", "burst": BURST},
    CHAT: {"language": "en", "ca": "", "burst": BURST},
    MAIL: {
        "host": "",
        "port": 587,
        "security": STARTTLS,
        "username": "",
        "sender": "",
        "to": [],
        "language": "en",
        "ca": "",
        "burst": BURST,
    },
}
SECRETS: Mapping[str, tuple[str, ...]] = {
    WEBHOOK: ("secret", "token"),
    ALERTMANAGER: ("token", "password"),
    CHAT: ("url",),
    MAIL: ("password",),
}


def settings_of(kind: str, given: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """`before` with what was given, each of its right type. Raises BadInput."""
    known = DEFAULTS[kind]
    for name, value in given.items():
        if name not in known:
            raise BadInput(f"{name[:40]}: a receiver of the kind {kind} has no such setting; it has {', '.join(known)}", field=name[:40])
        if type(value) is not type(known[name]) or (isinstance(value, list) and not all(isinstance(one, str) for one in value)):
            wanted = {str: "text", int: "a whole number", list: "a list of texts"}[type(known[name])]
            raise BadInput(f"{name}: it is {wanted}", field=name)
    made = {**known, **before, **given}
    return {name: value.strip() if isinstance(value, str) else value for name, value in made.items()}


def secrets_of(kind: str, given: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str]:
    """`before` with what was given; an empty text takes one away. Raises BadInput."""
    for name, value in given.items():
        if name not in SECRETS[kind]:
            raise BadInput(
                f"{name[:40]}: a receiver of the kind {kind} has no such secret; it has {', '.join(SECRETS[kind])}", field=name[:40]
            )
        if len(value) > 2000 or (value and not value.isprintable()):
            raise BadInput(f"{name}: at most 2000 characters, on one line", field=name)
    return {name: value for name, value in {**before, **given}.items() if value}


def check(kind: str, settings: Mapping[str, Any], secrets: Mapping[str, str], policy: Policy) -> None:
    """Raises BadInput naming the field. Whether the address may be connected to is asked when it is, not here."""
    if not 1 <= settings["burst"] <= MOST_BURST:
        raise BadInput(f"burst: 1 to {MOST_BURST} messages a minute", field="burst")
    if settings.get("language", "en") not in LANGUAGES:
        raise BadInput(f"language: use one of {', '.join(LANGUAGES)}", field="language")
    _check_ca(settings["ca"])
    if kind == MAIL:
        _check_mail(settings, secrets)
        return
    url = secrets.get("url", "") if kind == CHAT else settings["url"]
    try:
        target = target_of(url, policy)
    except Refused as problem:
        raise BadInput(f"url: {problem}", field="url") from problem
    if kind == WEBHOOK:
        try:
            signing.key_of(secrets.get("secret", ""))
        except ValueError as problem:
            raise BadInput(
                f"secret: it is {signing.PREFIX} and the base64 of {signing.LEAST} to {signing.MOST} random bytes", field="secret"
            ) from problem
    if kind == ALERTMANAGER and "?" in target.path:
        raise BadInput("url: the address of Alertmanager itself, without ?", field="url")
    if secrets.get("token") and not secrets["token"].isascii():
        raise BadInput("token: letters, digits and signs of ASCII only", field="token")
    if secrets.get("token") and settings.get("username"):
        raise BadInput("token: either a token, or a name with a password", field="token")


def _check_mail(settings: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
    host = settings["host"]
    if not 1 <= len(host) <= 253 or not host.isprintable() or any(c in " /@" for c in host):
        raise BadInput("host: the name or address of the mail server", field="host")
    if not 1 <= settings["port"] <= 65535:
        raise BadInput("port: 1 to 65535", field="port")
    if settings["security"] not in SECURITY:
        raise BadInput(f"security: use one of {', '.join(SECURITY)}", field="security")
    if settings["security"] == NONE and settings["username"]:
        raise BadInput("security: without TLS the password could be read on its way; use starttls or tls", field="security")
    if settings["username"] and not secrets.get("password"):
        raise BadInput("password: it is needed with a user name", field="password")
    if not 1 <= len(settings["to"]) <= MOST_RECIPIENTS:
        raise BadInput(f"to: 1 to {MOST_RECIPIENTS} addresses", field="to")
    for name, texts in (("sender", [settings["sender"]]), ("to", settings["to"])):
        for text in texts:
            try:
                address_of(text)
            except (ValueError, IndexError) as problem:
                raise BadInput(f"{name}: {text[:60]!r} is no address such as ops@example.com", field=name) from problem


def _check_ca(text: str) -> None:
    if not text:
        return
    try:
        if len(text) > MOST_CA or "PRIVATE KEY" in text:
            raise ValueError("too long, or a key")
        context_of(text)
    except (ssl.SSLError, ValueError) as problem:
        raise BadInput("ca: certificates as PEM, from -----BEGIN CERTIFICATE----- on", field="ca") from problem
