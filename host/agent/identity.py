"""Who this host is, as the enrolment left it in `work_dir/identity`. Reads only; the daemon writes."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from host.lib.errors import AgentError


@dataclass(frozen=True)
class Identity:
    """`dispatch_key` is the secret that the manager signs commands with; it is never printed."""

    node_id: str
    dispatch_key: bytes = field(repr=False)
    certificate: Path
    key: Path


def read(work_dir: Path) -> Identity:
    """The identity. Raises AgentError D3001 with the mend where this host is not enrolled or a file is unusable."""
    folder = work_dir / "identity"
    try:
        node_id = json.loads((folder / "node.json").read_text("utf-8"))["node_id"]
        secret = bytes.fromhex((folder / "dispatch.key").read_text("ascii").strip())
        loose = (folder / "dispatch.key").stat().st_mode & 0o007
    except FileNotFoundError as problem:
        what = f"this host is not enrolled yet: {problem.filename} is missing"
        raise AgentError("D3001", what, "run ops-daemon enroll first") from problem
    except OSError as problem:
        raise AgentError("D3001", f"{problem.filename}: {problem.strerror}", "run the agent as the owner of its folder") from problem
    except (ValueError, KeyError, TypeError) as problem:
        raise AgentError("D3001", f"{folder}: node.json or dispatch.key is damaged ({problem})", "run ops-daemon enroll again") from problem
    if not isinstance(node_id, str) or not node_id or len(secret) < 16:
        raise AgentError("D3001", f"{folder}: the node id or the dispatch key is empty", "run ops-daemon enroll again")
    if loose:
        raise AgentError("D3001", f"{folder}/dispatch.key can be used by everybody on this host", f"chmod 600 {folder}/dispatch.key")
    return Identity(node_id, secret, folder / "agent.crt", folder / "agent.key")


def server_context(identity: Identity, client_ca: str = "") -> ssl.SSLContext:
    """TLS 1.2 and above (S1) with the agent's own certificate. `client_ca`: a PEM file; a certificate that a client shows must
    be of it, and whether one has to be shown is the door's to say. Raises AgentError D3001."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    if client_ca:
        try:
            context.load_verify_locations(client_ca)
        except (OSError, ssl.SSLError) as problem:
            raise AgentError("D3001", f"api.client_ca: {client_ca} cannot be used ({problem})", "name a PEM file of a CA") from problem
        context.verify_mode = ssl.CERT_OPTIONAL
    try:
        context.load_cert_chain(identity.certificate, identity.key)
    except (OSError, ssl.SSLError) as problem:
        raise AgentError("D3001", f"{identity.certificate}: cannot be used for TLS ({problem})", "run ops-daemon enroll again") from problem
    return context
