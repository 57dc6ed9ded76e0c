"""Events → one mail, as text and as simple HTML, in the receiver's language, in a thread with the others of its alert.

Names of hosts and rules are other people's text: they lose line ends before they come into a header, and are escaped in HTML.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

from markupsafe import Markup

from server.outbound.shapes import Told, url_of
from server.outbound.wording import facts_of, line_of, words_of
from server.service.alert_events import OPENED, AlertEvent

SUBJECT = 180


def mail(
    message_id: str, told: Sequence[Told], receiver: str, sender: str, to: Sequence[str], language: str, base: str, domain: str
) -> EmailMessage:
    """The same `message_id` gives the same Message-ID: a mail that comes twice is shown once."""
    made, events = EmailMessage(policy=SMTP), [event for _, event in told]
    words, newest = words_of(language), events[-1]
    made["Date"] = datetime.fromtimestamp(newest.at / 1000, timezone.utc)
    made["From"] = address_of(sender)
    made["To"] = [address_of(one) for one in to]
    if len(events) == 1:
        made["Subject"] = one_line(f"{'[TEST] ' if newest.kind == 'test' else ''}{_title(newest, language)}")
        thread = f"<alert.{newest.alert_id}@{domain}>"
        made["Message-ID"] = thread if newest.kind == OPENED else f"<{message_id}@{domain}>"
        if newest.kind not in (OPENED, "test"):
            made["In-Reply-To"] = made["References"] = thread
    else:
        made["Subject"] = one_line(words.digest.format(count=len(events)))
        made["Message-ID"] = f"<{message_id}@{domain}>"
    # Answering machines shall not answer it.
    made["Auto-Submitted"] = "auto-generated"
    made["X-Auto-Response-Suppress"] = "All"
    footer = words.footer.format(receiver=receiver)
    made.set_content(_text(events, language, base, footer))
    made.add_alternative(str(_html(events, language, base, footer)), subtype="html")
    return made


def one_line(text: str) -> str:
    """For a header: no line ends, nothing unprintable, not too long."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))[:SUBJECT]


def address_of(text: str) -> Address:
    """`name@example.com` or `Name <name@example.com>`. Raises ValueError."""
    if not text.isprintable() or len(text) > 254:
        raise ValueError("an address has no line ends and at most 254 characters")
    name, bracket, rest = text.rpartition("<")
    spec = (rest[:-1] if bracket and rest.endswith(">") else text).strip()
    user, at, domain = spec.rpartition("@")
    if not at or not user or not domain or not spec.isascii() or any(c in ' <>,;:"\\()[]' for c in spec):
        raise ValueError("an address looks like ops@example.com")
    return Address(name.strip().strip('"') if bracket else "", user, domain)


def _title(event: AlertEvent, language: str) -> str:
    words = words_of(language)
    where = " ".join(part for part in (event.node_name, event.subject) if part)
    kind, severity = words.kinds.get(event.kind, event.kind), words.severities.get(event.severity, event.severity)
    return f"[{severity}] {kind}: {where + ': ' if where else ''}{event.rule_name}"


def _text(events: Sequence[AlertEvent], language: str, base: str, footer: str) -> str:
    words, parts = words_of(language), []
    if len(events) > 1:
        lines = [f"{line_of(event, language)}\n  {url_of(event, base)}" for event in events]
        parts = [words.digest.format(count=len(events)), words.digest_first, *lines]
    else:
        [event] = events
        facts = [f"{name}: {one_line(value)}" for name, value in facts_of(event, language)]
        parts = [line_of(event, language), "\n".join(facts), f"{words.page}: {url_of(event, base)}"]
    return "\n\n".join(part for part in parts if part) + f"\n\n-- \n{footer}\n"


def _html(events: Sequence[AlertEvent], language: str, base: str, footer: str) -> Markup:
    words = words_of(language)
    if len(events) > 1:
        head = Markup("<p>{}</p>").format(words.digest.format(count=len(events)))
        items = Markup("").join(
            Markup('<li>{} <a href="{}">{}</a></li>').format(line_of(event, language), url_of(event, base), words.page) for event in events
        )
        body = head + Markup("<ul>{}</ul>").format(items)
    else:
        [event] = events
        rows = Markup("").join(
            Markup('<tr><th align="left" style="padding-right:1em">{}</th><td>{}</td></tr>').format(name, value)
            for name, value in facts_of(event, language)
        )
        link = Markup('<p><a href="{}">{}</a></p>').format(url_of(event, base), words.page)
        body = Markup("<p><b>{}</b></p><table>{}</table>").format(line_of(event, language), rows) + link
    tag = "zh-CN" if language == "zh" else "en"
    return Markup('<!doctype html><html lang="{}"><body>{}<hr><p><small>{}</small></p></body></html>').format(tag, body, footer)
