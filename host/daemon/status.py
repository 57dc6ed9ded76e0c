"""`ops-daemon status`: asks the running daemon over its socket, and says in a few lines how it stands."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from host.lib import jsonrpc
from host.lib.errors import HostError


def ask(path: Path, timeout: float = 5.0) -> dict[str, Any]:
    """The daemon's status object. Raises HostError D1002 when no daemon answers."""
    received = bytearray()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(str(path))
            connection.sendall(jsonrpc.request(1, "status", {}))
            while not received.endswith(b"\n"):
                part = connection.recv(65536)
                if not part:
                    break
                received += part
    except OSError as problem:
        raise HostError(
            "D1002", f"no daemon answers on {path}: {problem.strerror or problem}", "start it, or check daemon.run_dir"
        ) from problem
    try:
        body = jsonrpc.parse(bytes(received))
        result = body["result"]
    except (jsonrpc.RpcError, KeyError) as problem:
        raise HostError("D1002", f"the answer on {path} makes no sense: {problem}", "another program may listen there") from problem
    return dict(result)


def lines(status: dict[str, Any]) -> list[str]:
    """The same for people."""
    node, manager, agent, outbox = status["node"], status["manager"], status["agent"], status["outbox"]
    now = status["now"]
    result = [f"daemon    {status['version']}, pid {status['pid']}, up {_span(now - status['started'])}"]
    result.append(f"node      {node['name']} ({node['id']})" if node else "node      not enrolled yet")
    if "connected" not in manager:
        link = "not asked yet"
    elif manager["connected"]:
        link = f"connected, last answer {_span(now - manager['last_contact'])} ago"
    else:
        link = f"not connected: {manager['problem'] or 'no answer yet'}"
    through = f" through the proxy {manager['proxy']}" if manager.get("proxy") else ""
    result.append(f"manager   {manager['address']}{through}, {link}")
    if manager.get("certificate_not_after") is not None:
        left = manager["certificate_not_after"] - now - manager.get("clock_ahead_ms", 0)
        ends = f"ends in {_span(left)}" if left > 0 else f"ended {_span(-left)} ago"
        trouble = manager.get("renewal_problem")
        result.append(f"identity  the certificate {ends}" + (f"; not renewed: {trouble}" if trouble else ""))
    usage = []
    if agent.get("cpu_percent") is not None:
        usage.append(f"{agent['cpu_percent']:g} % CPU")
    if agent.get("memory_bytes"):
        usage.append(f"{agent['memory_bytes'] / 1048576:.0f} MiB")
    restarts = agent["restarts"]
    details = [
        f"pid {agent['pid']}" if agent.get("pid") else "",
        agent.get("version", ""),
        *usage,
        f"{restarts} restart{'' if restarts == 1 else 's'}",
        f"the last because {status['last_failure']}" if status.get("last_failure") else "",
        agent.get("reason", ""),
    ]
    result.append(f"agent     {agent['state']}: " + ", ".join(part for part in details if part))
    size = (outbox["urgent_bytes"] + outbox["bulk_bytes"]) / 1024
    waiting = f"{outbox['urgent']} urgent and {outbox['bulk']} other records wait ({size:.0f} KiB)"
    if outbox["oldest"] is not None:
        waiting += f", the oldest for {_span(now - outbox['oldest'])}"
    result.append(f"outbox    {waiting}" + (f", {outbox['dropped']} dropped" if outbox["dropped"] else ""))
    if outbox.get("problem"):
        result.append(f"          the disk takes nothing ({outbox['problem']}): {outbox['held']} records are held in memory")
    if status["holding"]:
        result.append(f"commands  {len(status['holding'])} wait for the agent")
    if status["sample"]:
        result.append(f"sample    {_span(now - status['sample']['at'])} ago, took {status['sample']['took_ms']:g} ms")
    configuration, policy = status.get("configuration"), status.get("policy")
    if configuration:
        short, note = configuration["hash"][:12], configuration["note"]
        result.append(f"config    {configuration['path']}, {short}, {note}; logs at {status['log_level']}")
    if policy:
        state = f"everything is refused: {policy['problem']}" if policy["problem"] else policy["state"]
        result.append(f"policy    {policy['path']}: {state}")
    result += [f"failing   collector {name}: {reason}" for name, reason in status["failing_collectors"].items()]
    result += [f"failing   plugin {name}: {reason}" for name, reason in status.get("plugins", {}).items() if reason]
    result += [f"{level:<9} {_span(now - at)} ago: {message}" for at, level, message in status.get("problems", [])]
    return result


def _span(milliseconds: int) -> str:
    seconds = max(0, milliseconds // 1000)
    if seconds < 120:
        return f"{seconds} s"
    minutes = seconds // 60
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
