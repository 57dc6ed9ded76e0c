"""One message to one receiver: written as its kind wants it, signed, sent; how that ended."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Sequence

from server.outbound import http, mails, shapes, signing, smtp
from server.outbound.addresses import Policy, Refused, target_of
from server.outbound.outcome import Outcome
from server.outbound.shapes import Told
from server.service.alert_events import AlertEvent
from server.service.receiver_settings import ALERTMANAGER, CHAT, MAIL, WEBHOOK
from server.service.receivers import Open

ALERTS = "/api/v2/alerts"


class Sending:
    """`base`: how the pages are reached, without a slash at its end; `domain`: this manager's name in mails."""

    def __init__(self, policy: Policy, base: str, domain: str) -> None:
        self._policy, self._base, self._domain = policy, base, domain

    async def send(self, to: Open, message_id: str, told: Sequence[Told], now: int) -> Outcome:
        """Never raises but when it is cancelled."""
        if to.kind == MAIL:
            return await self._mail(to, message_id, told)
        try:
            target = target_of(to.secrets["url"] if to.kind == CHAT else to.settings["url"], self._policy)
        except Refused as problem:
            return Outcome(False, text=str(problem))
        headers = {"Content-Type": "application/json; charset=utf-8"}
        if to.kind == ALERTMANAGER:
            body = shapes.alertmanager([event for _, event in told], self._base, now)
            path = target.path.rstrip("/")
            target = dataclasses.replace(target, path=path if path.endswith(ALERTS) else path + ALERTS)
        elif to.kind == CHAT:
            body = shapes.chat(told, self._base, to.settings["language"])
        else:
            body = shapes.webhook(told, self._base)
        if to.kind == WEBHOOK:
            headers |= signing.signed(message_id, now // 1000, body, _good(to, now))
        if to.secrets.get("token"):
            headers["Authorization"] = f"Bearer {to.secrets['token']}"
        elif to.settings.get("username"):
            pair = f"{to.settings['username']}:{to.secrets.get('password', '')}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        return await http.post(target, headers, body, to.settings["ca"], self._policy, now, tuple(to.secrets.values()))

    async def repeat(self, to: Open, firing: Sequence[AlertEvent], now: int) -> Outcome:
        """What fires still, once more to an Alertmanager."""
        return await self.send(to, "", [("", event) for event in firing], now)

    async def _mail(self, to: Open, message_id: str, told: Sequence[Told]) -> Outcome:
        known = to.settings
        mail = mails.mail(message_id, told, to.name, known["sender"], known["to"], known["language"], self._base, self._domain)
        server = smtp.MailServer(
            known["host"], known["port"], known["security"], known["username"], to.secrets.get("password", ""), known["ca"], self._domain
        )
        recipients = [mails.address_of(one).addr_spec for one in known["to"]]
        return await smtp.send(mail, mails.address_of(known["sender"]).addr_spec, recipients, server, self._policy)


def _good(to: Open, now: int) -> list[str]:
    """The secrets that sign now, the newest first."""
    both = int(to.secrets.get("previous_until", "0")) > now
    return [to.secrets["secret"], *([to.secrets["previous"]] if both else [])]
