"""What must not be in the database: the CA, the manager's own certificate, the master secret, the audit key.

Files of mode 0600 in a folder of mode 0700; the manager refuses to start when others may read them. Whoever
holds the database but not these files can neither sign a command nor make a node's certificate nor rewrite the
audit log. Several managers share one set: copy the folder.
"""

from __future__ import annotations

import os
import secrets
import stat
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from server.errors import BadInput, ConfigError
from server.seals import Seals

CA_DAYS = 3650
SERVER_DAYS = 397
_CA, _CA_KEY, _SERVER, _SERVER_KEY, _MASTER, _AUDIT = (
    "ca.crt",
    "ca.key",
    "server.crt",
    "server.key",
    "master.secret",
    "audit.key",
)


@dataclass(frozen=True)
class Keys:
    folder: Path
    ca: x509.Certificate
    ca_key: ec.EllipticCurvePrivateKey
    seals: Seals
    audit: bytes

    @property
    def ca_file(self) -> Path:
        return self.folder / _CA

    @property
    def server_files(self) -> tuple[Path, Path]:
        """Certificate (with its chain) and key of both listeners."""
        return self.folder / _SERVER, self.folder / _SERVER_KEY

    @property
    def ca_pem(self) -> str:
        return _pem(self.ca).decode()

    @property
    def ca_pin(self) -> str:
        """SHA-256 of the CA certificate in hex: what an enrolment token carries."""
        return self.ca.fingerprint(hashes.SHA256()).hex()

    def dispatch_key(self, node_id: str) -> bytes:
        """The key that signs this node's commands: derived, so it is nowhere stored here."""
        return self.seals.derive(f"dispatch {node_id}")

    def issue(self, csr_pem: str, node_id: str, days: int, now: int) -> x509.Certificate:
        """A client certificate for the key of `csr_pem`; every name in the CSR is ignored.

        Raises BadInput when it is no CSR, is not signed by its own key, or its key is not P-256.
        """
        key = _proven_key(csr_pem)
        builder = _builder(f"node {node_id}", self.ca.subject, key, self.ca_key.public_key(), now, days)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=True)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        return builder.sign(self.ca_key, hashes.SHA256())


def public_key_hash(csr_pem: str) -> str:
    """SHA-256 (hex) of the public key in a CSR; the same key asking twice is the same host.

    Raises BadInput when it is no CSR or not signed by its own key: a public key is no secret, only its owner may ask with it.
    """
    der = _proven_key(csr_pem).public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(der)
    return digest.finalize().hex()


def _proven_key(csr_pem: str) -> ec.EllipticCurvePublicKey:
    try:
        csr = x509.load_pem_x509_csr(csr_pem.encode())
    except ValueError as problem:
        raise BadInput("csr: not a PEM certificate request", field="csr") from problem
    key = csr.public_key()
    if not csr.is_signature_valid or not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise BadInput("csr: must be signed by its own key on the curve P-256", field="csr")
    return key


def open_keys(folder: Path, names: list[str], now: int) -> Keys:
    """Load the keys, making what is missing. `names` go into the server's certificate, which is renewed here
    when it ends within 30 days or its names changed. Raises ConfigError on a loose mode or a damaged file."""
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        folder.chmod(0o700)
    for path in [folder, *folder.iterdir()]:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ConfigError(f"{path}: others may read it; run: chmod -R go= {folder}")
    if not (folder / _CA).exists():
        _make_ca(folder, now)
    for name in (_MASTER, _AUDIT):
        if not (folder / name).exists():
            write_private(folder / name, secrets.token_hex(32).encode())
    try:
        ca = x509.load_pem_x509_certificate((folder / _CA).read_bytes())
        ca_key = serialization.load_pem_private_key((folder / _CA_KEY).read_bytes(), None)
        assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
        master, audit = (bytes.fromhex((folder / name).read_text().strip()) for name in (_MASTER, _AUDIT))
        if len(master) != 32 or len(audit) != 32:
            raise ValueError("a secret does not have 32 bytes")
    except (OSError, ValueError, AssertionError) as problem:
        raise ConfigError(f"{folder}: a key file is damaged or missing ({problem}); restore the folder from its backup") from problem
    keys = Keys(folder, ca, ca_key, Seals(master), audit)
    _renew_server(keys, names, now)
    return keys


def _make_ca(folder: Path, now: int) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Ops Scaffold CA {secrets.token_hex(4)}")])
    builder = _builder("", name, key.public_key(), key.public_key(), now, CA_DAYS).subject_name(name)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    builder = builder.add_extension(usage, critical=True)
    write_private(folder / _CA_KEY, _private(key))
    write_private(folder / _CA, _pem(builder.sign(key, hashes.SHA256())))


def _renew_server(keys: Keys, names: list[str], now: int) -> None:
    certificate_file, key_file = keys.server_files
    wanted = sorted(set(names))
    if certificate_file.exists() and key_file.exists():
        old = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        alternative = old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        have = sorted({str(item.value) for item in alternative})
        if have == wanted and old.not_valid_after_utc.timestamp() * 1000 > now + 30 * 86_400_000:
            return
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder("Ops Scaffold manager", keys.ca.subject, key.public_key(), keys.ca_key.public_key(), now, SERVER_DAYS)
    builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(name) for name in wanted]), critical=False)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=True)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    write_private(key_file, _private(key))
    write_private(certificate_file, _pem(builder.sign(keys.ca_key, hashes.SHA256())))


def _builder(
    common_name: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey, issuer_key: ec.EllipticCurvePublicKey, now: int, days: int
) -> x509.CertificateBuilder:
    moment = datetime.fromtimestamp(now / 1000, timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # An hour back: a host whose clock is a little behind must not refuse its own new certificate.
        .not_valid_before(moment - timedelta(hours=1))
        .not_valid_after(moment + timedelta(days=days))
        # Strict checkers (Python 3.13 by default) want both key identifiers.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )
    if common_name:
        builder = builder.subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
    return builder


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def write_private(path: Path, data: bytes) -> None:
    """Replace a file that only this account may read, in one step."""
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.rename(path)
