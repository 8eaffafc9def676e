"""One line of an address: from what people type and paste to the one text that is sent.

Refused is only what a line cannot hold: control characters, line and paragraph separators, lone
surrogates, and the two bidirectional overrides, which show characters in another order than the
one that is sent (Unicode Standard Annex #9, section 2.2). Bidirectional marks, embeddings and
isolates stay: keyboards and contact lists put them around numbers and names, and they turn no
character round. So do joiners, which Persian and Indic words need, and whatever is newer than this
interpreter's Unicode tables.
"""

import re
import unicodedata

from gateway.characters import has_visible
from gateway.errors import InvalidInput

LINE_LENGTH = 100
POST_CODE_LENGTH = 20
_MOST_DECOMPOSED = 4  # characters that one of NFC may be written as (UAX #15, section 9)

_SEPARATOR = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")  # Zs, but for the blank
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # Cc, Zl, Zp
_OVERRIDE = re.compile("[\u202d\u202e]")
_SURROGATE = re.compile("[\ud800-\udfff]")

_ONLY_BLANKS_ARE_EMPTY = 1
"""The version of rows by whose rules a line of other invisible characters was sent as it is."""


def read_line(text: str, field: str, version: int, longest: int = LINE_LENGTH) -> str | None:
    """The line as it is sent, in NFC; None where it has no visible character.

    Blanks around it are dropped, and every other separator is a blank. ``longest`` is in characters
    of the result. Raises InvalidInput, which names the ``field``.
    """
    # One text, one form: what two keyboards write as other characters is one input of a key.
    # Beyond its longest form a text is not looked at: its marks are put in order one by one, so
    # that tens of thousands of them would take seconds.
    text = text.strip()
    if len(text) <= longest * _MOST_DECOMPOSED:
        text = unicodedata.normalize("NFC", _SEPARATOR.sub(" ", text)).strip()
    if reason := _refusal(text, longest):
        raise InvalidInput(f"{field} must {reason}.", field=field)
    return text if _is_visible(text, version) else None


def _refusal(text: str, longest: int) -> str | None:
    """What a text must be, and is not."""
    if len(text) > longest:
        return f"have at most {longest} characters"
    if _CONTROL.search(text):
        return "be one line without control characters such as tabs"
    if _OVERRIDE.search(text):
        return "not hold bidirectional overrides (U+202D, U+202E); write it without them"
    if _SURROGATE.search(text):
        return "not hold half a character (a lone surrogate); write the whole character"
    return None


def _is_visible(text: str, version: int) -> bool:
    if version <= _ONLY_BLANKS_ARE_EMPTY:
        return bool(text)
    return has_visible(text)
