"""What has changed of a signed request on its way to the other side."""

from collections.abc import Iterator
from dataclasses import replace

from gateway.diagnosis.captures import Capture
from gateway.diagnosis.finding import Finding
from gateway.diagnosis.shown_values import shown_name, shown_value
from gateway.errors import SignatureInvalid
from gateway.signing import SignatureInput

_CARRIERS = ("signature-input", "signature")


def completed(received: Capture, sent: Capture) -> Capture:
    """What was received; method and target are those that were sent where it lacks them."""
    if received.method:
        return received
    return replace(received, method=sent.method, target=sent.target)


def changes(sent: Capture, received: Capture) -> Iterator[Finding]:
    """Each covered component, and each header of the signature, that arrived otherwise."""
    if not received.method:
        yield Finding(None, "What was received has no request line: method and path are as sent.")
    received = completed(received, sent)
    names = list(dict.fromkeys([*_covered(sent), *_covered(received), *_CARRIERS]))
    found = [finding for name in names for finding in _changes_of(name, sent, received)]
    yield from found
    if not found:
        yield Finding(True, "All covered components and the signature arrived as they were sent.")


def _covered(capture: Capture) -> tuple[str, ...]:
    try:
        return SignatureInput.of(capture.as_message()).covered
    except SignatureInvalid:
        return ()


def _changes_of(name: str, sent: Capture, received: Capture) -> Iterator[Finding]:
    before, after = _lines(sent, name), _lines(received, name)
    how = _how(before, after)
    if name == "signature-input" and how and _is_in_another_order(sent, received):
        how = "lists the covered components in another order"
    if how:
        yield Finding(False, f"{shown_name(name)} {how}.", _values(name, before, after))


def _lines(capture: Capture, name: str) -> list[str]:
    message = capture.as_message()
    derived = {"@method": message.method, "@authority": message.authority, "@path": message.path}
    if name.startswith("@"):
        return [derived[name]] if derived.get(name) else []
    return capture.field_lines(name)


def _how(before: list[str], after: list[str]) -> str:
    """What has changed, to follow the name; empty where a verifier sees no difference."""
    one, other = ", ".join(before), ", ".join(after)
    if one == other and bool(before) == bool(after):
        return ""
    if not after:
        return "is missing"
    if not before:
        return "was added"
    if len(after) > len(before) and {*after} == {*before}:
        return f"came {len(after)} times, and was sent {_times(len(before))}"
    if sorted(before) == sorted(after):
        return "has its lines in another order"
    return _how_spelled(one, other)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _how_spelled(one: str, other: str) -> str:
    if one.lower() == other.lower():
        return "differs in capital letters alone"
    if "".join(one.split()) == "".join(other.split()):
        return "differs in blanks alone"
    return "has another value"


def _is_in_another_order(sent: Capture, received: Capture) -> bool:
    before, after = _covered(sent), _covered(received)
    return before != after and sorted(before) == sorted(after)


def _values(name: str, before: list[str], after: list[str]) -> str:
    """Both values, as they may be shown; empty where one of them is not there."""
    if not before or not after:
        return ""
    one, other = (shown_value(name, ", ".join(lines)) for lines in (before, after))
    return "" if one == other else f"Sent: {one} · received: {other}"
