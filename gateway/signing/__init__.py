"""Room 1: how a message is signed. Pure: bytes, mappings and a time in, header values out."""

from gateway.signing.digest import check_content_digest, content_digest
from gateway.signing.keys import PrivateKey, PublicKey
from gateway.signing.message_signatures import Message, Signer, verify

__all__ = [
    "Message",
    "PrivateKey",
    "PublicKey",
    "Signer",
    "check_content_digest",
    "content_digest",
    "verify",
]
