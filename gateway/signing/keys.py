"""P-384 keys in OpenSSL: the only file that touches ``cryptography``.

Facts (RFC 9421 section 3.3.5, provider page section 4.1): ``ecdsa-p384-sha384`` signatures are the
raw r ‖ s, each an unsigned big-endian number *padded to 48 bytes*, 96 bytes in all; never DER.
"""

from typing import Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from gateway.errors import SignatureInvalid, SigningError

ALGORITHM = "ecdsa-p384-sha384"
_HALF = 48
_ECDSA = ec.ECDSA(hashes.SHA384())


class PublicKey:
    """A P-384 public key that checks signatures."""

    def __init__(self, key: ec.EllipticCurvePublicKey) -> None:
        self._key = key

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Read an SPKI PEM; raises SigningError when it is not a P-384 public key."""
        try:
            key = serialization.load_pem_public_key(pem)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise SigningError("the public key is not a readable PEM") from error
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp384r1":
            raise SigningError("the public key is not an ECDSA P-384 (secp384r1) key")
        return cls(key)

    def to_pem(self) -> bytes:
        """The SPKI PEM, armour lines included."""
        return self._key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def verify(self, signature: bytes, base: bytes) -> None:
        """Check a 96-byte r ‖ s over ``base``; raises SignatureInvalid."""
        if len(signature) != 2 * _HALF:
            raise SignatureInvalid("the signature is not 96 bytes of r and s")
        r, s = (int.from_bytes(half, "big") for half in (signature[:_HALF], signature[_HALF:]))
        try:
            self._key.verify(encode_dss_signature(r, s), base, _ECDSA)
        except InvalidSignature as error:
            raise SignatureInvalid("the signature does not fit the message") from error


class PrivateKey:
    """A P-384 private key that signs; its text forms show nothing of it."""

    library = "openssl"

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key

    @classmethod
    def generate(cls) -> Self:
        """A fresh random key."""
        return cls(ec.generate_private_key(ec.SECP384R1()))

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Read an unencrypted PKCS #8 or SEC 1 PEM; raises SigningError when it is not P-384."""
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise SigningError("the private key is not a readable, unencrypted PEM") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp384r1":
            raise SigningError("the private key is not an ECDSA P-384 (secp384r1) key")
        return cls(key)

    def to_pem(self) -> bytes:
        """The PKCS #8 PEM, unencrypted: write it to a file that only its owner can read."""
        return self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def to_sec1_der(self) -> bytes:
        """The SEC 1 DER (RFC 5915), unencrypted: for another library in this process alone."""
        return self._key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )

    def public_key(self) -> PublicKey:
        """The public half."""
        return PublicKey(self._key.public_key())

    def sign(self, base: bytes) -> bytes:
        """Sign ``base``: 96 bytes, r ‖ s."""
        return raw_signature(self._key.sign(base, _ECDSA))


def raw_signature(der: bytes) -> bytes:
    """The 96 bytes r ‖ s of a signature in DER, each number with its leading zero bytes."""
    r, s = decode_dss_signature(der)
    return r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")
