"""The manager's own certificate, as the strictest clients check it."""

from __future__ import annotations

import subprocess

from tests.server.api.harness import START, Manager


def test_the_certificate_passes_the_strict_check_of_newer_clients(manager: Manager) -> None:
    certificate, _ = manager.services.keys.server_files
    command = ["openssl", "verify", "-x509_strict", "-attime", str(START // 1000), "-CAfile", str(manager.services.keys.ca_file)]
    done = subprocess.run([*command, str(certificate)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
