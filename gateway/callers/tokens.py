"""Bearer JWTs (RFC 6750, RFC 7519): from an Authorization header to a Caller.

Only asymmetric algorithms are known here: a public key cannot be mistaken for a shared secret, and
``none`` is no algorithm.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import jwt

from gateway.callers.caller import Caller
from gateway.callers.jwks import KeySet
from gateway.errors import NotAuthenticated
from gateway.uuids import parse_uuid

ALGORITHMS = {  # by the type of the key that they need
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA",),
}
ALL_ACCOUNTS = "*"


class Authenticator(Protocol):
    """Tells who asks."""

    async def identify(self, authorization: str | None) -> Caller:
        """The caller behind an ``Authorization`` header; raises NotAuthenticated."""


class AnyoneAllowed:
    """Lets everybody in as the same caller."""

    async def identify(self, authorization: str | None) -> Caller:
        """Anyone, whatever the header says."""
        return Caller.anyone()


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a token must say; ``leeway`` is in seconds."""

    issuer: str
    audience: str
    leeway: float
    accounts_claim: str


class TokenVerifier:
    """Checks bearer tokens against a key set."""

    def __init__(self, keys: KeySet, rules: TokenRules) -> None:
        self._keys = keys
        self._rules = rules

    async def identify(self, authorization: str | None) -> Caller:
        """The token's caller; raises NotAuthenticated, or IdentityUnavailable without keys."""
        token = _bearer(authorization)
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise _refused("it is not a JWT") from error
        if not any(header.get("alg") in names for names in ALGORITHMS.values()):
            raise _refused("its algorithm is not accepted")
        key = await self._keys.find(header.get("kid"))
        if key is None:
            raise _refused("its key is not known")
        return self._caller(self._claims(token, key))

    def _claims(self, token: str, key: jwt.PyJWK) -> Mapping[str, Any]:
        try:
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=ALGORITHMS[key.key_type or ""],
                issuer=self._rules.issuer,
                audience=self._rules.audience,
                leeway=self._rules.leeway,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise _refused("it has expired") from error
        except (jwt.InvalidAudienceError, jwt.InvalidIssuerError) as error:
            raise _refused("it is not meant for this gateway") from error
        except jwt.InvalidTokenError as error:
            raise _refused("its signature or its claims do not hold") from error
        return claims

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        # Subjects are unique within their issuer only; of those there is one.
        return Caller(
            id=str(claims["sub"]),
            scopes=_scopes(claims),
            accounts=_accounts(claims.get(self._rules.accounts_claim)),
        )


def _bearer(authorization: str | None) -> str:
    if authorization is None:
        raise NotAuthenticated("An access token is needed: send Authorization: Bearer <token>.")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _refused("the Authorization header is not of the form Bearer <token>")
    return token.strip()


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """``scope`` as one text (RFC 8693) or ``scp`` as a list, as issuers write it."""
    given = claims.get("scope", claims.get("scp", ""))
    words = given.split() if isinstance(given, str) else given if isinstance(given, list) else []
    return frozenset(word for word in words if isinstance(word, str))


def _accounts(claim: Any) -> frozenset[UUID] | None:
    """The accounts of a claim: a list of ids, or ``*`` for all; anything else is none."""
    if claim == ALL_ACCOUNTS:
        return None
    listed = [claim] if isinstance(claim, str) else claim if isinstance(claim, list) else []
    return frozenset(account for account in map(_uuid, listed) if account)


def _uuid(text: Any) -> UUID | None:
    try:
        return parse_uuid(text)
    except ValueError:
        return None


def _refused(reason: str) -> NotAuthenticated:
    return NotAuthenticated(f"The access token is refused: {reason}.")
