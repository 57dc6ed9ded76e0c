"""A little certificate authority for tests: the manager's CA, its server, a node, and one nobody knows."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Pair:
    certificate: Path
    key: Path


class Authority:
    """Writes PEM files into `folder`; `ca` is its own certificate."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        basic = x509.BasicConstraints(ca=True, path_length=0)
        # The CA is older and younger than all that it signs: years, so that tests can set a clock wrong by one.
        self.certificate = (
            self._builder(self._name, self._key.public_key(), (-4000, 4000)).add_extension(basic, True).sign(self._key, hashes.SHA256())
        )
        self.ca = folder / "ca.crt"
        self.ca.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    @property
    def pin(self) -> str:
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def pair(
        self,
        name: str,
        dns: tuple[str, ...] = ("localhost",),
        addresses: tuple[str, ...] = ("127.0.0.1",),
        days: tuple[float, float] = (-1, 30),
        purpose: x509.ObjectIdentifier | None = None,
        self_signed: bool = False,
    ) -> Pair:
        """`days`: from when until when it is good, counted from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(one) for one in dns]
        names += [x509.IPAddress(ipaddress.ip_address(one)) for one in addresses]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(subject, key.public_key(), days, subject if self_signed else None).add_extension(
            x509.SubjectAlternativeName(names), False
        )
        if purpose:
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), True)
        pair = Pair(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        pair.certificate.write_bytes(
            builder.sign(key if self_signed else self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        pair.key.write_bytes(key.private_bytes(*form))
        return pair

    def issue(self, csr_pem: str, days: tuple[float, float] = (-1, 30)) -> str:
        csr = x509.load_pem_x509_csr(csr_pem.encode())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node")])
        certificate = self._builder(subject, csr.public_key(), days).sign(self._key, hashes.SHA256())
        return certificate.public_bytes(serialization.Encoding.PEM).decode()

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, days: tuple[float, float] = (-1, 30), issuer: x509.Name | None = None
    ) -> x509.CertificateBuilder:
        now = datetime.now(timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=-days[0]))
            .not_valid_after(now + timedelta(days=days[1]))
        )
