"""Why a call to the manager or the agent failed, in one line an operator can act on (chapter 7: D2001, D2003).

LinkError                    host.lib.errors
└── LinkFailure              nobody could be asked, or the answer is no use: try again later
    └── Rejected             an answer that says no: HTTP 4xx or 5xx
"""

from __future__ import annotations

import http.client
import socket
import ssl
from email.utils import parsedate_to_datetime

from host.lib.errors import LinkError

MAX_RETRY_AFTER = 3600.0

# OpenSSL's X509_V_ERR_*: which sentence fits.
_WRONG_NAME = (62, 63, 64)
WRONG_TIME = (9, 10)
_SELF_SIGNED = (18,)
_WRONG_PURPOSE = (26,)

# The TLS alert that would say why is lost when the connection is reset right behind it.
_CLOSED = "it may be restarting, or not take this host's certificate; its log says"


class LinkFailure(LinkError):
    """`retry_after` is the least wait in seconds that the other side asked for, else 0. `certificate`: it does not take ours."""

    def __init__(self, code: str, what: str, mend: str = "", retry_after: float = 0.0, certificate: bool = False) -> None:
        super().__init__(code, what, mend)
        self.retry_after, self.certificate = retry_after, certificate


class Rejected(LinkFailure):
    """`status` is HTTP's, `answer` the envelope's code (None: there was no envelope), `reason` its message."""

    def __init__(self, code: str, what: str, mend: str, status: int, answer: int | None, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(code, what, mend, retry_after, certificate=status == 401)
        self.status, self.answer, self.reason = status, answer, reason


def from_exception(problem: BaseException, who: str, where: str, timeout: float) -> LinkFailure:
    """The failure that an exception of `ssl`, `socket` or `http.client` means; `who` is "manager" or "agent", `where` host:port."""
    at = f"the {who} at {where}"
    if isinstance(problem, ssl.SSLCertVerificationError):
        if problem.verify_code in _WRONG_NAME:
            return LinkFailure("D2001", f"{at} has a certificate for another name", "use the name or address that its certificate carries")
        if problem.verify_code in WRONG_TIME:
            return LinkFailure(
                "D2001", f"the certificate of {at} is not valid at this host's time", "set this host's clock, or renew the certificate"
            )
        if problem.verify_code in _SELF_SIGNED:
            return LinkFailure(
                "D2001",
                f"{at} has a self-signed certificate, not one of this installation's CA",
                "it is not the manager: check the address",
            )
        if problem.verify_code in _WRONG_PURPOSE:
            return LinkFailure(
                "D2001",
                f"{at} shows a certificate that is not for a manager, but for a host",
                "it is not the manager: look who listens there",
            )
        return LinkFailure(
            "D2001", f"{at} has a certificate of an unknown CA ({problem.verify_message})", "it may be another installation: enrol again"
        )
    if isinstance(problem, ssl.SSLEOFError):
        return LinkFailure("D2001", f"{at} closed the connection", _CLOSED)
    if isinstance(problem, ssl.SSLError) and "ALERT" in (problem.reason or ""):
        what = (
            (problem.reason or "")
            .replace("TLSV1_ALERT_", "")
            .replace("TLSV13_ALERT_", "")
            .replace("SSLV3_ALERT_", "")
            .replace("_", " ")
            .lower()
        )
        return LinkFailure(
            "D2001", f"{at} does not take this host's certificate ({what})", "enrol again with a new token", certificate=True
        )
    if isinstance(problem, ssl.SSLError):
        return LinkFailure("D2001", f"{at} does not speak TLS as it should ({problem.reason or problem})", "check the port")
    if isinstance(problem, socket.gaierror):
        return LinkFailure("D2001", f"the name of {at} cannot be resolved ({problem.strerror})", "check the address and DNS")
    if isinstance(problem, TimeoutError):
        return LinkFailure("D2001", f"{at} gave no answer within {timeout:g} s", "check the network between")
    if isinstance(problem, ConnectionRefusedError):
        return LinkFailure("D2001", f"nothing listens at {where}", f"start the {who}, or correct the address")
    if isinstance(problem, (http.client.RemoteDisconnected, ConnectionError)):
        return LinkFailure("D2001", f"{at} closed the connection", _CLOSED)
    if isinstance(problem, http.client.IncompleteRead):
        return LinkFailure("D2001", f"{at} broke off in the middle of its answer")
    if isinstance(problem, http.client.HTTPException):
        return LinkFailure("D2001", f"{at} does not speak HTTP ({type(problem).__name__})", "check the port")
    return LinkFailure(
        "D2001", f"{at} cannot be reached ({getattr(problem, 'strerror', None) or problem})", "check the network and the address"
    )


def from_status(status: int, answer: int | None, reason: str, who: str, where: str, retry_after: float) -> Rejected:
    """The failure that an HTTP status of 400 and above means."""
    words = reason or f"HTTP {status}"
    mend = ""
    if status == 401:
        mend = "enrol this host again with a new token"
    elif status == 403:
        mend = "an administrator of the manager has to change that"
    elif status >= 500:
        words = f"HTTP {status}: {reason}" if reason else words
    return Rejected(
        "D2003" if status != 401 and status < 500 else "D2001",
        f"the {who} at {where} said no: {words}",
        mend,
        status,
        answer,
        reason,
        retry_after,
    )


def retry_after_of(value: str | None, now: float) -> float:
    """Seconds of a `Retry-After` header: a number or a date; 0 when it is missing or makes no sense. `now`: UTC seconds."""
    if not value:
        return 0.0
    if value.strip().isdigit():
        return min(float(value.strip()[:9]), MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(value).timestamp()
    except (TypeError, ValueError):
        return 0.0
    return min(max(0.0, moment - now), MAX_RETRY_AFTER)
