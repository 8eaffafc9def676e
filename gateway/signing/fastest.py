"""Which library signs: AWS-LC where the extra ``fast`` is installed, else OpenSSL.

AWS-LC is a cryptography library in C, as OpenSSL is, that makes a P-384 signature in about half the
time. It comes inside ``awscrt``, which is imported once a key is asked for: that takes some
0.1 s and 6 MiB.
"""

from hashlib import sha384
from typing import Protocol

from gateway.signing.keys import PrivateKey, raw_signature


class SigningKey(Protocol):
    """A P-384 private key that signs; ``library`` names what computes the signatures."""

    library: str

    def sign(self, base: bytes) -> bytes:
        """Sign ``base``: 96 bytes, r ‖ s."""


class AwsLcKey:
    """The same private key in AWS-LC; its text forms show nothing of it."""

    library = "aws-lc"

    def __init__(self, key: PrivateKey) -> None:
        """Raises ImportError where ``awscrt`` is missing, or too old for elliptic curves."""
        from awscrt.crypto import EC

        self._key = EC.new_key_from_der_data(key.to_sec1_der())

    def sign(self, base: bytes) -> bytes:
        """Sign ``base``: 96 bytes, r ‖ s."""
        return raw_signature(self._key.sign(sha384(base).digest()))


def fastest(key: PrivateKey) -> SigningKey:
    """The key in the fastest library that is installed."""
    try:
        return AwsLcKey(key)
    except ImportError:
        return key
