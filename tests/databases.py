"""Private database servers for tests: a MariaDB and a MySQL in a folder of their own, on free loopback ports.

MariaDB: any `mariadbd` on the machine. MySQL: `OPS_REAL_MYSQL` or the script `../shared/tools/real-mysql`, which
brings a server without installing it. `OPS_TEST_MARIADB` and `OPS_TEST_MYSQL` name servers that run already.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pymysql

ROOT = Path(__file__).resolve().parent.parent
START_S = 60
FORGETFUL = ("--innodb-flush-log-at-trx-commit=2", "--skip-innodb-doublewrite", "--skip-log-bin")
"""For tests, which end processes but never cut the power: commits do not wait for the disk. Benchmarks go without."""


def free_port() -> int:
    """A port that is free now. Whoever binds it must cope with losing it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def servers() -> Iterator[dict[str, str]]:
    """Kind → `mysql://…:port` of each server that can be had here, started at most once a machine's test run."""
    urls: dict[str, str] = {}
    with ExitStack() as stack:
        for kind, start in (("mariadb", mariadb), ("mysql", mysql)):
            given = os.environ.get(f"OPS_TEST_{kind.upper()}")
            if given:
                urls[kind] = given
            elif given is None:
                url = stack.enter_context(start(*FORGETFUL))
                if url:
                    urls[kind] = url
        yield urls


@contextmanager
def fresh(server_url: str) -> Iterator[str]:
    """A new, empty database on that server, gone afterwards."""
    name = f"ops_{os.urandom(6).hex()}"
    _execute(server_url, f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
    try:
        yield f"{server_url}/{name}"
    finally:
        _execute(server_url, f"DROP DATABASE {name}")


@contextmanager
def mariadb(*more: str) -> Iterator[str | None]:
    """A MariaDB, with these options besides, until the block ends; None where there is no `mariadbd`."""
    program = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")
    if program is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="ops-mariadb-") as name:
        folder = Path(name)
        data = folder / "data"
        data.mkdir()
        options = ["--no-defaults", f"--user={_user()}", f"--datadir={data}", "--innodb-log-file-size=32M"]
        share = Path("/usr/share/mysql")
        tables = [(share / file).read_text() for file in ("mysql_system_tables.sql", "mysql_system_tables_data.sql")]
        script = "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n" + "\n".join(tables)
        subprocess.run([program, *options, "--bootstrap"], input=script.encode(), check=True, capture_output=True)
        port = free_port()
        run = [program, *options, f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder}/s", f"--pid-file={folder}/pid"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([*run, "--skip-grant-tables", *more], stdout=log, stderr=log)
        try:
            url = f"mysql://root@127.0.0.1:{port}"
            _await(url, process, folder / "log")
            yield url
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def mysql(*more: str) -> Iterator[str | None]:
    """A MySQL (Oracle's), with these options besides, until the block ends; None where it cannot be had."""
    tool = Path(os.environ.get("OPS_REAL_MYSQL") or ROOT.parent / "shared/tools/real-mysql")
    if not tool.exists():
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="ops-mysql-") as folder:
        started = subprocess.run(["bash", tool, "start", folder, str(free_port()), *more], capture_output=True, text=True, check=False)
        if started.returncode == 3:
            yield None
            return
        if started.returncode:
            raise RuntimeError(f"real-mysql: {started.stderr.strip()}")
        try:
            yield started.stdout.strip().splitlines()[-1].rstrip("/")
        finally:
            subprocess.run(["bash", tool, "stop", folder], capture_output=True, check=False)


def _user() -> str:
    import getpass

    return getpass.getuser()


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            _execute(url, "SELECT 1")
            return
        except pymysql.err.OperationalError:
            time.sleep(0.1)
    raise RuntimeError(f"the database server did not start: {log.read_text()[-600:]}")


def _execute(server_url: str, statement: str) -> None:
    host, _, port = server_url.rpartition("@")[2].partition(":")
    connection = pymysql.connect(host=host, port=int(port), user="root", autocommit=True)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()
