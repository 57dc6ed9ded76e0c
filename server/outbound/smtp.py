"""One mail to a mail server, within limits of time, to an address that was judged (addresses.py).

aiosmtplib on a socket of our own: like HTTP it can be cut off as a whole, which `smtplib` in a thread cannot. Without the
encryption that was chosen nothing is sent: a server that has lost its STARTTLS gets neither mail nor password.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage

import aiosmtplib

from server.outbound.addresses import Policy, Refused, look_up
from server.outbound.http import CONNECT_S, context_of, reason_of
from server.outbound.outcome import Outcome, safe

STARTTLS, TLS, NONE = "starttls", "tls", "none"
SECURITY = (STARTTLS, TLS, NONE)
STEP_S, TOTAL_S = 10.0, 30.0
"""One answer of the server; the whole."""


@dataclass(frozen=True)
class MailServer:
    """`ca`: PEM of the only authorities that count, or empty for the system's; `name`: how the manager greets."""

    host: str
    port: int
    security: str
    username: str
    password: str
    ca: str
    name: str


async def send(mail: EmailMessage, sender: str, to: Sequence[str], server: MailServer, policy: Policy) -> Outcome:
    """Never raises but when it is cancelled. Taken for some of `to` and refused for others is sent, and says for whom not."""
    secrets = (server.password,) if server.password else ()
    try:
        return await asyncio.wait_for(_send(mail, sender, to, server, policy), TOTAL_S)
    except (asyncio.TimeoutError, aiosmtplib.SMTPTimeoutError):
        return Outcome(False, text="the mail server did not answer in time")
    except Refused as problem:
        return Outcome(False, text=str(problem))
    except ssl.SSLCertVerificationError as problem:
        return Outcome(False, text=f"its certificate is not trusted: {problem.verify_message}")
    except aiosmtplib.SMTPAuthenticationError as problem:
        # Not final: it lies in the set-up, which somebody may mend while this waits.
        return Outcome(False, problem.code, f"name or password is wrong: {safe(problem.message, secrets)}")
    except aiosmtplib.SMTPRecipientsRefused as problem:
        worst = max(problem.recipients, key=lambda one: one.code)
        final = all(one.code >= 500 for one in problem.recipients)
        told = "; ".join(f"{one.recipient}: {safe(one.message, secrets)}" for one in problem.recipients)
        return Outcome(False, worst.code, safe(f"every recipient was refused: {told}", secrets), final=final, own=final)
    except aiosmtplib.SMTPResponseException as problem:
        final = problem.code >= 500 and isinstance(problem, (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError))
        return Outcome(False, max(problem.code, 0), safe(problem.message, secrets), final=final, own=final)
    except aiosmtplib.SMTPException as problem:
        cause = problem.__cause__
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Outcome(False, text=f"its certificate is not trusted: {cause.verify_message}")
        return Outcome(False, text=safe(str(problem), secrets))
    except (OSError, UnicodeError, ValueError) as problem:
        return Outcome(False, text=reason_of(problem))


async def _send(mail: EmailMessage, sender: str, to: Sequence[str], server: MailServer, policy: Policy) -> Outcome:
    sock = await _connected(server.host, server.port, policy)
    client = aiosmtplib.SMTP(
        hostname=server.host,
        sock=sock,
        local_hostname=server.name,
        timeout=STEP_S,
        use_tls=server.security == TLS,
        start_tls=server.security == STARTTLS,
        tls_context=context_of(server.ca) if server.security != NONE else None,
    )
    try:
        await client.connect()
        if server.username:
            await client.login(server.username, server.password)
        refused, answer = await client.send_message(mail, sender=sender, recipients=list(to))
    finally:
        # The socket is the transport's since it connected: closed under it, its number would be another connection's next.
        transport = client.transport
        client.close()
        if isinstance(transport, asyncio.WriteTransport):
            # Not closed politely: a peer that never ends its TLS must not hold us.
            transport.abort()
    told = "; ".join(f"{one}: {said.code} {said.message}" for one, said in refused.items())
    return Outcome(True, 250, safe(answer), note=safe(f"refused for {told}") if refused else "")


async def _connected(host: str, port: int, policy: Policy) -> socket.socket:
    """Raises Refused, OSError, asyncio.TimeoutError."""
    loop, last = asyncio.get_running_loop(), OSError(0, "the name has no address")
    for address in await look_up(policy, host, port):
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            await asyncio.wait_for(loop.sock_connect(sock, (address, port)), CONNECT_S)
            return sock
        except asyncio.TimeoutError:
            last = OSError(0, f"no connection within {CONNECT_S:.0f} s")
        except OSError as problem:
            last = problem
        except BaseException:
            sock.close()
            raise
        sock.close()
    raise last
