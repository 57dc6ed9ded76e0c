"""An authority for tests, and servers' certificates from it."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    def __init__(self, folder: Path) -> None:
        self._folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority of tests")])
        basic = x509.BasicConstraints(ca=True, path_length=0)
        self._made = _builder(self._name, self._name, self._key).add_extension(basic, True).sign(self._key, hashes.SHA256())
        self.pem = self._made.public_bytes(serialization.Encoding.PEM).decode()

    def context(self, *names: str) -> ssl.SSLContext:
        """For a server that has one of these names or addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        san = x509.SubjectAlternativeName([_general(name) for name in names])
        made = _builder(x509.Name([]), self._name, key).add_extension(san, True).sign(self._key, hashes.SHA256())
        path = self._folder / f"{made.serial_number}.pem"
        pem = serialization.Encoding.PEM
        path.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    return made.serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + day)
