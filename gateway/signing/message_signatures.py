"""RFC 9421 HTTP Message Signatures: covered components → signature base → headers, and back.

How it works (section numbers are RFC 9421's):

    "@method": POST                                   one line per covered component (2.5),
    "@authority": api.sandbox.offblocks.xyz           derived components from the request (2.2),
    "content-digest": sha-512=:…:                     fields by lower-case name (2.1)
    "@signature-params": ("@method" …);keyid="…"…     last line: what is signed, and how (2.3)

Signing writes that list once, by hand, because our components and parameters are fixed; verifying
parses whatever was received and rebuilds the base from the *received* order (3.2).
"""

import base64
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from gateway.errors import SignatureInvalid, SigningError
from gateway.signing.fastest import SigningKey
from gateway.signing.fields import (
    check_one_byte_sequence,
    parse_dictionary,
    serialise_inner_list,
)
from gateway.signing.keys import ALGORITHM, PublicKey

# RFC 9421 section 2.3 gives each parameter one type.
_TYPES = {"keyid": str, "alg": str, "created": int, "expires": int, "nonce": str, "tag": str}
# The names that a refusal may hold. Any other name is the sender's, and could be a value.
_SHOWN = {"@method", "@authority", "@path", "content-digest", "signature", "signature-input"}


@dataclass(frozen=True, slots=True)
class Message:
    """The parts of a request that can be covered.

    ``authority`` is lower-case, with a port only where it is not the scheme's default (2.2.3);
    ``path`` is the escaped path as sent, without the query (2.2.6); header names are lower-case.
    """

    method: str
    authority: str
    path: str
    headers: Mapping[str, str]

    def component(self, name: str) -> str:
        """The value of one covered component; raises SignatureInvalid when it is not there."""
        derived = {"@method": self.method, "@authority": self.authority, "@path": self.path}
        value = derived.get(name) if name.startswith("@") else self.headers.get(name)
        value = value.strip(" \t") if value is not None else None
        # A line break within a value would add a line to the signature base.
        if value is None or not value.isascii() or not value.isprintable():
            shown = name if name in _SHOWN else "for a name that the signature covers"
            raise SignatureInvalid(f"the message has no usable component {shown}")
        return value


@dataclass(frozen=True, slots=True)
class SignatureHeaders:
    """The two header values that carry one signature."""

    signature_input: str
    signature: str


@dataclass(frozen=True, slots=True)
class SignatureInput:
    """What a received ``Signature-Input`` says of its one signature (4.1)."""

    label: str
    covered: tuple[str, ...]
    parameters: Mapping[str, Any]

    @classmethod
    def of(cls, message: Message) -> Self:
        """Parse that of a message; raises SignatureInvalid."""
        signatures = parse_dictionary(message.component("signature-input"), "Signature-Input")
        if len(signatures) != 1:
            raise SignatureInvalid("Signature-Input must hold exactly one signature")
        [(label, (items, parameters))] = signatures.items()
        if not isinstance(items, list):
            raise SignatureInvalid("Signature-Input is not a list of components")
        covered = tuple(name for name, flags in items if isinstance(name, str) and not flags)
        # Component flags (;sf, ;req …) change the meaning of a component: refuse what is not known.
        if len(covered) != len(items) or len(set(covered)) != len(covered):
            raise SignatureInvalid("Signature-Input lists a component twice or with unknown flags")
        return cls(label, covered, parameters)

    @property
    def params(self) -> str:
        """The value of ``@signature-params``, in the received order (3.2)."""
        return serialise_inner_list(self.covered, dict(self.parameters))


@dataclass(frozen=True, slots=True)
class Verified:
    """What a signature that holds says of itself; times are integer UNIX seconds."""

    covered: tuple[str, ...]
    keyid: str
    created: int
    expires: int | None


def signature_params(
    covered: Sequence[str], *, keyid: str, alg: str, created: int, expires: int
) -> str:
    """The value of ``@signature-params`` in the provider's own order (provider page, 4.1)."""
    names = " ".join(f'"{name}"' for name in covered)
    return f'({names});keyid="{keyid}";alg="{alg}";created={created};expires={expires}'


def signature_base(message: Message, covered: Sequence[str], params: str) -> bytes:
    """The text that is signed (2.5): LF between lines, none at the end.

    Raises SignatureInvalid when a covered component is missing from the message.
    """
    lines = [f'"{name}": {message.component(name)}' for name in covered]
    return "\n".join([*lines, f'"@signature-params": {params}']).encode("ascii")


class Signer:
    """Signs messages under one registered key id."""

    def __init__(self, key: SigningKey, *, keyid: str, label: str = "sig") -> None:
        if not keyid.isascii() or not keyid.isprintable() or '"' in keyid or "\\" in keyid:
            raise SigningError("a keyid may not hold quotes, backslashes or unprintable text")
        self._key = key
        self._keyid = keyid
        self._label = label

    def sign(
        self, message: Message, covered: Sequence[str], *, created: int, expires: int
    ) -> SignatureHeaders:
        """Sign the covered components; times are integer UNIX seconds."""
        params = signature_params(
            covered, keyid=self._keyid, alg=ALGORITHM, created=created, expires=expires
        )
        raw = self._key.sign(signature_base(message, covered, params))
        encoded = base64.b64encode(raw).decode("ascii")
        return SignatureHeaders(f"{self._label}={params}", f"{self._label}=:{encoded}:")


def verify(
    message: Message,
    find_key: Callable[[str], PublicKey | None],
    *,
    now: float,
    required: Collection[str],
    tolerance: float = 0,
) -> Verified:
    """Check the message's one signature; raises SignatureInvalid with the reason.

    ``required`` names the components that must be covered; ``tolerance`` (seconds) is how far the
    signer's clock may run ahead. A signature without ``keyid`` or ``created`` is refused. The
    reason repeats nothing of the message.
    """
    given = SignatureInput.of(message)
    if missing := set(required) - set(given.covered):
        raise SignatureInvalid(f"the signature does not cover {', '.join(sorted(missing))}")
    keyid, created, expires = _check_parameters(given.parameters, now=now, tolerance=tolerance)
    key = find_key(keyid)
    if key is None:
        raise SignatureInvalid("the keyid is not known")
    raw = _parse_signature(message.component("signature"), given.label)
    key.verify(raw, signature_base(message, given.covered, given.params))
    return Verified(given.covered, keyid, created, expires)


def _parse_signature(header: str, label: str) -> bytes:
    signatures = parse_dictionary(header, "Signature")
    value, _ = signatures.get(label, (None, None))
    if not isinstance(value, bytes):
        raise SignatureInvalid("Signature does not hold the label of Signature-Input")
    if len(signatures) != 1:
        raise SignatureInvalid("Signature must hold exactly one signature")
    check_one_byte_sequence(header, label, value, "Signature")
    return value


def _check_parameters(
    parameters: Mapping[str, Any], *, now: float, tolerance: float
) -> tuple[str, int, int | None]:
    _check_types(parameters)
    if parameters.get("alg", ALGORITHM) != ALGORITHM:
        raise SignatureInvalid("algorithm mismatch for the keyid")
    if not {"keyid", "created"} <= parameters.keys():
        raise SignatureInvalid("keyid and created are needed")
    keyid, created, expires = parameters["keyid"], parameters["created"], parameters.get("expires")
    if created > now + tolerance or (expires is not None and now > expires):
        raise SignatureInvalid("signature expired, or created in the future: check the clock")
    return keyid, created, expires


def _check_types(parameters: Mapping[str, Any]) -> None:
    for name, value in parameters.items():
        if name not in _TYPES:
            raise SignatureInvalid(f"the signature has a parameter other than {', '.join(_TYPES)}")
        # By type and not by value: a token is equal to the string that reads the same, and the
        # Boolean ?1 is an integer.
        if type(value) is not _TYPES[name]:
            kind = "a string" if _TYPES[name] is str else "an integer"
            raise SignatureInvalid(f"the signature parameter {name} is not {kind}")
