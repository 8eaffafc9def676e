"""The keys of a JWKS (RFC 7517): which of them may prove a token, and why others may not."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

LEAST_RSA_BITS = 2048  # RFC 7518, sections 3.3 and 3.5

_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}  # RFC 7518, section 3.4
_EDWARDS = {"Ed25519", "Ed448"}  # RFC 8037, section 3.1
_READERS: dict[str, Any] = {"RSA": RSAAlgorithm, "EC": ECAlgorithm, "OKP": OKPAlgorithm}

ALGORITHMS = _RSA | {*_CURVES.values(), "EdDSA"}
"""Asymmetric ones only: a public key is never taken for a shared secret."""


class KeysUnusable(Exception):
    """A key may not prove tokens, or a document has no key that may; the text says why."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key, and the algorithms (``alg``) whose signatures it may check."""

    id: str | None
    algorithms: frozenset[str]
    key: Any


@dataclass(frozen=True, slots=True)
class RefusedKey:
    """A key of the document that is passed over, and why."""

    id: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """What a JWKS holds; one key that cannot be used does not take the others away."""

    usable: Sequence[PublicKey]
    refused: Sequence[RefusedKey]


def read_keys(document: bytes) -> PublishedKeys:
    """The keys of a JWKS; raises KeysUnusable, ValueError or RecursionError where it is none."""
    content = json.loads(document)
    listed = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise KeysUnusable("it is not a JWKS")
    usable, refused = [], []
    for one in listed:
        try:
            usable.append(_public_key(one))
        except KeysUnusable as error:
            refused.append(RefusedKey(_id_of(one), str(error)))
    return PublishedKeys(usable, refused)


def _id_of(jwk: Any) -> str | None:
    key_id = jwk.get("kid") if isinstance(jwk, dict) else None
    return key_id if isinstance(key_id, str) else None


def _public_key(jwk: Any) -> PublicKey:
    if not isinstance(jwk, dict):
        raise KeysUnusable("it is not an object")
    if not isinstance(jwk.get("kid"), str | None):
        raise KeysUnusable("its id (kid) is not text")
    _check_use(jwk)
    algorithms = _algorithms(jwk)
    return PublicKey(jwk.get("kid"), algorithms, _read(jwk))


def _check_use(jwk: dict[str, Any]) -> None:
    """RFC 7517, sections 4.2 and 4.3; what is published is known to everybody."""
    operations = jwk.get("key_ops")
    if jwk.get("use") not in (None, "sig"):
        raise KeysUnusable("its use is not sig")
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        raise KeysUnusable("its key_ops do not have verify")
    if "d" in jwk:
        raise KeysUnusable("it is a private key, and whoever reads the JWKS could sign with it")


def _algorithms(jwk: dict[str, Any]) -> frozenset[str]:
    """Those of the key's type and curve, or the one among them that the key is for."""
    possible, named = _possible(jwk), jwk.get("alg")
    if named is None:
        return possible
    if not isinstance(named, str) or named not in possible:
        raise KeysUnusable("its algorithm (alg) is not accepted, or not one of its type and curve")
    return frozenset({named})


def _possible(jwk: dict[str, Any]) -> frozenset[str]:
    kind, curve = jwk.get("kty"), jwk.get("crv")
    if kind == "RSA":
        return _RSA
    if kind == "EC" and isinstance(curve, str) and curve in _CURVES:
        return frozenset({_CURVES[curve]})
    if kind == "OKP" and isinstance(curve, str) and curve in _EDWARDS:
        return frozenset({"EdDSA"})
    raise KeysUnusable("its type (kty) or its curve (crv) is not accepted")


def _read(jwk: dict[str, Any]) -> Any:
    try:
        key = _READERS[jwk["kty"]].from_jwk(jwk)
    except Exception:  # of several libraries, whose messages may quote the key
        raise KeysUnusable("its members cannot be read") from None
    if jwk["kty"] == "RSA" and key.key_size < LEAST_RSA_BITS:
        raise KeysUnusable(f"it has fewer than {LEAST_RSA_BITS} bits")
    return key
