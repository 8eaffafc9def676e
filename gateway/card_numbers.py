"""Card numbers (PANs) in texts of others: found wherever they stand, shown masked, never logged.

At most the first six and the last four digits of a card number may be shown (PCI DSS 3.4.1). One
has 13 to 19 digits, the last of which is a check digit (ISO/IEC 7812-1: the Luhn formula).
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import accumulate

_LEAST, _MOST = 13, 19  # digits of a card number
_LONGEST_ROW = 16  # digits without a separator that a name or an address may have
# Groups of digits, with blanks, hyphens, dots or the like between them, however many.
_GROUPS = re.compile(r"[0-9]+(?:[\W_]+[0-9]+)*")
_ENOUGH_DIGITS = re.compile(rf"(?:[0-9][^0-9]*+){{{_LEAST}}}")
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")
_SEPARATORS = re.compile(r"[\s\u200b-\u200d\u2060\ufeff\u2010-\u2015_-]+")
_MASKED = re.compile(r"([0-9]{0,6})([*xX#.·•●○◦∙⋅∗＊✱✻Ｘｘ＃×]+)([0-9]{0,4})")


def masked(text: str) -> str | None:
    """A ``maskedPan`` in one style: digits that may be shown, and asterisks.

    The provider promises a mask; a card number does not get out even where it breaks that. None for
    a text that has neither digits nor a mask.
    """
    compact = _SEPARATORS.sub("", _plain(text))
    if (found := _MASKED.fullmatch(compact)) is not None:
        first, hidden, last = found.groups()
        return f"{first}{'*' * len(hidden)}{last}"
    digits = re.sub(r"[^0-9]", "", compact)
    if not digits:
        return None
    # Eight digits or less may be all that there is, unless something stands for the others.
    may_end = len(digits) > 8 or re.search(r"[^0-9][0-9]{4}\Z", compact) is not None
    return _hidden(digits) if may_end else "*" * 8


def without_card_numbers(text: str) -> str:
    """The same text, with each card number in it masked.

    Digits in groups count as one number, and so do whole groups within more of them. A row of more
    than 16 digits without any separator is masked whatever it is: no name or address has one, and
    it may be a card number together with a security code.
    """
    if len(text) < _LEAST:  # by far the most parts of names and addresses
        return text
    plain, done, shown = _plain(text), 0, []
    if not _ENOUGH_DIGITS.search(plain):
        return text
    for start, end in _spans(plain):
        shown += [text[done:start], _hidden(re.sub(r"[^0-9]", "", plain[start:end]))]
        done = end
    return "".join([*shown, text[done:]])


def has_card_number(text: str) -> bool:
    """Whether ``without_card_numbers`` would mask a part of the text."""
    return next(_numbers(_plain(text)), None) is not None


def _plain(text: str) -> str:
    """The same with the digits of all scripts as ASCII, character by character."""
    if text.isascii():
        return text
    digits = (unicodedata.digit(char, None) for char in text)
    return "".join(
        char if digit is None else str(digit) for char, digit in zip(text, digits, strict=True)
    )


def _hidden(digits: str) -> str:
    return f"{'*' * max(len(digits) - 4, 8)}{digits[-4:]}"


def _spans(plain: str) -> Iterator[tuple[int, int]]:
    """Where card numbers are, from left to right; those that overlap are one."""
    end = 0
    start = None
    for first, last in _numbers(plain):
        if start is not None and first < end:
            end = max(end, last)
            continue
        if start is not None:
            yield start, end
        start, end = first, last
    if start is not None:
        yield start, end


def _numbers(plain: str) -> Iterator[tuple[int, int]]:
    for run in _GROUPS.finditer(plain):
        groups = [
            (run.start() + one.start(), run.start() + one.end(), one.group().encode())
            for one in re.finditer(r"[0-9]+", run.group())
        ]
        for at, (start, _, _) in enumerate(groups):
            joined = accumulate(digits for _, _, digits in groups[at : at + _MOST])
            for (_, end, digits), number in zip(groups[at:], joined, strict=False):
                if len(number) == len(digits) > _LONGEST_ROW or _is_card_number(number):
                    yield start, end
                if len(number) >= _MOST:
                    break


def _is_card_number(digits: bytes) -> bool:
    if not _LEAST <= len(digits) <= _MOST:
        return False
    backwards = digits[::-1]
    total = sum(backwards[::2]) + sum(backwards[1::2].translate(_DOUBLED))
    return (total - len(digits) * ord("0")) % 10 == 0
