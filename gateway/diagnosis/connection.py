"""Why no whole answer came: from the cause of a broken exchange to a finding.

Where a cause leaves several reasons open, the host is looked at once more: the resolver is asked,
a connection is opened, a TLS handshake is tried.
"""

import asyncio
import ssl
from collections.abc import Awaitable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from gateway.config import ProviderSettings
from gateway.diagnosis.finding import Finding
from gateway.provider.transport import Cause, causes

_FIREWALL = (
    "Check host and port in GATEWAY_PROVIDER_URL, and that a firewall lets this machine out; "
    "the gateway uses no proxy of the environment."
)
_CLOCK = (
    "Set this machine's clock if that is not the time; else its owner has to renew the certificate."
)
_BREAKS = (
    "Check host and port in GATEWAY_PROVIDER_URL; a proxy or firewall may break it off, or a "
    "server that wants a client certificate."
)
_SLOW = "The provider is slow or stuck, or a proxy or firewall holds the connection: try again."
_CHANGED = (
    "Check host and port in GATEWAY_PROVIDER_URL, and that no proxy on the way compresses or "
    "replaces answers."
)

# What is wrong, and what to do. The placeholders are filled from our own settings and clock.
_KNOWN: dict[type[Cause], tuple[str, str]] = {
    causes.NameNotFound: (
        "the name of {host} is not found",
        "Check the host in GATEWAY_PROVIDER_URL, and that this machine's name resolution (DNS) "
        "works.",
    ),
    causes.ConnectionRefused: (
        "{host} refuses the connection",
        "Check host and port in GATEWAY_PROVIDER_URL, and that the provider runs there; "
        "a firewall may refuse too.",
    ),
    causes.Unreachable: ("this machine has no route to {host}", _FIREWALL),
    causes.ConnectTimedOut: ("no connection to {host} within {connect:g} s", _FIREWALL),
    causes.CertificateForAnotherName: (
        "the certificate of {host} is for another name",
        "Check the host in GATEWAY_PROVIDER_URL: it must be a name that the certificate holds, and "
        "no address in its place.",
    ),
    causes.CertificateExpired: (
        "the certificate of {host} has expired; this machine's clock says {now}",
        _CLOCK,
    ),
    causes.CertificateNotYetValid: (
        "the certificate of {host} is not valid yet; this machine's clock says {now}",
        _CLOCK,
    ),
    causes.CertificateUnusable: (
        "the certificate of {host} is not acceptable, though its CA may be trusted",
        "It may be of a kind that is not for servers, have a weak key, or be revoked: its owner "
        "has to replace it.",
    ),
    causes.TlsVersionUnsupported: (
        "{host} offers no version of TLS that is accepted here",
        "The server, or a proxy before it, has to offer TLS 1.2 or 1.3.",
    ),
    causes.NotTls: (
        "{host} answers, but not with TLS, as https needs it",
        "Check the port in GATEWAY_PROVIDER_URL: something else, such as plain HTTP, is spoken "
        "there.",
    ),
    causes.TlsFailed: (
        "the TLS handshake with {host} fails",
        "Check host and port in GATEWAY_PROVIDER_URL. The server may want a client certificate, "
        "not know this host name, or share no cipher with this machine.",
    ),
    causes.ConnectionReset: ("{host} resets the connection", _BREAKS),
    causes.ConnectionClosed: ("{host} closes the connection without a whole answer", _BREAKS),
    causes.ReadTimedOut: ("{host} does not answer within {read:g} s", _SLOW),
    causes.WriteTimedOut: ("{host} does not take a request within {write:g} s", _SLOW),
    causes.UnreadableAnswer: (
        "{host} answers with something that is not HTTP",
        "Check host and port in GATEWAY_PROVIDER_URL.",
    ),
    causes.AnswerTooLarge: ("{host} answers with more than is read of any answer", _CHANGED),
    causes.CodingNotAccepted: (
        "{host} answers in a content coding that was not asked for",
        _CHANGED,
    ),
    causes.CodingBroken: ("{host} answers with broken gzip data", _CHANGED),
    causes.DeadlinePassed: ("{host} gives no whole answer within {deadline:g} s", _SLOW),
    causes.ConnectionFailed: (
        "the connection to {host} fails",
        "Check host and port in GATEWAY_PROVIDER_URL, and this machine's network and limits.",
    ),
}


async def broken(cause: Cause | None, settings: ProviderSettings) -> Finding:
    """What a broken exchange comes from; without a cause, the time was over."""
    match cause:
        case causes.ConnectTimedOut():
            return await _timed_out(settings)
        case causes.CertificateUntrusted():
            return _untrusted(settings)
        case causes.ConnectionReset() | causes.ConnectionClosed() | causes.UnreadableAnswer() if (
            await wants_tls(settings)
        ):
            return missing_tls(settings)
        case _:
            return _known(type(cause or causes.DeadlinePassed()), settings)


async def wants_tls(settings: ProviderSettings) -> bool:
    """Whether the URL says http and the port speaks TLS."""
    url = urlsplit(settings.provider_url)
    if url.scheme != "http":
        return False
    try:
        await _within(settings, _open(url, ssl.create_default_context()))
    except ssl.SSLCertVerificationError:
        return True  # a certificate that is not accepted was sent with TLS
    except (OSError, UnicodeError):  # TimeoutError is an OSError
        return False
    return True


def missing_tls(settings: ProviderSettings) -> Finding:
    """The URL says http and the port speaks TLS."""
    host = urlsplit(settings.provider_url).netloc
    return Finding(
        False,
        f"connection: {host} speaks TLS, and the URL says http",
        "Write https:// in GATEWAY_PROVIDER_URL.",
    )


async def _timed_out(settings: ProviderSettings) -> Finding:
    """Tell apart how far the connection came before the time was over."""
    url = urlsplit(settings.provider_url)
    try:
        await _within(settings, _look_up(url))
    except TimeoutError:
        what = f"the name of {url.netloc} is not looked up within {settings.connect_timeout:g} s"
        advice = "Check this machine's name resolution (DNS): its server does not answer."
        return Finding(False, f"connection: {what}", advice)
    except (OSError, UnicodeError):
        return _known(causes.NameNotFound, settings)
    try:
        await _within(settings, _open(url, None))
    except (OSError, UnicodeError):
        return _known(causes.ConnectTimedOut, settings)
    what = f"{url.netloc} is reached, and does not complete a TLS handshake in time"
    advice = "Check the port in GATEWAY_PROVIDER_URL: it may speak something else than TLS."
    return Finding(False, f"connection: {what}", advice)


def _untrusted(settings: ProviderSettings) -> Finding:
    host = urlsplit(settings.provider_url).netloc
    what = f"connection: the certificate of {host} is not trusted"
    if settings.provider_ca_file:
        advice = (
            "Its CA is neither among the system's nor in GATEWAY_PROVIDER_CA_FILE: put the "
            "certificate of the CA that issued it into that file."
        )
    elif not _system_has_certificates():
        what = f"{what}: this machine has no CA certificates"
        advice = (
            "Install them (the package is mostly called ca-certificates), or name a PEM file with "
            "them in SSL_CERT_FILE."
        )
    else:
        advice = (
            "It is self-signed or of a CA that this machine does not know. If the provider has a "
            "CA of its own, get its certificate from there and name the PEM file in "
            "GATEWAY_PROVIDER_CA_FILE; else check the host in GATEWAY_PROVIDER_URL: somebody may "
            "stand between."
        )
    return Finding(False, what, advice)


def _system_has_certificates() -> bool:
    """Whether there is any CA that TLS trusts by default: in a file, or in a folder of hashes."""
    folder = ssl.get_default_verify_paths().capath
    in_file = ssl.create_default_context().cert_store_stats()["x509"]
    return bool(in_file) or (bool(folder) and any(Path(folder).glob("*.[0-9]")))


def _known(cause: type[Cause], settings: ProviderSettings) -> Finding:
    what, advice = _KNOWN[cause]
    facts = {
        "host": urlsplit(settings.provider_url).netloc,
        "now": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "connect": settings.connect_timeout,
        "read": settings.read_timeout,
        "write": settings.write_timeout,
        "deadline": settings.call_deadline,
    }
    return Finding(False, "connection: " + what.format(**facts), advice)


async def _within(settings: ProviderSettings, work: Awaitable[object]) -> None:
    async with asyncio.timeout(settings.connect_timeout):
        await work


async def _look_up(url: SplitResult) -> None:
    await asyncio.get_running_loop().getaddrinfo(url.hostname, url.port)


async def _open(url: SplitResult, context: ssl.SSLContext | None) -> None:
    port = url.port or (443 if url.scheme == "https" else 80)
    _, writer = await asyncio.open_connection(url.hostname, port, ssl=context)
    writer.transport.abort()
