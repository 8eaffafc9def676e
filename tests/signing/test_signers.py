"""Whichever library signs, the signatures are those of the same key, in the form of RFC 9421."""

import gc
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from http_message_signatures import HTTPMessageVerifier, MappingKeyResolver, algorithms

from gateway.signing import Message, PrivateKey, Signer, SigningKey, fastest, verify
from tests.processes import ROOT, run, started
from tests.signing.test_signing import BASE, COVERED, DIGEST, FIELDS, KEYID, PATH, VECTOR

KEY = PrivateKey.generate()
PUBLIC = KEY.public_key()
NUMBERS = serialization.load_pem_public_key(PUBLIC.to_pem())
SIGNERS = ["openssl", "aws-lc"]
LIMIT = 2**376  # a smaller number has a zero byte in front of its 48


def key_of(library: str, key: PrivateKey = KEY) -> SigningKey:
    """The key as the library has it."""
    if library == "openssl":
        return key
    pytest.importorskip("awscrt.crypto", reason="the extra fast has no wheel for this machine")
    return fastest(key)


@pytest.fixture(params=SIGNERS)
def signing_key(request: pytest.FixtureRequest) -> SigningKey:
    """The key in each library."""
    key = key_of(request.param)
    assert key.library == request.param
    return key


def fits(signature: bytes, base: bytes) -> bool:
    """Whether OpenSSL finds it right, from r and s that are read here: 48 bytes each."""
    assert len(signature) == 96
    r, s = (int.from_bytes(half, "big") for half in (signature[:48], signature[48:]))
    assert isinstance(NUMBERS, ec.EllipticCurvePublicKey)
    NUMBERS.verify(utils.encode_dss_signature(r, s), base, ec.ECDSA(hashes.SHA384()))
    return True


def test_the_vector_holds_with_a_new_signature(signing_key: SigningKey) -> None:
    """The provider's vector, signed anew, differs in nothing but the signature itself."""
    made = Signer(signing_key, keyid=KEYID).sign(
        VECTOR, COVERED, created=1_700_000_000, expires=1_700_000_300
    )
    assert made.signature_input == FIELDS["signature-input"]
    headers = FIELDS | {"signature": made.signature}
    message = Message(VECTOR.method, VECTOR.authority, VECTOR.path, headers)
    found = verify(message, {KEYID: PUBLIC}.get, now=1_700_000_000, required=COVERED)
    assert found.keyid == KEYID
    assert fits(signing_key.sign(BASE.encode()), BASE.encode())


def test_a_verifier_of_others_accepts_it(signing_key: SigningKey) -> None:
    """http-message-signatures verifies what each library signs, padding included."""
    verifier = HTTPMessageVerifier(
        signature_algorithm=algorithms.ECDSA_P384_SHA384,
        key_resolver=MappingKeyResolver(public_keys={KEYID: PUBLIC.to_pem()}, private_keys={}),
    )
    signer = Signer(signing_key, keyid=KEYID)
    url = f"https://{VECTOR.authority}{PATH}"
    created = int(time.time()) - 1
    for _ in range(50):
        made = signer.sign(VECTOR, COVERED, created=created, expires=created + 300)
        headers = {
            "content-digest": DIGEST,
            "signature-input": made.signature_input,
            "signature": made.signature,
        }
        verifier.verify(httpx.Request("POST", url, headers=headers), require_components=COVERED)


@pytest.mark.parametrize("count", [400, pytest.param(10_000, marks=pytest.mark.long)])
def test_random_texts(signing_key: SigningKey, count: int) -> None:
    """Each signature has 96 bytes, fits its own text alone, and is another one each time."""
    made = {}
    for length in range(count):
        text = os.urandom(length % 700)
        made[signing_key.sign(text)] = text
    assert len(made) == count
    assert all(fits(signature, text) for signature, text in made.items())


def test_leading_zero_bytes_stay(signing_key: SigningKey) -> None:
    """Where r or s is short (one of 256 each), it is padded; where its top bit is set, not."""
    shapes: dict[str, Callable[[int, int], bool]] = {
        "short r": lambda r, _: r < LIMIT,
        "short s": lambda _, s: s < LIMIT,
        "top bit of r": lambda r, _: r >= 2**383,
        "top bit of s": lambda _, s: s >= 2**383,
    }
    for number in range(20_000):
        base = b"%d" % number
        signature = signing_key.sign(base)
        r, s = (int.from_bytes(half, "big") for half in (signature[:48], signature[48:]))
        found = {name for name, is_so in shapes.items() if is_so(r, s)}
        if found:
            assert fits(signature, base)
        shapes = {name: is_so for name, is_so in shapes.items() if name not in found}
        if not shapes:
            return
    pytest.fail(f"not found: {', '.join(shapes)}")


@pytest.mark.parametrize("number", [1, 2**300 + 4711, 2**384 - 2**200])
def test_both_libraries_have_the_same_key(number: int) -> None:
    """A key with leading zero bytes too is the same key in both: each verifies under its public."""
    order = int("f" * 48 + "c7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16)
    pem = ec.derive_private_key(number % order, ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    key = PrivateKey.from_pem(pem)
    for library in SIGNERS:
        key.public_key().verify(key_of(library, key).sign(b"text"), b"text")


def test_threads_share_a_key(signing_key: SigningKey) -> None:
    """Eight threads that sign with one key at the same time get signatures that fit."""
    texts = [b"%d" % number for number in range(400)]
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(signing_key.sign, texts))
    assert all(map(fits, made, texts))


def test_nothing_of_the_key_is_shown(signing_key: SigningKey) -> None:
    """Neither the text forms of a key nor the error of a text that is no text hold any of it."""
    with pytest.raises(TypeError) as caught:
        signing_key.sign("text")  # type: ignore[arg-type]
    told = "".join(traceback.format_exception(caught.value))
    told += f"{signing_key!r} {signing_key} {Signer(signing_key, keyid=KEYID)!r}"
    key = serialization.load_pem_private_key(KEY.to_pem(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    number = key.private_numbers().private_value
    assert str(number) not in told
    assert f"{number:x}" not in told.lower()
    assert repr(KEY.to_sec1_der())[2:20] not in told


def resident() -> int:
    """Bytes of memory that this process has now."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("count", [2_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_signatures_leave_nothing_in_memory(signing_key: SigningKey, count: int) -> None:
    """The memory of the process does not grow with the number of signatures."""
    for _ in range(1_000):
        signing_key.sign(b"text")
    before = resident()
    for _ in range(count):
        signing_key.sign(b"text")
    assert resident() - before < 1 << 20


UNREACHABLE = {
    "GATEWAY_PROVIDER_URL": "http://127.0.0.1:9/v1",
    "GATEWAY_PROVIDER_API_KEY": KEYID,
    "GATEWAY_PROVIDER_API_SECRET": "none",
    "GATEWAY_SIGNING_KEY_ID": KEYID,
    "GATEWAY_SIGNING_KEY_FILE": "key.pem",
    "GATEWAY_AUTH": "none",
    "GATEWAY_PORT": "0",
}
SIGNED = """
import sys
from gateway.signing import PrivateKey, fastest
key = PrivateKey.generate()
signer = fastest(key)
key.public_key().verify(signer.sign(b"text"), b"text")
print(signer.library)
"""


def with_awscrt(folder: Path, text: str) -> dict[str, str]:
    """The environment of a process in which importing ``awscrt.crypto`` runs this text."""
    (folder / "awscrt").mkdir()
    (folder / "awscrt" / "__init__.py").write_text("")
    (folder / "awscrt" / "crypto.py").write_text(text)
    return {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


@pytest.mark.process
@pytest.mark.parametrize(
    "text",
    ["raise ModuleNotFoundError('awscrt')", "raise ImportError('GLIBC_2.17 not found')", "EC_ = 1"],
    ids=["missing", "does not load", "too old"],
)
def test_openssl_signs_where_awscrt_cannot(tmp_path: Path, text: str) -> None:
    """Without a usable awscrt OpenSSL signs, and no error comes of it."""
    environment = os.environ | with_awscrt(tmp_path, text)
    done = subprocess.run(
        [sys.executable, "-c", SIGNED], capture_output=True, text=True, env=environment
    )
    assert (done.stdout, done.stderr) == ("openssl\n", "")


@pytest.mark.process
@pytest.mark.parametrize("library", SIGNERS)
def test_serve_and_doctor_say_which_library_signs(tmp_path: Path, library: str) -> None:
    """The log of `gateway serve` and the last line of `gateway doctor` name the library."""
    key_of(library)
    (tmp_path / "key.pem").write_bytes(KEY.to_pem())
    environment = UNREACHABLE | {"cwd": str(tmp_path)}
    if library == "openssl":
        environment |= with_awscrt(tmp_path, "raise ImportError('not here')")
    code, printed = run("doctor", **environment)
    assert (code, f"ok   signer: {library}\n" in printed) == (1, True), printed
    assert ("The extra `fast`" in printed) == (library == "openssl")
    with started("serve", **environment) as serve:
        line = json.loads(serve.wait_for(r'\{.*"event": ?"signer".*')[0])
        assert (line["signer"], line["level"]) == (library, "info")


@pytest.mark.process
@pytest.mark.parametrize("command", [["--help"], ["keygen", "--out", "key.pem"], ["schema"]])
def test_what_signs_nothing_does_not_load_it(tmp_path: Path, command: list[str]) -> None:
    """Help, keygen and schema do not wait for awscrt."""
    given = with_awscrt(tmp_path, "print('awscrt was loaded')")
    code, printed = run(*command, cwd=str(tmp_path), **given)
    assert (code, "awscrt was loaded" in printed) == (0, False), printed
