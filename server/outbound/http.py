"""One POST to somebody else's server, on the manager's own loop, within limits of time and size.

asyncio with h11 and not `requests`: a thread of `requests` has no limit on the whole (a server that sends a byte now and then
holds it for ever) and cannot be cut off; a task can. The connection goes to an address that was judged (addresses.py), TLS
is verified, redirects are answers like any other, and nothing is reused.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import h11

from host import __version__
from server.outbound.addresses import Policy, Refused, Target, look_up
from server.outbound.outcome import Outcome, safe

CONNECT_S = 5.0
TOTAL_S = 15.0
BODY_S = 3.0
"""How long the rest of an answer is waited for: its status has said already what counts."""

HEAD_BYTES = 16 * 1024
BODY_BYTES = 16 * 1024
INFORMATIONAL = 10
MOST_WAIT_S = 6 * 3600.0

_OURS = frozenset({401, 403, 404, 405, 407, 408, 410, 421, 425, 429})
"""Statuses below 500 that speak of the receiver's set-up or load, not of one message."""


async def post(
    target: Target, headers: Mapping[str, str], body: bytes, ca: str, policy: Policy, now: int, secrets: tuple[str, ...] = ()
) -> Outcome:
    """Never raises but when it is cancelled. `ca`: PEM of the only authorities that count, or empty for the system's."""
    try:
        return await asyncio.wait_for(_post(target, headers, body, ca, policy, now, secrets), TOTAL_S)
    except asyncio.TimeoutError:
        return Outcome(False, text=f"no answer within {TOTAL_S:.0f} s")
    except Refused as problem:
        return Outcome(False, text=str(problem))
    except ssl.SSLCertVerificationError as problem:
        return Outcome(False, text=f"its certificate is not trusted: {problem.verify_message}")
    except (OSError, UnicodeError) as problem:
        return Outcome(False, text=reason_of(problem))
    except h11.ProtocolError as problem:
        return Outcome(False, text=safe(f"what it answered is not HTTP: {problem}", secrets))


def reason_of(problem: BaseException) -> str:
    """What the system says of a connection, without errno and addresses of memory."""
    told = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
    if isinstance(problem, ConnectionError) and problem.errno:
        told = os.strerror(problem.errno)  # asyncio puts the address there, as a tuple
    return safe(told.lower() if isinstance(problem, OSError) else told) or "the connection was lost"


def context_of(ca: str) -> ssl.SSLContext:
    """Raises ssl.SSLError when `ca` is no PEM."""
    context = ssl.create_default_context(cadata=ca or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def connected(
    host: str, port: int, context: ssl.SSLContext | None, policy: Policy
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """To the first address that takes the connection. Raises Refused, OSError, asyncio.TimeoutError."""
    last: OSError | None = None
    for address in await look_up(policy, host, port):
        name = host if context else None
        try:
            return await asyncio.wait_for(asyncio.open_connection(address, port, ssl=context, server_hostname=name), CONNECT_S)
        except asyncio.TimeoutError:
            last = OSError(0, f"no connection within {CONNECT_S:.0f} s")
        except ssl.SSLCertVerificationError:
            raise
        except OSError as problem:
            last = problem
    raise last or OSError(0, "the name has no address")


async def _post(
    target: Target, headers: Mapping[str, str], body: bytes, ca: str, policy: Policy, now: int, secrets: tuple[str, ...]
) -> Outcome:
    context = context_of(ca) if target.secure else None
    reader, writer = await connected(target.host, target.port, context, policy)
    try:
        wire = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
        common = {"Host": target.header, "User-Agent": f"ops-scaffold/{__version__}", "Connection": "close", "Accept": "*/*"}
        request = h11.Request(
            method="POST", target=target.path, headers=[*(common | dict(headers)).items(), ("Content-Length", str(len(body)))]
        )
        sent = [wire.send(request), wire.send(h11.Data(body)), wire.send(h11.EndOfMessage())]
        # Not waited for: a server that refuses may answer before it has read all.
        writer.write(b"".join(part for part in sent if part))
        answer = await _head(wire, reader)
        try:
            text = await asyncio.wait_for(_body(wire, reader), BODY_S)
        except (asyncio.TimeoutError, OSError, h11.ProtocolError):
            text = b""
        return _judged(answer, text, now, secrets)
    finally:
        # Not closed politely: a peer that never ends its TLS must not hold us.
        writer.transport.abort()


async def _head(wire: h11.Connection, reader: asyncio.StreamReader) -> h11.Response:
    for _ in range(INFORMATIONAL):
        event = await _event(wire, reader)
        if isinstance(event, h11.Response):
            return event
        if not isinstance(event, h11.InformationalResponse):
            raise OSError(0, "the connection was closed without an answer")
    raise OSError(0, "it sends no end of informational answers")


async def _body(wire: h11.Connection, reader: asyncio.StreamReader) -> bytes:
    """Its beginning; what is more is left unread."""
    found = b""
    while len(found) < BODY_BYTES:
        event = await _event(wire, reader)
        if not isinstance(event, h11.Data):
            break
        found += bytes(event.data)
    return found


async def _event(wire: h11.Connection, reader: asyncio.StreamReader) -> object:
    while (event := wire.next_event()) is h11.NEED_DATA:
        data = await reader.read(8192)
        if not data and wire.their_state is h11.SEND_RESPONSE:
            raise OSError(0, "the connection was closed without an answer")
        wire.receive_data(data)
    return event


def _judged(answer: h11.Response, body: bytes, now: int, secrets: tuple[str, ...]) -> Outcome:
    status = answer.status_code
    text = safe(body.decode("utf-8", "replace"), secrets)
    if 200 <= status < 300:
        return Outcome(True, status, text)
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
    if 300 <= status < 400:
        where = safe(headers.get("location", ""), secrets)
        return Outcome(
            False, status, f"it answers with a redirect to {where or 'nowhere'}; redirects are not followed, give the final address"
        )
    own = 400 <= status < 500 and status not in _OURS
    return Outcome(False, status, text, final=status == 413, own=own, wait=wait_of(headers.get("retry-after", ""), now))


def wait_of(text: str, now: int) -> float:
    """Seconds of a `Retry-After`, as a number or a date; 0 for none that can be read, at most 6 hours."""
    if text.isascii() and text.strip().isdigit():
        return min(float(text[:12]), MOST_WAIT_S)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError):
        return 0.0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return min(max((moment - datetime.fromtimestamp(now / 1000, timezone.utc)).total_seconds(), 0.0), MOST_WAIT_S)
