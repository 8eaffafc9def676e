"""What a whole answer of the provider says of our settings: from its status to a finding.

The text of a refusal is a hint and no more: nobody documents it. It is searched for a few words and
never shown.
"""

import re
from urllib.parse import SplitResult

from gateway.diagnosis.finding import Finding
from gateway.provider import ProviderClock
from gateway.provider.transport import Reply

_REGISTER = "register the public key with `gateway register-key`"
_REASONS = (
    f"The likeliest first: {_REGISTER}, where that has not been done for this id; check that "
    "GATEWAY_SIGNING_KEY_ID is the id of exactly this key; check that GATEWAY_PROVIDER_URL is the "
    "provider's own address and that no proxy changes host or path, which are signed."
)
# Words in a refusal, and what they make the likeliest reason. A token may be called "expired" too.
_HINTS = (
    (
        re.compile(r"token"),
        "Its answer speaks of the access token, which is new: the provider may not accept tokens "
        "of this API key here. Check GATEWAY_PROVIDER_API_KEY and GATEWAY_PROVIDER_URL.",
    ),
    (
        re.compile(r"expired|future|clock|too old|timestamp"),
        "Its answer speaks of the time: set this machine's clock (NTP), for signatures carry it. "
        f"If it is right: {_REGISTER}.",
    ),
    (
        re.compile(r"key.*(unknown|not known|not found|not registered)|(unknown|no such|no) .*key"),
        f"Its answer speaks of the key id: {_REGISTER}, or correct GATEWAY_SIGNING_KEY_ID.",
    ),
)
_BASE_PATH = (
    "Check the path in GATEWAY_PROVIDER_URL: it has to be the provider's base URL with its version "
    "path, such as https://api.sandbox.offblocks.xyz/v1."
)
_ANOTHER_SERVICE = "Check GATEWAY_PROVIDER_URL: it seems to lead to another service. " + _BASE_PATH


def is_json(reply: Reply) -> bool:
    """Whether the answer says that it is JSON."""
    return "json" in reply.headers.get("Content-Type", "").lower()


def token(reply: Reply, url: SplitResult) -> Finding:
    """Why the token endpoint gave no access token."""
    if general := _general("access token", reply, url, "/auth/token"):
        return general
    match reply.status:
        case 401:
            what = "the provider refuses the API key or the API secret (status 401)"
            advice = (
                "Check GATEWAY_PROVIDER_API_KEY and GATEWAY_PROVIDER_API_SECRET, and that they "
                "are those of this environment: Sandbox and production have their own."
            )
        case 400:
            what = "the provider refuses the request for one (status 400)"
            advice = (
                "Check GATEWAY_PROVIDER_API_KEY and GATEWAY_PROVIDER_API_SECRET; then the host and "
                "the path in GATEWAY_PROVIDER_URL."
            )
        case status:
            what = f"the provider answers the request for one with status {status}"
            advice = _ANOTHER_SERVICE
    return Finding(False, f"access token: {what}", advice)


def registration(reply: Reply, url: SplitResult) -> Finding:
    """Why the signing key was not registered."""
    if general := _general("signing key", reply, url, "/auth/signing"):
        return general
    match reply.status:
        case 401:
            advice = (
                "It has just given an access token and does not accept it here: check whether "
                "this API key may register signing keys."
            )
        case 400 | 409 | 422:
            advice = (
                "The id may be taken: `gateway keygen` prints a new GATEWAY_SIGNING_KEY_ID; "
                "then register again."
            )
        case _:
            advice = _ANOTHER_SERVICE
    what = f"signing key: the provider does not register it (status {reply.status})"
    return Finding(False, what, advice)


def deletion(reply: Reply, url: SplitResult) -> Finding:
    """Why the signing key was not deleted."""
    # A 404 speaks of the id rather than of the path: the same host has just given a token.
    if reply.status != 404 and (general := _general("signing key", reply, url, "/auth/signing")):
        return general
    match reply.status:
        case 400 | 404 | 409 | 422:
            advice = (
                "Compare the id: no key may be registered under it, because it was deleted before "
                "or never registered."
            )
        case 401:
            advice = (
                "It has just given an access token and does not accept it here: check whether "
                "this API key may delete signing keys."
            )
        case _:
            advice = _ANOTHER_SERVICE
    what = f"signing key: the provider does not delete it (status {reply.status})"
    return Finding(False, what, advice)


def signature(reply: Reply, url: SplitResult, clock: ProviderClock) -> Finding:
    """Why a signed read was not answered as documented."""
    if general := _general("signature", reply, url, "/cards/…"):
        return general
    if reply.status not in {400, 401}:
        what = f"signature: the provider answers a signed read with status {reply.status}"
        return Finding(False, what, _ANOTHER_SERVICE)
    what = f"signature: the provider refuses the signature (status {reply.status})"
    if clock.is_off:
        return Finding(
            False,
            f"{what}, and its clock is {difference(clock)} this machine's",
            "Set this machine's clock (NTP) first: signatures carry its time. "
            f"If it is still refused then: {_REGISTER}.",
        )
    text = reply.body.decode(errors="replace").lower()
    advice = next((advice for words, advice in _HINTS if words.search(text)), _REASONS)
    return Finding(False, what, advice)


def difference(clock: ProviderClock) -> str:
    """How far the provider's clock, which has been seen, is ahead of or behind ours."""
    skew = clock.skew or 0.0
    return f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'}"


def _general(subject: str, reply: Reply, url: SplitResult, path: str) -> Finding | None:
    """What a status means whatever was asked; None where it depends on that."""
    status, host = reply.status, url.netloc
    if status == 429:
        what, advice = f"{host} asks to slow down (status 429)", "Try again later."
    elif status in {404, 405, 501}:
        what, advice = f"{host} has nothing at {url.path}{path} (status {status})", _BASE_PATH
    elif status >= 500:
        what = f"{host} has a fault or is overloaded (status {status})"
        advice = "Try again later; if it stays so, tell the provider. A proxy may answer this too."
    elif 300 <= status < 400:
        what = f"{host} answers with a redirect (status {status}), and none is followed"
        advice = "Name the address that it leads to in GATEWAY_PROVIDER_URL."
    elif status in {403, 407, 451}:
        what = f"{host}, or a firewall before it, forbids the request (status {status})"
        advice = "Check whether this machine's address may use the provider's API."
    elif _is_page(reply):
        what, advice = f"{host} answers with a web page (status {status})", _ANOTHER_SERVICE
    elif status < 300:
        what = f"{host} answers in a way that is not documented (status {status})"
        advice = _ANOTHER_SERVICE
    else:
        return None
    return Finding(False, f"{subject}: {what}", advice)


def _is_page(reply: Reply) -> bool:
    kind = reply.headers.get("Content-Type", "").lower()
    return "html" in kind or reply.body.lstrip()[:1] == b"<"
