"""A fleet of emulated hosts on the real node link: real enrolment, certificates, TLS, held polls and reports.

    python -m tests.load.fleet --manager 127.0.0.1:8443 --ca ca.crt --token ops1.… --nodes 1000 --period 60

Each second it prints one JSON object of what it counted. With `--state FOLDER` the hosts are the same ones the next time.
From a program: `async with Fleet(Wanted(…)) as fleet`, then `fleet.hosts`, `fleet.figures`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import ssl
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from host.wire.codec import dumps
from host.wire.messages import EnrollRequest
from host.wire.protocol import ENROLL_PATH, PROTOCOL
from tests.load.host import Figures, Host, now_ms
from tests.load.lifelike import Machine
from tests.load.wire import Connection

ENROL_AT_ONCE = 8


@dataclass(frozen=True)
class Wanted:
    """`period` and `delay` in seconds: between two samples of a host, and from a command's start to its end. `spread`:
    over how many seconds the hosts connect; `state`: where their identities stay."""

    host: str
    port: int
    ca: Path
    token: str = ""
    nodes: int = 1000
    period: float = 60.0
    delay: float = 0.2
    spread: float = 10.0
    state: Path | None = None


class Fleet:
    """Enrols on entry what is not enrolled yet; `start` brings the hosts to life. `kind` is what a host is made of."""

    kind: type[Host] = Host

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self.figures = Figures()
        self.hosts: list[Host] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    async def __aenter__(self) -> Fleet:
        if self._wanted.state is None:
            self._folder = tempfile.TemporaryDirectory(prefix="ops-fleet-")
        place = self._wanted.state or Path(self._folder.name if self._folder else "")
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        turns = asyncio.Semaphore(ENROL_AT_ONCE)
        self.hosts = await asyncio.gather(*(self._host(number, place, turns) for number in range(self._wanted.nodes)))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        if self._folder is not None:
            self._folder.cleanup()

    def start(self) -> None:
        """Hosts connect spread over `spread` seconds, their samples over the period."""
        each = self._wanted.spread / max(1, len(self.hosts))
        for number, host in enumerate(self.hosts):
            host.delay_s = self._wanted.delay
            self._tasks.append(asyncio.create_task(self._later(host, number * each)))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def unsent(self) -> int:
        """Records that the manager has not acknowledged yet."""
        return sum(len(lane.records) for host in self.hosts for lane in host.lanes.values())

    async def _later(self, host: Host, seconds: float) -> None:
        await asyncio.sleep(seconds)
        period = self._wanted.period
        await host.run(period, (host.number * 0.618) % 1.0 * period)

    async def _host(self, number: int, place: Path, turns: asyncio.Semaphore) -> Host:
        wanted, machine = self._wanted, Machine(number)
        known = place / f"{number}.json"
        if not known.exists():
            async with turns:
                await self._enrol(machine, number, place)
        facts = json.loads(known.read_text())
        context = client_context(wanted.ca)
        context.load_cert_chain(place / f"{number}.pem")
        return self.kind(machine, number, facts["node_id"], (wanted.host, wanted.port), context, self.figures)

    async def _enrol(self, machine: Machine, number: int, place: Path) -> None:
        wanted = self._wanted
        key = ec.generate_private_key(ec.SECP256R1())
        csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
        text = csr.public_bytes(serialization.Encoding.PEM).decode()
        request = EnrollRequest(PROTOCOL, wanted.token, text, machine.facts(now_ms() - 400_000_000), machine.fingerprint(wanted.token[-8:]))
        link = Connection(wanted.host, wanted.port, client_context(wanted.ca))
        try:
            answer = await link.post(ENROLL_PATH, dumps(request))
        finally:
            link.close()
        said = json.loads(answer.body)
        if answer.status != 200:
            raise SystemExit(f"fleet: host {number} was not enrolled: {said['message']}")
        secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
        file = place / f"{number}.pem"
        file.touch(0o600)
        file.write_text(said["data"]["certificate"] + secret)
        (place / f"{number}.json").write_text(json.dumps({"node_id": said["data"]["node_id"]}))


def client_context(ca: Path) -> ssl.SSLContext:
    """Trusts the manager's CA and nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca)
    return context


def summary(fleet: Fleet, begun: float, process: psutil.Process) -> dict[str, Any]:
    figures = fleet.figures
    latest = sorted(figures.report_ms)
    shares = {name: round(latest[int((len(latest) - 1) * share)], 1) for name, share in (("p50", 0.5), ("p95", 0.95)) if latest}
    used = process.cpu_times()
    return {
        "seconds": round(time.monotonic() - begun, 1),
        "online": len(figures.online_at),
        "unsent": fleet.unsent(),
        "counts": dict(figures.counts),
        "report_ms": shares,
        "rss_mb": round(process.memory_info().rss / 1e6, 1),
        "cpu_s": round(used.user + used.system, 1),
    }


async def _main(options: argparse.Namespace) -> None:
    host, _, port = options.manager.rpartition(":")
    wanted = Wanted(
        host, int(port), options.ca, options.token or os.environ.get("OPS_ENROLMENT_TOKEN", ""), options.nodes, options.period,
        options.delay, options.spread, options.state,
    )  # fmt: skip
    process, begun = psutil.Process(), time.monotonic()
    async with Fleet(wanted) as fleet:
        print(json.dumps({"enrolled": len(fleet.hosts), "seconds": round(time.monotonic() - begun, 1)}), flush=True)
        begun = time.monotonic()
        fleet.start()
        while not options.seconds or time.monotonic() < begun + options.seconds:
            await asyncio.sleep(options.every)
            print(json.dumps(summary(fleet, begun, process)), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load.fleet", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--manager", required=True, metavar="HOST:PORT", help="the manager's node link")
    parser.add_argument("--ca", required=True, type=Path, help="the manager's CA certificate, PEM")
    parser.add_argument("--token", default="", help="enrolment token with enough uses (or OPS_ENROLMENT_TOKEN)")
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--period", type=float, default=60.0, help="seconds between two samples of a host")
    parser.add_argument("--delay", type=float, default=0.2, help="seconds from a command's start to its end")
    parser.add_argument("--spread", type=float, default=10.0, help="seconds over which the hosts connect")
    parser.add_argument("--seconds", type=float, default=0.0, help="end after so many (default: when interrupted)")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two lines")
    parser.add_argument("--state", type=Path, help="keep the identities here and use them again")
    try:
        uvloop.run(_main(parser.parse_args()))
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
