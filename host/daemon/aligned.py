"""Connects to the manager also when this host's clock is wrong by years (DESIGN §4, FAULTS F5).

OpenSSL checks the certificate's time by the host's clock. Where nothing but that time is amiss, the connection is made
again without that one check, and the time is judged here by the manager's own `Date`. Everything else is always
OpenSSL's: the pinned CA, the name, the key. No key or certificate of this host is ever given up over a clock.
"""

from __future__ import annotations

import http.client
import ssl
import time
from email.utils import parsedate_to_datetime

from host.daemon import dial, validity
from host.daemon.dial import PatientSocket, Plan, Watch
from host.daemon.link_errors import WRONG_TIME, LinkFailure
from host.lib.clock import Clock
from host.wire.protocol import CA_PATH


def connect(plan: Plan, timeout: float, clock: Clock, watch: Watch) -> PatientSocket:
    """A connection, proved to be with `plan.who`. `timeout` in seconds is for each step. Raises LinkFailure, OSError."""
    try:
        return dial.secured(plan, plan.context, timeout, clock, watch)
    except ssl.SSLCertVerificationError as problem:
        if problem.verify_code not in WRONG_TIME or plan.ca is None or plan.timeline is None:
            raise
    if not plan.timeline.known or not _fits(plan, plan.timeline.now(), timeout, clock, watch):
        plan.timeline.learn(_ask_date(plan, timeout, clock, watch))
    lenient = dial.tls_context(plan.ca, *(plan.chain or ()), any_time=True)
    connection = dial.secured(plan, lenient, timeout, clock, watch)
    try:
        _judge(plan, connection, plan.timeline.now())
    except BaseException:
        connection.close()
        raise
    return connection


def _fits(plan: Plan, moment: int, timeout: float, clock: Clock, watch: Watch) -> bool:
    """Whether what the manager shows is good at `moment`; nothing is shown to it or said."""
    assert plan.ca is not None
    with dial.secured(plan, dial.tls_context(plan.ca, any_time=True), timeout, clock, watch) as connection:
        return all(one.holds(moment) for one in _shown(plan, connection))


def _ask_date(plan: Plan, timeout: float, clock: Clock, watch: Watch) -> int:
    """The manager's `Date` (UTC ms), if what it shows is good then. Neither certificate nor anything else is given away.

    Sound as far as it goes: whoever answers holds the key of a certificate that the pinned CA signed for this name, and
    the moment named lies in that certificate's time and not before what is known to be past. Only a thief of an old
    manager's key could abuse it, on hosts whose clock is wrong, and commands are signed with another key.
    """
    assert plan.ca is not None
    assert plan.timeline is not None
    connection = http.client.HTTPConnection(plan.host, plan.port)
    with dial.secured(plan, dial.tls_context(plan.ca, any_time=True), timeout, clock, watch) as secured:
        secured.until = clock.monotonic() + timeout
        connection.sock = secured
        connection.request("GET", CA_PATH, headers={"Host": plan.where})
        try:
            with connection.getresponse() as response:
                date = int(parsedate_to_datetime(response.headers["Date"]).timestamp() * 1000)
        except (TypeError, ValueError) as problem:
            raise LinkFailure(
                "D2001", f"the certificate of the {plan.who} at {plan.where} is not valid at this host's time", "set this host's clock"
            ) from problem
        _judge(plan, secured, date)
        return date


def _judge(plan: Plan, connection: PatientSocket, moment: int) -> None:
    """Raises LinkFailure when what the manager shows is not good at `moment`, or that moment cannot be."""
    assert plan.timeline is not None
    if moment < plan.timeline.floor:
        raise LinkFailure("D2001", f"the {plan.who} at {plan.where} says that it is {_day(moment)}, but that day is past", "set its clock")
    for one in _shown(plan, connection):
        if not one.holds(moment):
            what = f"ended on {_day(one.not_after)}" if moment > one.not_after else f"begins on {_day(one.not_before)}"
            raise LinkFailure("D2001", f"the certificate of the {plan.who} at {plan.where} {what}", "renew it there")


def _shown(plan: Plan, connection: PatientSocket) -> list[validity.Validity]:
    """The times of the manager's certificate and of its CA."""
    assert plan.ca is not None
    try:
        return [validity.of_der(connection.getpeercert(True) or b""), validity.of_pem(plan.ca.read_text(encoding="ascii"))]
    except ValueError as problem:
        raise LinkFailure("D2001", f"the certificate of the {plan.who} at {plan.where} cannot be read: {problem}") from problem


def _day(moment: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment // 1000))
