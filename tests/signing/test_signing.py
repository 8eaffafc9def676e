"""The signing room: vectors that others made, what a verifier refuses, what keys give away."""

import base64
import hashlib
import hmac
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from string import ascii_uppercase
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from http_message_signatures import HTTPMessageVerifier, MappingKeyResolver, algorithms
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import SignatureInvalid, SigningError
from gateway.signing import (
    Message,
    PrivateKey,
    PublicKey,
    Signer,
    check_content_digest,
    content_digest,
    verify,
)
from gateway.signing.message_signatures import Verified, signature_base, signature_params
from tests.examples import examples

# --- the vector of the provider page, section 4.2 ---

BODY = (
    b'{"type":"virtual","billingAddress":{"firstLine":"1 Test Avenue","city":"London",'
    b'"country":"GB","postCode":"SW1 1AA"}}'
)
DIGEST = (
    "sha-512=:DLZ3DQC+FBGwwH0BdZiQYyX4LT3hTjKDqSI/MRO6j/LAfhzIGXvu7Sek"
    "HjDm5O7Xt/4OfFLVo29zjmxlfS6HOA==:"
)
KEYID = "86b59965-6cf1-4633-9148-92848330fd1b"
PATH = "/v1/accounts/ae61c362-4136-49af-8e01-544457fe265b/cards"
PARAMS = (
    '("@method" "@authority" "@path" "content-digest");'
    f'keyid="{KEYID}";alg="ecdsa-p384-sha384";created=1700000000;expires=1700000300'
)
BASE = f"""\
"@method": POST
"@authority": api.sandbox.offblocks.xyz
"@path": {PATH}
"content-digest": {DIGEST}
"@signature-params": {PARAMS}"""
BASE_SHA384 = (
    "c55a8dee9db6ba9600c027523cbbffd47798f50c4e26e0a5c111c3b791cd86e2"
    "aad20160cd0bd8039814eb0bb3eb329f"
)
SIGNATURE = (
    "4y52c17ucIMDrRnH39RAIG9SQPR3JNw/3BW3r854CFu8Z7tNd2DAbhrnFtLCZPlx"
    "cmZbg75dwYlOuKZcQw+sPHwHK7pOb7YOpq/7UK+/fYglzS0wAR/dk0IRS5CiheoL"
)
PUBLIC_KEY = PublicKey.from_pem(b"""\
-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAElDnefqeOT+RjwHiMVe3jfA2PI7efwh/w
hYYUtF8JsCGPnVEYjz/OhLLqgfBq7sAuq0tLlR1Q2zZGA7hfYr+F5pmD0aYsuYHA
OKju35RivjINgLYc4d/NK6uzP/YQ++y1
-----END PUBLIC KEY-----
""")
COVERED = ("@method", "@authority", "@path", "content-digest")
FIELDS = {
    "content-digest": DIGEST,
    "signature-input": f"sig={PARAMS}",
    "signature": f"sig=:{SIGNATURE}:",
}
VECTOR = Message("POST", "api.sandbox.offblocks.xyz", PATH, FIELDS)


def with_fields(message: Message, **changes: str | None) -> Message:
    """The message with other headers; None takes one away."""
    fields = dict(message.headers) | {name.replace("_", "-"): v for name, v in changes.items()}
    return replace(message, headers={name: v for name, v in fields.items() if v is not None})


def check(message: Message, now: float = 1_700_000_000, **changes: Any) -> Verified:
    """Verify as the vector's provider would."""
    return verify(message, {KEYID: PUBLIC_KEY}.get, now=now, required=COVERED, **changes)


def test_vector_base_is_the_providers() -> None:
    """Our signature base is the vector's, byte for byte, and so is its SHA-384."""
    params = signature_params(
        COVERED,
        keyid=KEYID,
        alg="ecdsa-p384-sha384",
        created=1_700_000_000,
        expires=1_700_000_300,
    )
    base = signature_base(VECTOR, COVERED, params)
    assert base == BASE.encode()
    assert hashlib.sha384(base).hexdigest() == BASE_SHA384


def test_vector_digest_is_the_providers() -> None:
    """Our Content-Digest of the vector's body is the vector's, and fits it."""
    assert len(BODY) == 117
    assert content_digest(BODY) == DIGEST
    check_content_digest(DIGEST, BODY)


@pytest.mark.parametrize("now", [1_700_000_000, 1_700_000_150.5, 1_700_000_300])
def test_vector_signature_verifies(now: float) -> None:
    """A signature that others made holds for as long as it says."""
    verified = check(VECTOR, now)
    assert verified == Verified(COVERED, KEYID, 1_700_000_000, 1_700_000_300)


@pytest.mark.parametrize("now", [1_699_999_999, 1_700_000_301, 1_700_000_300.1])
def test_vector_signature_expires(now: float) -> None:
    """The same signature does not hold a second before or after."""
    with pytest.raises(SignatureInvalid, match="expired, or created in the future"):
        check(VECTOR, now)


def test_tolerance_is_for_clocks_that_run_ahead_only() -> None:
    """The tolerance admits a ``created`` in the near future, and never a passed ``expires``."""
    assert check(VECTOR, 1_699_999_998, tolerance=2).created == 1_700_000_000
    with pytest.raises(SignatureInvalid):
        check(VECTOR, 1_699_999_998, tolerance=1)
    with pytest.raises(SignatureInvalid):
        check(VECTOR, 1_700_000_301, tolerance=60)


def flip(text: str) -> str:
    """Base64 of the bytes with their last bit flipped."""
    raw = base64.b64decode(text)
    return base64.b64encode(raw[:-1] + bytes([raw[-1] ^ 1])).decode()


def replaced_input(old: str, new: str) -> Message:
    """The vector with another text in Signature-Input."""
    assert old in FIELDS["signature-input"]
    return with_fields(VECTOR, signature_input=FIELDS["signature-input"].replace(old, new))


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(replace(VECTOR, method="PUT"), id="method"),
        pytest.param(replace(VECTOR, authority="api.offblocks.xyz"), id="authority"),
        pytest.param(replace(VECTOR, path=PATH.replace("ae61", "ae62")), id="path"),
        pytest.param(replace(VECTOR, path=PATH + "/"), id="path slash"),
        pytest.param(with_fields(VECTOR, content_digest=content_digest(b"{}")), id="digest"),
        pytest.param(with_fields(VECTOR, signature=f"sig=:{flip(SIGNATURE)}:"), id="signature"),
        pytest.param(replaced_input("created=1700000000", "created=1699999999"), id="created"),
        pytest.param(replaced_input("expires=1700000300", "expires=1700000301"), id="expires"),
        pytest.param(replaced_input(";expires=1700000300", ""), id="no expires"),
        pytest.param(replaced_input(';alg="ecdsa-p384-sha384"', ""), id="no alg"),
        pytest.param(replaced_input("created=", 'nonce="1";created='), id="nonce added"),
        pytest.param(
            replaced_input('"@method" "@authority"', '"@authority" "@method"'), id="order"
        ),
    ],
)
def test_vector_with_anything_changed_fails(message: Message) -> None:
    """Whatever is covered cannot be changed, nor what the signature says of itself."""
    with pytest.raises(SignatureInvalid, match="does not fit the message"):
        check(message)


def test_vector_under_another_key_fails() -> None:
    """The signature of one key does not hold under another."""
    with pytest.raises(SignatureInvalid, match="does not fit the message"):
        verify(VECTOR, lambda _: KEY.public_key(), now=1_700_000_000, required=COVERED)


def test_whitespace_around_values_is_not_signed() -> None:
    """White space around a field value may be lost on the way (RFC 9421 section 2.1)."""
    assert check(with_fields(VECTOR, content_digest=f" \t{DIGEST} ")).keyid == KEYID


# --- RFC 9421, sections 2.5 and B.2, as far as our components can express them; RFC 9530 ---

RFC_DIGEST = (
    "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrI"
    "iYllu7BNNyealdVLvRwEmTHWXvJwew==:"
)
RFC_REQUEST = Message(
    "POST",
    "example.com",
    "/foo",
    {
        "host": "example.com",
        "date": "Tue, 20 Apr 2021 02:07:55 GMT",
        "content-type": "application/json",
        "content-digest": RFC_DIGEST,
        "content-length": "18",
    },
)
RFC_BASES = {
    "2.5": (
        '("@method" "@authority" "@path" "content-digest" "content-length" "content-type")'
        ';created=1618884473;keyid="test-key-rsa-pss"',
        f"""\
"@method": POST
"@authority": example.com
"@path": /foo
"content-digest": {RFC_DIGEST}
"content-length": 18
"content-type": application/json
"@signature-params": ("@method" "@authority" "@path" "content-digest" "content-length" \
"content-type");created=1618884473;keyid="test-key-rsa-pss\"""",
    ),
    "B.2.1": (
        '();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"',
        '"@signature-params": ();created=1618884473;keyid="test-key-rsa-pss"'
        ';nonce="b3k2pp5k7z-50gnwp.yemd"',
    ),
    "B.2.5": (
        '("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
        """\
"date": Tue, 20 Apr 2021 02:07:55 GMT
"@authority": example.com
"content-type": application/json
"@signature-params": ("date" "@authority" "content-type");created=1618884473\
;keyid="test-shared-secret\"""",
    ),
    "B.2.6": (
        '("date" "@method" "@path" "@authority" "content-type" "content-length")'
        ';created=1618884473;keyid="test-key-ed25519"',
        """\
"date": Tue, 20 Apr 2021 02:07:55 GMT
"@method": POST
"@path": /foo
"@authority": example.com
"content-type": application/json
"content-length": 18
"@signature-params": ("date" "@method" "@path" "@authority" "content-type" "content-length")\
;created=1618884473;keyid="test-key-ed25519\"""",
    ),
}


def rfc_base(section: str) -> bytes:
    """Our signature base for the RFC's request and parameters."""
    params, _ = RFC_BASES[section]
    names = params[1 : params.index(")")].replace('"', "").split()
    return signature_base(RFC_REQUEST, names, params)


@pytest.mark.parametrize("section", RFC_BASES)
def test_rfc_9421_bases(section: str) -> None:
    """The RFC's own examples have our signature base, byte for byte."""
    assert rfc_base(section) == RFC_BASES[section][1].encode()


def test_rfc_9421_b25_signature_fits_our_base() -> None:
    """The HMAC that the RFC prints in B.2.5 is the one over our base."""
    secret = (
        "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
    )
    made = hmac.digest(base64.b64decode(secret), rfc_base("B.2.5"), "sha256")
    assert base64.b64encode(made) == b"pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8="


def test_rfc_9421_b26_signature_fits_our_base() -> None:
    """The ed25519 signature that the RFC prints in B.2.6 holds over our base."""
    public = base64.b64decode("JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=")
    signature = base64.b64decode(
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
    )
    key = ed25519.Ed25519PublicKey.from_public_bytes(public)
    key.verify(signature, rfc_base("B.2.6"))


@pytest.mark.parametrize(
    ("body", "digest"),
    [
        pytest.param(
            b'{"hello": "world"}\n',
            "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCs"
            "yRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:",
            id="RFC 9530",
        ),
        pytest.param(b'{"hello": "world"}', RFC_DIGEST, id="RFC 9421 B.2"),
    ],
)
def test_rfc_digests(body: bytes, digest: str) -> None:
    """The RFCs' sha-512 digests are ours, and are accepted."""
    assert content_digest(body) == digest
    check_content_digest(digest, body)


# --- what verify() refuses ---

KEY = PrivateKey.generate()
NOW = 1_700_000_100


def params_of(
    covered: Sequence[str] = COVERED, rest: str = f';keyid="{KEYID}";created={NOW}'
) -> str:
    """The value of one Signature-Input member."""
    names = " ".join(f'"{name}"' for name in covered)
    return f"({names}){rest}"


def signed(
    params: str, covered: Sequence[str] = COVERED, message: Message = VECTOR, **fields: str
) -> Message:
    """The message, signed by a key holder who may write whatever it likes into the parameters."""
    message = with_fields(message, signature_input=None, signature=None, **fields)
    raw = KEY.sign(signature_base(message, covered, params))
    signature = f"sig=:{base64.b64encode(raw).decode()}:"
    return with_fields(message, signature_input=f"sig={params}", signature=signature)


def accept(message: Message, now: float = NOW, required: Sequence[str] = COVERED) -> Verified:
    """Verify under the key of these tests."""
    return verify(message, {KEYID: KEY.public_key()}.get, now=now, required=required)


def refuse(message: Message, reason: str) -> None:
    """The message is refused for this reason."""
    with pytest.raises(SignatureInvalid, match=reason):
        accept(message)


@pytest.mark.parametrize(
    "rest",
    [
        f';keyid="{KEYID}";created={NOW}',
        f';created={NOW};expires={NOW};keyid="{KEYID}";alg="ecdsa-p384-sha384"',
        f';created={NOW};keyid="{KEYID}";nonce="n";tag="t"',
    ],
)
def test_known_parameters_are_accepted_in_any_order(rest: str) -> None:
    """``alg``, ``expires``, ``nonce`` and ``tag`` are optional, and the order is the signer's."""
    assert accept(signed(params_of(rest=rest))).keyid == KEYID


@pytest.mark.parametrize(
    ("items", "rest"),
    [
        ('"@method" "@authority" "@path" "content-digest"', 'alg="ecdsa-p384-sha384"'),
        ('"content-digest" "@path" "@authority" "@method"', 'nonce="n";tag="t"'),
        ('  "@path"  "@method" "@authority"  "content-digest" ', 'nonce="\\"";tag=""'),
    ],
)
def test_another_library_accepts_what_is_accepted(items: str, rest: str) -> None:
    """Orders, spaces and escapes that pass here pass with http-message-signatures too."""
    created = int(time.time()) - 1
    covered = items.replace('"', "").split()
    params = f'({" ".join(items.split())});keyid="{KEYID}";created={created};{rest}'
    message = signed(params, covered)
    message = with_fields(
        message, signature_input=f"sig=({items}); keyid={params.partition('keyid=')[2]}"
    )
    assert accept(message, now=created).covered == tuple(covered)
    request = httpx.Request("POST", f"https://{message.authority}{PATH}", headers=message.headers)
    verifier = HTTPMessageVerifier(
        signature_algorithm=algorithms.ECDSA_P384_SHA384,
        key_resolver=MappingKeyResolver(
            public_keys={KEYID: KEY.public_key().to_pem()}, private_keys={}
        ),
    )
    assert len(verifier.verify(request, require_components=COVERED, body=BODY)) == 1


def test_more_components_are_told() -> None:
    """Whatever else is covered holds too, and the result names it in the signed order."""
    covered = ("date", *COVERED)
    message = signed(params_of(covered), covered, with_fields(VECTOR, date="today"))
    assert accept(message).covered == covered
    refuse(with_fields(message, date="tomorrow"), "does not fit")


def test_an_empty_list_of_components_can_be_asked_for() -> None:
    """Nothing is required but what the verifier requires."""
    assert accept(signed(params_of(()), ()), required=()).covered == ()


@pytest.mark.parametrize("missing", COVERED)
def test_missing_required_component(missing: str) -> None:
    """A signature that leaves out a required component is refused, however well it fits."""
    covered = [name for name in COVERED if name != missing]
    refuse(signed(params_of(covered), covered), f"does not cover {missing}")


def test_every_missing_component_is_named() -> None:
    """The refusal names all that is missing, in alphabetical order."""
    refuse(signed(params_of(["@path"]), ["@path"]), "cover @authority, @method, content-digest$")


@pytest.mark.parametrize(
    "name", ["@query", "@target-uri", "@signature-params", "date", "Signature"]
)
def test_covered_component_that_is_not_there(name: str) -> None:
    """A covered component that the message does not have, or that we do not know, is refused."""
    message = signed(params_of())
    header = f"sig={params_of([*COVERED, name])}"
    refuse(with_fields(message, signature_input=header), "no usable component for a name")


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        (f";created={NOW}", "keyid and created are needed"),
        (f';keyid="{KEYID}"', "keyid and created are needed"),
        (f";keyid={'k' + KEYID};created={NOW}", "keyid is not a string"),
        (f";keyid=:{'A' * 48}:;created={NOW}", "keyid is not a string"),
        (f';keyid=%"{KEYID}";created={NOW}', "keyid is not a string"),
        (f";keyid;created={NOW}", "keyid is not a string"),
        (f';keyid="{KEYID.upper()}";created={NOW}', "keyid is not known"),
        *(
            (f';keyid="{KEYID}";{rest}', f"{name} is not an integer")
            for name in ("created", "expires")
            for value in (f"{NOW}.0", f'"{NOW}"', f"@{NOW}", f"t{NOW}", ":AAAA:", "?1", "?0")
            for rest in [f"{'' if name == 'created' else f'created={NOW};'}{name}={value}"]
        ),
        (f';keyid="{KEYID}";created', "created is not an integer"),
        *(
            (f';keyid="{KEYID}";created={NOW};{name}={value}', f"{name} is not a string")
            for name in ("alg", "nonce", "tag")
            for value in ("ecdsa-p384-sha384", ":AAAA:", '%"a"', "1", "1.5", "@1", "?0", "?1")
        ),
        (f';keyid="{KEYID}";created={NOW + 1}', "created in the future"),
        (f';keyid="{KEYID}";created={NOW - 9};expires={NOW - 1}', "expired"),
        (f';keyid="{KEYID}";created={NOW};level=1', "a parameter other than"),
        (f';keyid="{KEYID}";created={NOW};b;a', "a parameter other than"),
        (f';keyid="{KEYID}";created={NOW};alg="ecdsa-p256-sha256"', "algorithm mismatch"),
        (f';keyid="{KEYID}";created={NOW};alg="hmac-sha256"', "algorithm mismatch"),
        (f';keyid="{KEYID}";created={NOW};alg', "alg is not a string"),
        (f';keyid="{KEYID}";keyid="{KEYID}";created={NOW}', "not a structured field"),
        (f';keyid="{KEYID}";created={NOW - 1};created={NOW}', "not a structured field"),
        (f';keyid="{KEYID[::-1]}";created={NOW}', "keyid is not known"),
    ],
)
def test_parameters_that_are_refused(rest: str, reason: str) -> None:
    """A signature that fits is refused all the same when its parameters are not as they must be."""
    refuse(signed(params_of(rest=rest)), reason)


@pytest.mark.parametrize(
    "items",
    [
        '"@method" "@authority" "@path" "content-digest" "@method"',
        '"@method" "@authority" "@path" "content-digest";sf',
        '"@method" "@authority" "@path" "content-digest";bs',
        '"@method" "@authority" "@path" "content-digest";key="sha-512"',
        '"@method";req "@authority" "@path" "content-digest"',
        '"@method" "@authority" "@path" "content-digest" date',
        '"@method" "@authority" "@path" "content-digest" 1',
        '"@method" "@authority" "@path" "content-digest" %"date"',
    ],
)
def test_components_twice_or_with_flags(items: str) -> None:
    """A component that occurs twice, has a flag or is no string is refused, never interpreted."""
    params = f'({items});keyid="{KEYID}";created={NOW}'
    refuse(signed(params), "a component twice or with unknown flags")


@pytest.mark.parametrize(
    "header",
    [
        f"sig={params_of()}, other={params_of()}",
        f"sig={params_of()}, other=1",
        "",
    ],
)
def test_not_exactly_one_signature(header: str) -> None:
    """Two signatures, or none, are refused: which one was meant is not ours to guess."""
    message = with_fields(signed(params_of()), signature_input=header)
    refuse(message, "exactly one signature")


@pytest.mark.parametrize("header", ["sig=1", "sig", 'sig="@method"', "sig=?1;keyid=1"])
def test_signature_input_without_a_list(header: str) -> None:
    """A Signature-Input whose member is no list of components is refused."""
    refuse(with_fields(signed(params_of()), signature_input=header), "not a list of components")


@pytest.mark.parametrize(
    "header", ["sig", "sig=1", "sig=dG9rZW4", 'sig=("a")', "other=:AAAA:", "SIG", ""]
)
def test_signature_under_another_label_or_no_bytes(header: str) -> None:
    """Signature must hold bytes under the very label of Signature-Input."""
    message = with_fields(signed(params_of()), signature=header)
    refuse(message, "does not hold the label|not a structured field")


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (f"sig=:{SIGNATURE}:, other=:{SIGNATURE}:", "exactly one signature"),
        (f"a=1, sig=:{SIGNATURE}:", "exactly one signature"),
        (f"sig=:{SIGNATURE}:, sig=:{SIGNATURE}:", "not a structured field"),
        (f"sig=:AAAA:, sig=:{SIGNATURE}:", "not a structured field"),
        (f"sig=:{SIGNATURE}:;a=1", "padded base64"),
        (f"sig=:{SIGNATURE}:;a=1;a=2", "not a structured field"),
        (f"sig=:{SIGNATURE}==:", "padded base64"),
        ("sig=:AA:", "padded base64"),
        ("sig=:AB==:", "padded base64"),
        ("sig=:AAB=:", "padded base64"),
        ("sig=:AA==:", "not 96 bytes"),
        (f"sig=: {SIGNATURE}:", "not a structured field"),
        (f"sig=:{SIGNATURE[:64]} {SIGNATURE[64:]}:", "not a structured field"),
        (f"sig=:{SIGNATURE[:64]}\t{SIGNATURE[64:]}:", "no usable component|structured field"),
        (f"sig=:{SIGNATURE[:-1]}-:", "not a structured field"),
        (f"sig=:{SIGNATURE[:-1]}_:", "not a structured field"),
        (f"sig=:={SIGNATURE[:-1]}:", "not a structured field"),
    ],
)
def test_signature_in_another_spelling(header: str, reason: str) -> None:
    """One signature, as one byte sequence in padded base64: nothing else counts, as with Go."""
    with pytest.raises(SignatureInvalid, match=reason):
        check(with_fields(VECTOR, signature=header))


@pytest.mark.parametrize("spaces", ["", " ", "  "])
def test_spaces_around_a_signature_do_not_count(spaces: str) -> None:
    """A structured field may have spaces around it (RFC 9651 section 4.2)."""
    header = f"{spaces}sig=:{SIGNATURE}:{spaces}"
    assert check(with_fields(VECTOR, signature=header)).keyid == KEYID


CANARY = "canary-4111111111111111"


@pytest.mark.parametrize(
    "fields",
    [
        {"signature_input": f"sig={PARAMS};{CANARY}=1"},
        {"signature_input": f'sig={PARAMS};nonce="{CANARY}";tag={CANARY}'},
        {"signature_input": f"sig={PARAMS.replace('@path', CANARY)}"},
        {"signature_input": f"sig={PARAMS.replace('content-digest', CANARY)}"},
        {"signature_input": f"sig={PARAMS.replace(KEYID, CANARY)}"},
        {"signature_input": f"sig={PARAMS.replace('ecdsa-p384-sha384', CANARY)}"},
        {"signature_input": f"{CANARY}={PARAMS}"},
        {"signature_input": f"sig={PARAMS}, {CANARY}=1"},
        {"signature_input": f"{CANARY}, {CANARY}"},
        {"signature": f"{CANARY}=:{SIGNATURE}:"},
        {"signature": f"sig=:{CANARY}:"},
        {"content_digest": CANARY},
    ],
    ids=str,
)
def test_refusals_repeat_nothing(fields: dict[str, str]) -> None:
    """The reason holds no name and no value of the message that is refused."""
    with pytest.raises(SignatureInvalid) as refused:
        check(with_fields(VECTOR, **fields))
    assert CANARY not in str(refused.value)


def test_label_of_the_input_alone_is_changed() -> None:
    """The labels of the two headers must be the same one."""
    message = signed(params_of())
    refuse(with_fields(message, signature_input=f"sig1={params_of()}"), "does not hold the label")


@pytest.mark.parametrize("name", ["signature", "signature-input"])
@pytest.mark.parametrize("header", ["(", "sig=", "sig=:no base64!:", "sig=(,", "="])
def test_headers_that_are_no_structured_fields(name: str, header: str) -> None:
    """What cannot be parsed is refused with the header's name."""
    refuse(with_fields(signed(params_of()), **{name: header}), "(?i)^signature.* structured field")


@pytest.mark.parametrize("name", ["signature", "signature-input"])
def test_unsigned_message(name: str) -> None:
    """A message without one of the two headers is refused."""
    refuse(with_fields(signed(params_of()), **{name: None}), f"no usable component {name}$")


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(replace(VECTOR, method="PÖST"), id="method"),
        pytest.param(replace(VECTOR, authority="käse.example"), id="authority"),
        pytest.param(replace(VECTOR, path="/cärds"), id="path"),
        pytest.param(with_fields(VECTOR, content_digest="sha-512=ü"), id="field"),
        pytest.param(with_fields(VECTOR, signature_input="sig=é"), id="Signature-Input"),
        pytest.param(with_fields(VECTOR, signature="sig=é"), id="Signature"),
    ],
)
def test_non_ascii_values(message: Message) -> None:
    """A covered value that is not ASCII has no signature base (RFC 9421 section 2.5)."""
    with pytest.raises(SignatureInvalid, match="no usable component"):
        check(message)


def der(raw: bytes) -> bytes:
    """The DER form that section 4.3 says the provider refuses."""
    r, s = int.from_bytes(raw[:48], "big"), int.from_bytes(raw[48:], "big")
    return utils.encode_dss_signature(r, s)


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(der, id="DER"),
        pytest.param(lambda raw: raw[:-1], id="95 bytes"),
        pytest.param(lambda raw: raw + b"\0", id="97 bytes"),
        pytest.param(lambda raw: b"\0" + raw[:48] + b"\0" + raw[48:], id="98 bytes"),
        pytest.param(lambda _: b"", id="empty"),
    ],
)
def test_signature_of_another_length(form: Callable[[bytes], bytes]) -> None:
    """Only the raw 96 bytes of r and s count (RFC 9421 section 3.3.5)."""
    raw = form(base64.b64decode(SIGNATURE))
    header = f"sig=:{base64.b64encode(raw).decode()}:"
    with pytest.raises(SignatureInvalid, match="not 96 bytes"):
        check(with_fields(VECTOR, signature=header))


@pytest.mark.parametrize("raw", [bytes(96), b"\xff" * 96, bytes(95) + b"\1", b"\1" + bytes(95)])
def test_signature_with_numbers_out_of_range(raw: bytes) -> None:
    """An r or s that is 0 or too large is an invalid signature, and not a failure of its own."""
    with pytest.raises(SignatureInvalid, match="does not fit"):
        PUBLIC_KEY.verify(raw, BASE.encode())


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (content_digest(BODY + b"\n"), "does not fit the body"),
        (content_digest(BODY[:-1]), "does not fit the body"),
        (DIGEST.replace("sha-512=:", "sha-512=:AAAA"), "does not fit the body"),
        ("sha-512=::", "does not fit the body"),
        (DIGEST.replace("sha-512", "sha-256"), "carries no sha-512"),
        ("sha-256=:q1MKE+RZFJgrefm34/uplM/R8/si9xzqGvvwK0YMbR0=:", "carries no sha-512"),
        ("sha-512", "carries no sha-512"),
        ("sha-512=1", "carries no sha-512"),
        (f"sha-512=({DIGEST.partition('=')[2]})", "carries no sha-512"),
        ("", "carries no sha-512"),
        (f"{DIGEST}, {DIGEST}", "not a structured field"),
        (f"{content_digest(b'other')}, {DIGEST}", "not a structured field"),
        (DIGEST.replace("/", "_"), "not a structured field"),
        (DIGEST.replace("=:", "="), "not a structured field"),
        ("sha-512=:ü:", "not a structured field"),
    ],
)
def test_digest_that_does_not_hold(header: str, reason: str) -> None:
    """A digest of another body, of another algorithm or of another shape is refused."""
    with pytest.raises(SignatureInvalid, match=reason):
        check_content_digest(header, BODY)


def test_digest_among_others() -> None:
    """A sha-512 counts beside digests of algorithms that we do not check."""
    check_content_digest(f"md5=:AAAA:, {DIGEST}", BODY)


# --- signing ---


def test_signing_needs_the_covered_components() -> None:
    """A message that lacks what should be covered is not signed."""
    signer = Signer(KEY, keyid=KEYID)
    with pytest.raises(SignatureInvalid, match="no usable component for a name"):
        signer.sign(VECTOR, ["@method", "date"], created=NOW, expires=NOW)


@pytest.mark.parametrize("keyid", ['a"b', "a\\b", "schlüssel"])
def test_keyid_that_would_need_escaping(keyid: str) -> None:
    """A keyid that could break out of its quotes is refused at once."""
    with pytest.raises(SigningError, match="keyid may not hold"):
        Signer(KEY, keyid=keyid)


def test_headers_have_the_providers_form() -> None:
    """The two header values are spelled as section 4.1 shows them, under the chosen label."""
    made = Signer(KEY, keyid=KEYID, label="sig9").sign(
        VECTOR, COVERED, created=1_700_000_000, expires=1_700_000_300
    )
    assert made.signature_input == f"sig9={PARAMS}"
    assert made.signature.startswith("sig9=:")
    assert made.signature.endswith(":")
    assert len(made.signature) == len("sig9=::") + 128


def test_every_signature_has_96_bytes() -> None:
    """Signatures are padded: 300 of them and more, until short numbers have occurred in both."""
    short, count = {"r": 0, "s": 0}, 0
    while count < 300 or not all(short.values()):
        raw = KEY.sign(BASE.encode())
        assert len(raw) == 96
        KEY.public_key().verify(raw, BASE.encode())
        short["r"] += raw[0] == 0
        short["s"] += raw[48] == 0
        count += 1
        assert count < 20_000, "short numbers never occur"


printable = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=40)
hosts = st.text("abcxyz0189.-", min_size=1, max_size=20)


@settings(max_examples=examples(0.5))
@given(
    method=st.text(ascii_uppercase, min_size=1, max_size=10),
    authority=hosts | st.builds("{}:{}".format, hosts, st.integers(1, 65535)),
    path=printable.map("/{}".format),
    body=st.binary(max_size=200),
    created=st.integers(0, 2**40),
)
def test_what_is_signed_verifies(
    method: str, authority: str, path: str, body: bytes, created: int
) -> None:
    """Any request that we sign verifies, and holds for no other path and no other body."""
    digest = content_digest(body)
    message = Message(method, authority, path, {"content-digest": digest})
    made = Signer(KEY, keyid=KEYID).sign(message, COVERED, created=created, expires=created + 300)
    sent = with_fields(message, signature_input=made.signature_input, signature=made.signature)
    assert accept(sent, now=created) == Verified(COVERED, KEYID, created, created + 300)
    check_content_digest(digest, body)
    with pytest.raises(SignatureInvalid):
        accept(replace(sent, path=path + "/"), now=created)
    with pytest.raises(SignatureInvalid):
        check_content_digest(digest, body + b"\0")


@settings(max_examples=examples(3))
@given(
    header=st.text('sig=()";:,?@%$*-._ 01aZ\\\t\x7fü', max_size=20)
    | st.text('sig=()";:,?@%$*-._ 01aZ\\', max_size=20).map("sig={}".format),
)
def test_no_header_upsets_the_verifier(header: str) -> None:
    """Whatever comes as a header, the answer is SignatureInvalid and nothing else."""
    message = signed(params_of())
    for fields in ({"signature_input": header}, {"signature": header}):
        with pytest.raises(SignatureInvalid):
            accept(with_fields(message, **fields))
    with pytest.raises(SignatureInvalid):
        check_content_digest(header, BODY)


# --- keys ---


def private_pem(key: Any, password: bytes | None = None) -> bytes:
    """PKCS #8, encrypted where there is a password."""
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password)
    pem: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )
    return pem


def public_pem(key: Any) -> bytes:
    """The public half as SPKI."""
    pem: bytes = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem


def pem_of(label: str, der_hex: str) -> bytes:
    """Any DER in PEM armour."""
    text = base64.b64encode(bytes.fromhex(der_hex)).decode()
    return f"-----BEGIN {label}-----\n{text}\n-----END {label}-----\n".encode()


P384 = ec.derive_private_key(2**300 + 4711, ec.SECP384R1())
P256 = ec.derive_private_key(2**200 + 4711, ec.SECP256R1())
K256 = ec.derive_private_key(2**200 + 4711, ec.SECP256K1())
ED = ed25519.Ed25519PrivateKey.from_private_bytes(b"k" * 32)
BAD_PRIVATE = {
    "P-256": private_pem(P256),
    "secp256k1": private_pem(K256),
    "ed25519": private_pem(ED),
    # Algorithm 1.2.3.4.5, which no library knows.
    "unknown": pem_of("PRIVATE KEY", "3012020100300606042a0304050405aabbccddee"),
    "public": public_pem(P384),
    "encrypted": private_pem(P384, b"hunter2"),
    "cut": private_pem(P384)[:-60],
    "armour only": b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
    "garbage": b"MIG2AgEAMBAGByqGSM49 this is no key",
    "binary": bytes(range(256)),
    "empty": b"",
}
BAD_PUBLIC = {
    "P-256": public_pem(P256),
    "secp256k1": public_pem(K256),
    "ed25519": public_pem(ED),
    "unknown": pem_of("PUBLIC KEY", "300e300606042a030405030400aabbcc"),
    "private": private_pem(P384),
    "cut": public_pem(P384)[:-60],
    "garbage": b"MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE this is no key",
    "binary": bytes(range(256)),
    "empty": b"",
}


def leaks(pem: bytes, text: str) -> bool:
    """Whether any line of the PEM's content stands in the text."""
    lines = [line for line in pem.decode("latin-1").splitlines() if not line.startswith("-----")]
    return any(line in text for line in lines if len(line) > 8)


def refuse_key(read: Callable[[bytes], Any], pem: bytes, kind: str) -> None:
    """The key is refused, in words that hold nothing of it, whatever caused them included."""
    with pytest.raises(SigningError, match=f"^the {kind} key is not a") as caught:
        read(pem)
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert not leaks(pem, told)


@pytest.mark.parametrize("pem", BAD_PRIVATE.values(), ids=BAD_PRIVATE)
def test_private_key_that_cannot_be_used(pem: bytes) -> None:
    """Anything but an unencrypted P-384 private key is a SigningError without key material."""
    refuse_key(PrivateKey.from_pem, pem, "private")


@pytest.mark.parametrize("pem", BAD_PUBLIC.values(), ids=BAD_PUBLIC)
def test_public_key_that_cannot_be_used(pem: bytes) -> None:
    """Anything but a P-384 public key is a SigningError without key material."""
    refuse_key(PublicKey.from_pem, pem, "public")


@pytest.mark.parametrize(
    "form", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL]
)
def test_private_keys_are_read_in_both_forms(form: serialization.PrivateFormat) -> None:
    """PKCS #8 and SEC 1 are the same key, and so is what we write of it."""
    pem = P384.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    key = PrivateKey.from_pem(pem)
    assert key.to_pem() == private_pem(P384)
    assert key.public_key().to_pem() == public_pem(P384)
    PublicKey.from_pem(public_pem(P384)).verify(key.sign(b"text"), b"text")


def test_text_forms_of_keys_show_nothing() -> None:
    """Neither ``repr`` nor ``str`` of a key or a signer holds anything of the private key."""
    key = PrivateKey.from_pem(private_pem(P384))
    number = P384.private_numbers().private_value
    for thing in (key, key.public_key(), Signer(key, keyid=KEYID)):
        told = f"{thing!r} {thing} {[thing]}"
        assert not leaks(key.to_pem(), told)
        assert str(number) not in told
        assert f"{number:x}" not in told


@pytest.mark.parametrize("breaking", ["\n", "\r", "\x00", "\x0b"])
def test_a_line_break_cannot_enter_the_signature_base(breaking: str) -> None:
    """A value or keyid with a control character in it is refused: it could add a line."""
    with pytest.raises(SignatureInvalid, match="no usable component"):
        Message("GET", "host", f"/a{breaking}b", {}).component("@path")
    with pytest.raises(SigningError, match="unprintable"):
        Signer(PrivateKey.generate(), keyid=f"a{breaking}b")
