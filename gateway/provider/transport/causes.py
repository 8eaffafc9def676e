"""Why an exchange with the provider broke: a closed vocabulary, without any text of others.

The exceptions of libraries quote host names, addresses, certificate subjects and bytes that came
over the network, and their tracebacks hold whole requests. So each is read once, by its type and
its numbers, and becomes one of these classes: its name may be logged, and ``gateway doctor`` knows
what to advise for each. They are the ``__cause__`` of ``ExchangeFailed`` and of the GatewayError
that a call ends with; they are never raised themselves.
"""

import errno
import re
import socket
import ssl
from collections.abc import Iterator


class Cause(Exception):
    """Why there was no whole answer."""


class NameNotFound(Cause):
    """The resolver gives no address for the host name."""


class ConnectionRefused(Cause):
    """Nobody listens on the port, or a firewall says so."""


class Unreachable(Cause):
    """This machine has no route to the host."""


class ConnectTimedOut(Cause):
    """Name lookup, TCP connection and TLS handshake were not done in time."""


class CertificateUntrusted(Cause):
    """The certificate is self-signed, or its CA is not among the trusted ones."""


class CertificateForAnotherName(Cause):
    """The certificate does not hold the host name or address that was called."""


class CertificateExpired(Cause):
    """The certificate is past its time, by this machine's clock."""


class CertificateNotYetValid(Cause):
    """The time of the certificate has not begun, by this machine's clock."""


class CertificateUnusable(Cause):
    """The certificate is not acceptable for another reason: its purpose, a weak key."""


class TlsVersionUnsupported(Cause):
    """The two sides share no version of TLS."""


class NotTls(Cause):
    """The port answers with something that is not TLS, such as plain HTTP."""


class TlsFailed(Cause):
    """TLS failed for another reason, such as no common cipher or a missing client certificate."""


class ConnectionReset(Cause):
    """The connection was reset before the answer began."""


class ConnectionClosed(Cause):
    """The connection ended before the answer was whole."""


class ReadTimedOut(Cause):
    """No byte of the answer came in time."""


class WriteTimedOut(Cause):
    """The request was not taken in time."""


class UnreadableAnswer(Cause):
    """What came is not HTTP, or not in the form that it announces."""


class AnswerTooLarge(Cause):
    """The body has more bytes than are read of any answer."""


class CodingNotAccepted(Cause):
    """The body has a content coding that was not asked for and is not read here."""


class CodingBroken(Cause):
    """The body is not in the content coding that it announces."""


class DeadlinePassed(Cause):
    """The time for the whole call was over."""


class ConnectionFailed(Cause):
    """Anything else."""


# OpenSSL's X509_V_ERR_ numbers.
_CERTIFICATE: dict[int, type[Cause]] = {
    9: CertificateNotYetValid,
    10: CertificateExpired,
    62: CertificateForAnotherName,
    64: CertificateForAnotherName,
    **dict.fromkeys((2, 18, 19, 20, 21), CertificateUntrusted),
}
# OpenSSL's reason codes, as several of its versions give them.
_TLS: dict[str, type[Cause]] = {
    **dict.fromkeys(
        ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE"),
        TlsVersionUnsupported,
    ),
    **dict.fromkeys(
        ("WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"),
        NotTls,
    ),
}
# The most telling first: of several addresses of a host, each may fail in its own way.
_SYSTEM: dict[int, type[Cause]] = {
    errno.ECONNREFUSED: ConnectionRefused,
    errno.ETIMEDOUT: ConnectTimedOut,
    errno.ECONNRESET: ConnectionReset,
    errno.EPIPE: ConnectionReset,
    errno.ECONNABORTED: ConnectionReset,
    errno.EHOSTUNREACH: Unreachable,
    errno.ENETUNREACH: Unreachable,
    errno.ENETDOWN: Unreachable,
    errno.EADDRNOTAVAIL: Unreachable,
}


def of_error(error: BaseException) -> Cause:
    """The cause that an exception has, or those that it came from, by the standard library's types.

    An exception of a library is to be read by its own type first; this looks behind it.
    """
    found = (_of_one(link) for link in _chain(error))
    return next((cause() for cause in found if cause), ConnectionFailed())


def known(error: BaseException) -> Cause | None:
    """The cause that stands behind one of our own errors, if there is one."""
    return next((link for link in _chain(error) if isinstance(link, Cause)), None)


def _of_one(error: BaseException) -> type[Cause] | None:
    # aiohttp's errors are SSLErrors too, without such facts: those stand behind them.
    match error:
        case ssl.SSLCertVerificationError(verify_code=int(code)):
            return _CERTIFICATE.get(code, CertificateUnusable)
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return ConnectionClosed
        case ssl.SSLError(reason=str() | None as reason):
            return _TLS.get(reason or "", TlsFailed)
        case socket.gaierror() | UnicodeError():  # the latter: a name no resolver is asked for
            return NameNotFound
        case ConnectionResetError() | BrokenPipeError() | ConnectionAbortedError():
            return ConnectionReset
        case OSError():
            return _of_numbers(_numbers(error))
        case _:
            return None


def _of_numbers(numbers: set[int]) -> type[Cause] | None:
    return next((cause for number, cause in _SYSTEM.items() if number in numbers), None)


def _numbers(error: OSError) -> set[int]:
    """The system's error number; of several addresses that failed differently, the text has all."""
    if error.errno is not None:
        return {error.errno}
    return {int(number) for number in re.findall(r"\[Errno (\d+)\]", str(error))}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
