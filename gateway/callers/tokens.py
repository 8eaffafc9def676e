"""Bearer JWTs (RFC 6750, RFC 7519): from an Authorization header to a Caller.

Only asymmetric algorithms are known here: a public key cannot be mistaken for a shared secret, and
``none`` is no algorithm.
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import jwt
from jwt.exceptions import InvalidSubjectError
from jwt.types import Options

from gateway.callers.caller import Caller
from gateway.callers.jwks import KeySet
from gateway.callers.published_keys import ALGORITHMS, PublicKey
from gateway.callers.remembered_tokens import Identity, RememberedTokens
from gateway.callers.subjects import NameOf
from gateway.callers.validity import Validity
from gateway.characters import has_visible
from gateway.errors import NotAuthenticated
from gateway.uuids import parse_uuid

ALL_ACCOUNTS = "*"
MOST_KEYS = 5  # that are tried for one token
LONGEST_SUBJECT = 2048  # characters; SPIFFE-ID, section 2.3, the longest that is known

# What an access token may say that it is (RFC 9068, section 2.1): other kinds of JWT come from the
# same issuer, with the same audience (RFC 8725, section 3.11).
_TYPES = {"jwt", "at+jwt", "application/jwt", "application/at+jwt"}
_CLAIMS: Options = {
    "require": ["exp", "iss", "aud", "sub"],
    # By the clock that is an argument, and as well for a token that is remembered: see Validity.
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    # Without a signature the library would check none of these.
    "verify_aud": True,
    "verify_iss": True,
    "verify_sub": True,
}
_NOT_IN_SUBJECTS = {"Cc", "Cs", "Zl", "Zp"}  # Unicode: controls, surrogates, line separators


class Authenticator(Protocol):
    """Tells who asks."""

    async def identify(self, authorization: str | None) -> Caller:
        """The caller behind an ``Authorization`` header.

        Raises NotAuthenticated, or IdentityUnavailable while that cannot be told.
        """


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


@dataclass(frozen=True, slots=True)
class _Token:
    """A token, and what its header names; nothing of it is proved."""

    text: str
    key_id: str | None
    algorithm: str


class TokenVerifier:
    """Checks bearer tokens against a key set; ``name_of`` makes the names of callers in the log.

    ``now`` is UNIX seconds. ``remembered`` has the tokens that were verified before.
    """

    def __init__(
        self,
        keys: KeySet,
        rules: TokenRules,
        name_of: NameOf,
        *,
        now: Callable[[], float],
        remembered: RememberedTokens,
    ) -> None:
        self._keys = keys
        self._rules = rules
        self._name_of = name_of
        self._now = now
        self._remembered = remembered

    async def identify(self, authorization: str | None) -> Caller:
        """The token's caller; raises NotAuthenticated, or IdentityUnavailable.

        Who has a token of a known key never waits. Others wait for the keys to be fetched anew.
        """
        text = _bearer(authorization)
        identity = self._remembered.find(text)
        if identity is not None and self._holds(identity):
            return identity.caller
        return await self._verified(_parsed(text))

    def _holds(self, identity: Identity) -> bool:
        """Whether a verification now would say the same."""
        if identity.proved_by != self._keys.version():
            return False
        return identity.validity.objection(self._now(), self._rules.leeway) is None

    async def _verified(self, token: _Token) -> Caller:
        try:
            identity = await self._identity(token)
        except _Refused as refusal:
            raise _refused(str(refusal), token.key_id) from refusal.__cause__
        self._remembered.keep(token.text, identity)
        return identity.caller

    async def _identity(self, token: _Token) -> Identity:
        while True:
            # Nothing is awaited between the two: they are of the same keys.
            version = self._keys.version()
            keys = self._keys.find(token.key_id, token.algorithm)
            claims = self._proved(token, keys)
            if claims is not None:
                validity = self._validity(claims)
                return Identity(self._caller(claims), validity, version)
            self._refuse_at_once(token)
            if self._keys.has_looked_for(token.text, token.key_id):
                raise _Refused("its signature does not hold" if keys else "its key is not known")
            await self._keys.renew(token.key_id)

    def _refuse_at_once(self, token: _Token) -> None:
        """Raise _Refused for what is refused whatever its key is: that needs no fetch."""
        claims = self._decoded(token, None)
        self._validity(claims)
        self._caller(claims)

    def _proved(self, token: _Token, keys: Sequence[PublicKey]) -> Mapping[str, Any] | None:
        """The claims, or None where none of the keys has signed them."""
        if len(keys) > MOST_KEYS:
            raise _Refused("its header names no key (kid), and too many keys fit")
        for key in keys:
            try:
                return self._decoded(token, key)
            except jwt.InvalidSignatureError:
                continue
        return None

    def _decoded(self, token: _Token, key: PublicKey | None) -> Mapping[str, Any]:
        """The claims, checked; without a key they are what anybody may have written."""
        try:
            claims: Mapping[str, Any] = jwt.decode(
                token.text,
                key.key if key else "",
                algorithms=[token.algorithm],
                issuer=self._rules.issuer,
                audience=self._rules.audience,
                options={**_CLAIMS, "verify_signature": key is not None},
            )
        except jwt.InvalidSignatureError:
            raise
        except jwt.PyJWTError as error:
            raise _Refused(_reason(error)) from error
        return claims

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        # Subjects are unique within their issuer only; of those there is one.
        subject = _subject(claims["sub"])
        return Caller(
            id=subject,
            name=self._name_of(subject),
            scopes=_scopes(claims),
            accounts=_accounts(claims.get(self._rules.accounts_claim)),
        )

    def _validity(self, claims: Mapping[str, Any]) -> Validity:
        """When the token is valid; raises _Refused where that is not now."""
        try:
            validity = Validity.of(claims)
        except ValueError as error:
            raise _Refused(str(error)) from None
        if objection := validity.objection(self._now(), self._rules.leeway):
            raise _Refused(objection)
        return validity


class _Refused(Exception):
    """Why a token is refused: words that hold nothing of it."""


def _bearer(authorization: str | None) -> str:
    if authorization is None:
        raise NotAuthenticated(
            "An access token is needed: send Authorization: Bearer <token>.", reason="no token"
        )
    scheme, _, rest = authorization.partition(" ")
    token = rest.strip(" \t")
    if scheme.lower() != "bearer" or not token or "," in token:  # of a second one, or of a list
        raise _refused("the Authorization header is not of the form Bearer <token>")
    return token


def _parsed(text: str) -> _Token:
    try:
        header = jwt.get_unverified_header(text)
    except (jwt.PyJWTError, UnicodeEncodeError) as error:
        raise _refused("it is not a JWT, or its header cannot be read") from error
    key_id, algorithm, kind = header.get("kid"), header.get("alg"), header.get("typ")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise _refused("its algorithm is not accepted", key_id)
    if kind is not None and not (isinstance(kind, str) and kind.lower() in _TYPES):
        raise _refused("its type (typ) is not that of an access token", key_id)
    return _Token(text, key_id, algorithm)


def _reason(error: jwt.PyJWTError) -> str:
    match error:
        case jwt.InvalidAudienceError() | jwt.InvalidIssuerError():
            return "it is not meant for this gateway"
        case jwt.MissingRequiredClaimError():
            return "it lacks one of the claims exp, iss, aud and sub"
        case InvalidSubjectError():
            return _NO_SUBJECT
    return "its claims cannot be read"


_NO_SUBJECT = "its subject (sub) is not a text with visible characters"


def _subject(claim: Any) -> str:
    """The subject exactly as it is: no two subjects are the same caller."""
    if not isinstance(claim, str) or not has_visible(claim):
        raise _Refused(_NO_SUBJECT)
    if len(claim) > LONGEST_SUBJECT:
        raise _Refused(f"its subject (sub) is longer than {LONGEST_SUBJECT} characters")
    if any(unicodedata.category(character) in _NOT_IN_SUBJECTS for character in claim):
        raise _Refused("its subject (sub) has control characters or lone surrogates")
    return claim


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """``scope`` (RFC 8693, section 4.2), or ``scp`` where that says nothing; texts and lists."""
    return _words(claims.get("scope")) or _words(claims.get("scp"))


def _words(claim: Any) -> frozenset[str]:
    words = claim.split() if isinstance(claim, str) else claim if isinstance(claim, list) else []
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


def _refused(reason: str, key_id: str | None = None) -> NotAuthenticated:
    message = f"The access token is refused: {reason}."
    return NotAuthenticated(message, reason=reason, key_id=key_id)
