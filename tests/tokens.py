"""An identity provider for tests: it signs tokens and shows its public keys."""

import json
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from gateway.cards import OPERATIONS

ISSUER, AUDIENCE = "https://id.example", "card-gateway"
LIFE = 10 * 365 * 86_400  # seconds: tests move the gateway's clock by weeks
ALL_SCOPES = " ".join(sorted({operation.scope for operation in OPERATIONS}))


class IdentityProvider:
    """Keys by id, written to a JWKS file as the gateway reads it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "jwks.json"
        self.keys: dict[str, Any] = {}
        self.add("ec-1", ec.generate_private_key(ec.SECP256R1()))

    def add(self, key_id: str, key: Any) -> None:
        """Publish another key."""
        self.keys[key_id] = key
        self.publish()

    def publish(self, *more: dict[str, Any]) -> None:
        """Write the JWKS, with further entries as they are."""
        listed = [self._public(key_id, key) for key_id, key in self.keys.items()]
        self.file.write_text(json.dumps({"keys": [*listed, *more]}))

    def _public(self, key_id: str, key: Any) -> dict[str, Any]:
        algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
        public = algorithm.to_jwk(key.public_key(), as_dict=True)
        return {**public, "kid": key_id, "use": "sig"}

    def token(self, key_id: str = "ec-1", *, headers: Any = None, **changes: Any) -> str:
        """A good token, with changes to its claims; a claim that is ... is left out."""
        key = self.keys[key_id]
        algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
        return self.signed(key, algorithm, headers={"kid": key_id} | (headers or {}), **changes)

    def signed(self, key: Any, algorithm: str, *, headers: Any, **changes: Any) -> str:
        """The same, signed by any key."""
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "alice",
            "exp": int(time.time()) + LIFE,
            "scope": ALL_SCOPES,
            "accounts": "*",
        } | changes
        claims = {name: value for name, value in claims.items() if value is not ...}
        shown = {name: value for name, value in headers.items() if value is not ...}
        return jwt.encode(claims, key, algorithm, headers=shown)

    def settings(self, **changes: Any) -> dict[str, Any]:
        """The gateway's settings for this identity provider."""
        return {
            "auth": "jwt",
            "jwt_keys": str(self.file),
            "jwt_issuer": ISSUER,
            "jwt_audience": AUDIENCE,
        } | changes
