"""The provider's access as both peers do it by hand: token, Content-Digest, RFC 9421 signature.

The same covered components, parameters and headers as the gateway's; written as one f-string per
part, which is the least that this work can cost in Python.
"""

import base64
import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

_ECDSA = ec.ECDSA(hashes.SHA384())
_HALF = 48
_LIFE = 300  # seconds


@dataclass(frozen=True)
class Settings:
    """What each peer finds in its environment."""

    port: int
    provider_url: str
    signing_key_file: Path
    signing_key_id: str
    api_key: str
    api_secret: str

    @classmethod
    def load(cls) -> "Settings":
        """Read the environment."""
        return cls(
            port=int(os.environ["PORT"]),
            provider_url=os.environ["PROVIDER_URL"],
            signing_key_file=Path(os.environ["SIGNING_KEY_FILE"]),
            signing_key_id=os.environ["SIGNING_KEY_ID"],
            api_key=os.environ["API_KEY"],
            api_secret=os.environ["API_SECRET"],
        )

    @property
    def credentials(self) -> dict[str, str]:
        """The body of ``POST /auth/token``."""
        return {"apiKey": self.api_key, "apiSecret": self.api_secret}


class Signer:
    """Signs requests to one provider with one P-384 key."""

    def __init__(self, settings: Settings) -> None:
        pem = settings.signing_key_file.read_bytes()
        key = serialization.load_pem_private_key(pem, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("an ECDSA key is needed")
        self._key = key
        self._keyid = settings.signing_key_id
        self._authority = urlsplit(settings.provider_url).netloc.lower()

    def headers(self, method: str, path: str, body: bytes = b"") -> dict[str, str]:
        """The headers that sign one request; ``path`` is the whole path."""
        covered, digest, headers = '"@method" "@authority" "@path"', "", {}
        if body:
            value = f"sha-512=:{base64.b64encode(hashlib.sha512(body).digest()).decode()}:"
            covered, digest = f'{covered} "content-digest"', f'"content-digest": {value}\n'
            headers["Content-Digest"] = value
        created = int(time.time())
        params = (
            f'({covered});keyid="{self._keyid}";alg="ecdsa-p384-sha384"'
            f";created={created};expires={created + _LIFE}"
        )
        base = (
            f'"@method": {method}\n"@authority": {self._authority}\n"@path": {path}\n'
            f'{digest}"@signature-params": {params}'
        )
        headers["Signature-Input"] = f"sig={params}"
        headers["Signature"] = f"sig=:{self._sign(base.encode())}:"
        return headers

    def _sign(self, base: bytes) -> str:
        r, s = decode_dss_signature(self._key.sign(base, _ECDSA))
        raw = r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")
        return base64.b64encode(raw).decode()
