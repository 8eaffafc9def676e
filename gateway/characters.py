"""Which texts can be seen: a name or a line that shows nothing is as good as none."""

import re

# Blanks; Default_Ignorable_Code_Point of DerivedCoreProperties.txt in the Unicode Character
# Database, which also holds what is reserved for such characters; the format characters beside it
# that draw nothing (interlinear annotation, Egyptian hieroglyphs); and the symbols drawn blank.
_INVISIBLE = re.compile(
    r"[\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    r"\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    r"\U00013430-\U0001343f\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    r"\u2800\U00013441\U00013442\U0001d159]*"
)


def has_visible(text: str) -> bool:
    """Whether any character of the text can be seen; those that are not known here count so."""
    return _INVISIBLE.fullmatch(text) is None
