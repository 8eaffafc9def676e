"""How a message is signed (RFC 9421). No I/O: bytes, mappings and a time in, header values out."""

from gateway.signing.digest import check_content_digest, content_digest
from gateway.signing.fastest import SigningKey, fastest
from gateway.signing.keys import PrivateKey, PublicKey
from gateway.signing.message_signatures import (
    Message,
    SignatureInput,
    Signer,
    signature_base,
    verify,
)

__all__ = [
    "Message",
    "PrivateKey",
    "PublicKey",
    "SignatureInput",
    "Signer",
    "SigningKey",
    "check_content_digest",
    "content_digest",
    "fastest",
    "signature_base",
    "verify",
]
