"""Keys and certificates of enrolment. Imports cryptography: only for the short-lived `ops-daemon enroll`."""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from host.lib.errors import LinkError
from host.lib.files import write_atomically

AGENT_NAMES = ("localhost",)
AGENT_ADDRESSES = ("127.0.0.1", "::1")
AGENT_YEARS = 20

Key = ec.EllipticCurvePrivateKey


def load_or_make_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The P-256 key in `path`; it is made and on disk before anybody is asked, so that a repeated enrolment is of the same key."""
    if path.exists():
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), None)
        except (ValueError, TypeError) as problem:
            raise LinkError("D2002", f"{path} is no private key", "remove it; a new one will be made") from problem
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise LinkError("D2002", f"{path} is no EC key", "remove it; a new one will be made")
        return key
    key = ec.generate_private_key(ec.SECP256R1())
    write_atomically(path, _pem(key))
    return key


def request_for(key: ec.EllipticCurvePrivateKey, hostname: str) -> str:
    """A signing request, PEM. The name in it is a wish: the manager chooses."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname[:64] or "host")])
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(name)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        .decode()
    )


def fits(certificate: str, key: ec.EllipticCurvePrivateKey) -> bool:
    """Whether a PEM certificate is for this key. Raises ValueError when it is no certificate."""
    return x509.load_pem_x509_certificate(certificate.encode()).public_key() == key.public_key()


def key_hash(csr: str) -> str:
    """SHA-256 (hex) of the public key in a signing request: what people compare."""
    key = x509.load_pem_x509_csr(csr.encode()).public_key()
    return hashlib.sha256(key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def pin_of(certificate: str) -> str:
    """SHA-256 (hex) of a PEM certificate's DER. Raises ValueError when it is no certificate."""
    return x509.load_pem_x509_certificate(certificate.encode()).fingerprint(hashes.SHA256()).hex()


def make_agent_certificate(key_path: Path, certificate_path: Path, now: datetime) -> None:
    """A self-signed certificate for the agent's API on loopback; the daemon trusts exactly this one. An existing pair is kept."""
    if key_path.exists() and certificate_path.exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ops-agent")])
    names: list[x509.GeneralName] = [x509.DNSName(one) for one in AGENT_NAMES]
    names += [x509.IPAddress(ipaddress.ip_address(one)) for one in AGENT_ADDRESSES]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))  # this host's clock may yet be set back
        .not_valid_after(now + timedelta(days=365 * AGENT_YEARS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    write_atomically(key_path, _pem(key))
    write_atomically(certificate_path, certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
