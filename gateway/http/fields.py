"""Values of HTTP fields, by the grammars of RFC 9110."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # a token: section 5.6.2
_QUOTED = r'"(?:[^"\\]|\\.)*"'  # section 5.6.4
# A string that is never closed ends with the text, so that a search never goes back.
_ITEM = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*\\?(?:"|\Z))+', re.DOTALL)
_NAME = re.compile(rf"[ \t]*({_WORD}(?:/{_WORD})?)")
_PARAMETER = re.compile(rf"[ \t]*;[ \t]*(?:({_WORD})=({_WORD}|{_QUOTED}))?", re.DOTALL)  # 5.6.6
# Section 12.4.2, and `.2` for `0.2`, which Java's HttpURLConnection sends by itself.
_QUALITY = re.compile(r"0?\.[0-9]{1,3}|0\.?|1(?:\.0{0,3})?")


class Item(NamedTuple):
    """One item of a list: a token or a media range, and its parameters, names in small letters."""

    name: str
    parameters: Mapping[str, str]

    @property
    def quality(self) -> float | None:
        """The weight (section 12.4.2), which is 1 where there is none; None where it is none."""
        text = self.parameters.get("q", "1")
        return float(text) if _QUALITY.fullmatch(text) else None


def items(value: str) -> Iterator[Item]:
    """The items of a list (section 5.6.1); those that fit no grammar are passed over."""
    for text in _ITEM.findall(value):
        if found := item(text):
            yield found


def item(text: str) -> Item | None:
    """A token or a media type with parameters (section 8.3.1); None where it is malformed."""
    found = _NAME.match(text)
    if found is None:
        return None
    parameters: dict[str, str] = {}
    end = found.end()
    while part := _PARAMETER.match(text, end):
        end = part.end()
        if part[1]:  # the first of a name counts
            parameters.setdefault(part[1].lower(), _unquoted(part[1], part[2]))
    return None if text[end:].strip(" \t") else Item(found[1].lower(), parameters)


def _unquoted(name: str, text: str) -> str:
    """What a quoted string says; a weight is never quoted, and stays as it is."""
    if not text.startswith('"') or name.lower() == "q":
        return text
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
