"""Checks of single settings; each raises ValueError with words that never hold the value."""

import ipaddress
import json
import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from gateway.config.files import read_named
from gateway.config.rates import Rate
from gateway.errors import SigningError
from gateway.signing import PrivateKey
from gateway.uuids import is_uuid

OFF = "off"
STORE_SCHEMES = {"async+redis", "async+rediss", "async+valkey", "async+valkeys"}

_HOST = re.compile(r"(\*|(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*)", re.ASCII)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
LOOPBACK_ORIGIN = r"https?://(localhost|([a-z0-9-]+\.)+localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?"


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def base_url(value: str, plaintext_host: str) -> str:
    """An http(s) URL without its last slash; plain http on loopback and to one named host only."""
    parts = _http_url(value)
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("must hold no query, fragment or credentials")
    if plaintext_host and (parts.scheme, parts.hostname) != ("http", plaintext_host):
        raise ValueError(
            "must be http with the host in GATEWAY_PROVIDER_PLAINTEXT_HOST; "
            "where it is https, remove that setting"
        )
    if not plaintext_host:
        _check_encrypted(
            parts, "; GATEWAY_PROVIDER_PLAINTEXT_HOST allows one more host, in test environments"
        )
    return value.rstrip("/")


def ledger(value: str) -> None:
    """Where the ledger is: in memory, in a file, or in a database."""
    kind, _, path = value.partition(":")
    if value == "memory" or (kind == "sqlite" and path.strip() and "\0" not in path):
        return
    if value.startswith(("postgresql://", "postgres://")):
        return
    raise ValueError("must be memory, sqlite: and the path of a file, or a postgresql:// URL")


def one_host(value: str) -> str:
    """A host name without anything around it, in small letters; empty for none."""
    if not re.fullmatch(r"[A-Za-z0-9._-]*", value):
        raise ValueError("must be a host name alone, such as emulator")
    return value.lower()


def _http_url(value: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not value.isprintable() or " " in value:
        raise ValueError("must be an http(s) URL")
    return parts


def _check_encrypted(parts: SplitResult, way_out: str = "") -> None:
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError(f"must be https, except on loopback{way_out}")


def origin(value: str) -> str:
    """A web origin as browsers send it, or ``*``."""
    value = value.lower()
    try:
        parts = urlsplit(value)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if value != "*" and not (usable and value == f"{parts.scheme}://{parts.netloc}"):
        raise ValueError("must be an origin without a path, such as https://a.example")
    return value


def header_name(value: str) -> str:
    """The name of one HTTP header (RFC 9110, section 5.6.2); ``*`` would stand for all of them."""
    if value == "*" or not _TOKEN.fullmatch(value):
        raise ValueError("must be the name of a header, such as x-tenant")
    return value


def host_name(value: str) -> str:
    """A host name in small letters, with ``*.`` before it for all that end so, or ``*``."""
    name = value.lower()
    address = name.removeprefix("[").removesuffix("]")
    if _HOST.fullmatch(name) or (":" in address and _is_address(address)):
        return f"[{address}]" if ":" in address else name
    raise ValueError("must be a host name without scheme or port, such as gateway.example")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def texts(value: Any, example: str, check: Callable[[str], str]) -> Any:
    """The texts of a list, or of one in JSON, each of them checked."""
    value = _from_json(value)
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"must be a JSON list, such as {json.dumps([example])}")
    try:
        return tuple(check(one) for one in value)
    except ValueError as error:
        raise ValueError(f"each entry {error}") from None


def paths(value: Any, *examples: str) -> Any:
    """One path, or the paths of a list in JSON."""
    if isinstance(value, str) and not value.lstrip().startswith("["):
        return (value,)
    if isinstance(value, Path):
        return (value,)
    value = _from_json(value)
    if not isinstance(value, list | tuple) or not all(isinstance(one, str | Path) for one in value):
        raise ValueError(f"must be a path, or several in JSON: {json.dumps(examples)}")
    return tuple(value)


def uuid_text(value: str) -> str:
    """A UUID in its usual form, as text."""
    if not is_uuid(value):
        raise ValueError("must be a UUID")
    return value


def private_key(pem: str) -> PrivateKey:
    """The signing key of a PEM text."""
    try:
        return PrivateKey.from_pem(pem.encode())
    except SigningError as error:
        raise ValueError(error.message) from None


def certificates(path: Path) -> None:
    """A PEM file with at least one certificate that can be read."""
    pem = read_named(path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with suppress(ssl.SSLError):
        context.load_verify_locations(path)
    if not context.cert_store_stats()["x509"]:
        has_one = "CERTIFICATE-----" in pem
        what = "a PEM certificate that cannot be read" if has_one else "no PEM certificate"
        raise ValueError(f"names a file that holds {what}")


def key_set(value: str) -> str:
    """The place of a JWKS: an https URL, or a file, which may be replaced while we run."""
    if value.lower().startswith(("http://", "https://")):
        parts = _http_url(value)
        _check_encrypted(parts)
        return parts.geturl()  # with its scheme in small letters
    read_named(Path(value))
    return value


def rate(value: str) -> str:
    """A rate such as 60/minute, or ``off``."""
    if value.lower() == OFF:
        return OFF
    Rate.parse(value)
    return value


def rates(value: Any) -> Any:
    """Rates by name, as they are or in JSON, each of them checked."""
    value = _from_json(value)
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise ValueError(
            'must be a JSON object with each name once, such as {"issueVirtualCard": "60/minute"}'
        )
    try:
        return {name: rate(one) for name, one in value.items()}
    except ValueError as error:
        raise ValueError(f"each value {error}") from None


def _from_json(value: Any) -> Any:
    """What a text says in JSON, None where it is none; anything but a text as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON in which no name stands twice: nobody has to know which one wins."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError
    return dict(pairs)


def store(value: str) -> None:
    """``scheme://[user:password@]host[:port][/database]`` of a store that gateways share."""
    try:
        parts = urlsplit(value)
        usable = parts.scheme in STORE_SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    database = usable and re.fullmatch(r"/?|/[0-9]{1,4}", parts.path)
    if not database or parts.query or parts.fragment:
        raise ValueError(
            "must be a URL such as async+redis://:password@host:6379/0, with async+redis, "
            "async+valkey, or for TLS async+rediss or async+valkeys"
        )
