"""Certificates made for a test: authorities, and what they or nobody signed."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CANARY = "canary-subject"
LOOPBACK = ("localhost", "127.0.0.1")
DAY = timedelta(days=1)


def _name(common: str) -> x509.Name:
    parts = {NameOID.COMMON_NAME: common, NameOID.ORGANIZATION_NAME: CANARY}
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts.items()])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(*parts: x509.Certificate | ec.EllipticCurvePrivateKey) -> bytes:
    return b"".join(
        part.public_bytes(serialization.Encoding.PEM)
        if isinstance(part, x509.Certificate)
        else part.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        for part in parts
    )


@dataclass
class Authority:
    """A CA whose files are in ``folder``; ``parent`` signed its certificate, or it did itself."""

    folder: Path
    name: str = "root"
    parent: "Authority | None" = None

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        issuer = self.parent or self
        self.certificate = _sign(self.name, self.key, issuer, ca=True)
        self.file = self.folder / f"{self.name}.pem"
        self.file.write_bytes(_pem(self.certificate))

    def issue(
        self, *names: str, begins: timedelta = -DAY, ends: timedelta = DAY, signed: bool = True
    ) -> Path:
        """A PEM file with a key and a certificate for these names, signed by us or by itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = self if signed else None
        leaf = _sign("leaf", key, issuer, names=names or LOOPBACK, begins=begins, ends=ends)
        path = self.folder / f"leaf-{leaf.serial_number}.pem"
        path.write_bytes(_pem(key, leaf))
        return path


def _sign(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: Authority | None,
    *,
    names: tuple[str, ...] = (),
    begins: timedelta = -DAY,
    ends: timedelta = DAY,
    ca: bool = False,
) -> x509.Certificate:
    now = datetime.now(UTC)
    signing_key = issuer.key if issuer else key
    usage = x509.KeyUsage(not ca, False, False, False, False, ca, ca, False, False)
    made = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer.name if issuer else subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), False
        )
    )
    if names:
        alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
        made = made.add_extension(alternatives, critical=False)
    return made.sign(signing_key, hashes.SHA256())
