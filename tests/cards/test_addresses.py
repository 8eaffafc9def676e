"""Addresses as people type and paste them: what is taken, what is sent, and what is refused."""

import re
import unicodedata
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cards.countries import COUNTRIES
from gateway.cards.inputs import parse_address
from gateway.cards.types import AddressInput, CountryCode
from gateway.errors import InvalidInput
from gateway.ledger import VERSION
from gateway.provider import WITHOUT_POST_CODE
from tests.examples import mostly_long
from tests.stack import ADDRESS, Stack, in_process

pytestmark = in_process

TAKEN = {
    "an ideographic space": ("東京都　千代田区", "東京都 千代田区"),
    "a no-break space": ("12\u00a0rue de l’Église", "12 rue de l’Église"),
    "a narrow no-break space": ("12\u202fbis", "12 bis"),
    "an Ogham space": ("a\u1680b", "a b"),
    "separators of many widths": ("a\u2000\u2003\u2009b", "a   b"),
    "two blanks": ("a  b", "a  b"),
    "a non-joiner in Persian": ("خیابان می\u200cرسد", "خیابان می\u200cرسد"),
    "a joiner in Sinhala": ("ශ්\u200dරී ලංකා", "ශ්\u200dරී ලංකා"),
    "a family of emoji": ("👨\u200d👩\u200d👧\ufe0f 1", "👨\u200d👩\u200d👧\ufe0f 1"),
    "an emoji of Unicode 16": ("\U0001fae9 1", "\U0001fae9 1"),
    "a character that is not assigned": ("\U0001fbff\u0378", "\U0001fbff\u0378"),
    "a character for private use": ("\ue000", "\ue000"),
    "bidirectional marks": ("רחוב 1\u200f, \u200eA\u061c", "רחוב 1\u200f, \u200eA\u061c"),
    "an isolate": ("\u2068شارع\u2069 7", "\u2068شارع\u2069 7"),
    "an embedding": ("\u202a7\u202c شارع", "\u202a7\u202c شارع"),
    "a soft hyphen": ("Donau\u00adstraße", "Donau\u00adstraße"),
    "a word joiner": ("a\u2060b", "a\u2060b"),
    "a byte order mark": ("\ufeff1 Main Street", "\ufeff1 Main Street"),
    "decomposed letters": ("So\u0302\u0301 1", "S\u1ed1 1"),
    "decomposed Hangul": ("\u1112\u1161\u11ab", "한"),
    "an okina": ("Kalākaua ʻAwe", "Kalākaua ʻAwe"),
    "white space around it": (" \t\r\n1 Main Street\u3000\n", "1 Main Street"),
    "a separator under a mark": ("a\u00a0\u0301", "a \u0301"),
}
CONTROLS = "\x00\x01\t\n\x0b\r\x1b\x1f\x7f\x80\x85\x9f"
REFUSED = {
    **{f"U+{ord(one):04X}": (f"a{one}b", "control characters") for one in CONTROLS},
    "a line separator": ("a\u2028b", "control characters"),
    "a paragraph separator": ("a\u2029b", "control characters"),
    "a left-to-right override": ("a\u202db", "bidirectional overrides"),
    "a right-to-left override": ("a\u202eb\u202c", "bidirectional overrides"),
}
INVISIBLE = {
    "nothing": "",
    "blanks": "   ",
    "white space": "\t\n\u3000\u00a0",
    "a zero width space": "\u200b",
    "joiners": "\u200c\u200d",
    "marks": "\u200e\u200f\u061c",
    "an empty isolate": "\u2068 \u2069",
    "a word joiner": "\u2060",
    "invisible operators": "\u2061\u2064",
    "a byte order mark": "\ufeff",
    "a soft hyphen": "\u00ad",
    "a Mongolian vowel separator": "\u180e",
    "a grapheme joiner": "\u034f",
    "Hangul fillers": "\u3164\u115f\u1160\uffa0",
    "inherent vowels of Khmer": "\u17b4\u17b5",
    "variation selectors": "\ufe0f \ufe00\U000e0100\u180b",
    "tags": "\U000e0001\U000e0067\U000e007f",
    "musical beams": "\U0001d173\U0001d17a",
    "the blank of Braille": "\u2800",
    "an empty annotation": "\ufff9\ufffa\ufffb",
    "hieroglyphs that show nothing": "\U00013430\U00013441",
    "many of them": " \u2800\u200b\u3164 \ufeff ",
}


def sent(stack: Stack) -> Any:
    """The one address that the provider was sent."""
    [request] = stack.wire.sent("POST", "/cards")
    return msgspec.json.decode(request.content)["billingAddress"]


SOME_TAKEN = (
    *("an ideographic space", "a no-break space", "a non-joiner in Persian", "a family of emoji"),
    *("an emoji of Unicode 16", "an isolate", "decomposed letters", "white space around it"),
)


@pytest.mark.parametrize("what", mostly_long(TAKEN, *SOME_TAKEN))
async def test_a_line_is_taken_and_sent_in_one_form(stack: Stack, what: str) -> None:
    """Every line takes it; separators are blanks and text is NFC, at the provider and in the card.

    The same line in its sent form is the same input of its key.
    """
    (text, line), key = TAKEN[what], str(uuid.uuid4())
    names = ("firstLine", "secondLine", "city", "state", "postCode")
    given, expected = dict.fromkeys(names, text), dict.fromkeys(names, line)
    first = await stack.issue(idempotencyKey=key, billingAddress=ADDRESS | given)
    assert first["card"]["billingAddress"] == ADDRESS | expected
    assert sent(stack) == ADDRESS | expected
    again = await stack.issue(idempotencyKey=key, billingAddress=ADDRESS | expected)
    assert again["card"]["id"] == first["card"]["id"]


SOME_REFUSED = ("U+0000", "U+0009", "U+000A", "U+0085", "a line separator")


@pytest.mark.parametrize("what", mostly_long(REFUSED, *SOME_REFUSED, "a right-to-left override"))
async def test_a_line_that_is_refused_is_named(stack: Stack, what: str) -> None:
    """No line takes it: the field and the reason are told, and nothing is sent."""
    text, reason = REFUSED[what]
    for name in ("firstLine", "secondLine", "city", "state", "postCode"):
        result = await stack.issue(billingAddress=ADDRESS | {name: text})
        field = f"input.billingAddress.{name}"
        assert (result["__typename"], result["field"]) == ("InvalidInput", field)
        assert reason in result["message"]
    assert not stack.wire.exchanges


SOME_INVISIBLE = ("nothing", "white space", "joiners", "Hangul fillers", "many of them")


@pytest.mark.parametrize("what", mostly_long(INVISIBLE, *SOME_INVISIBLE))
async def test_a_line_without_a_visible_character_is_empty(stack: Stack, what: str) -> None:
    """Required lines are refused as empty, a post code as well; optional lines are left out."""
    text = INVISIBLE[what]
    for name in ("firstLine", "city", "postCode"):
        result = await stack.issue(billingAddress=ADDRESS | {name: text})
        field = f"input.billingAddress.{name}"
        assert (result["__typename"], result["field"]) == ("InvalidInput", field)
        assert "must not be empty" in result["message"]
    assert not stack.wire.exchanges
    address = ADDRESS | {"secondLine": text, "state": text}
    issued = await stack.issue(billingAddress=address)
    assert issued["card"]["billingAddress"] == ADDRESS | {"secondLine": None, "state": None}
    assert sent(stack) == ADDRESS


@pytest.mark.parametrize("country", ["HK", "AE", "QA"])
async def test_a_post_code_may_be_empty_where_there_is_none(stack: Stack, country: str) -> None:
    """It is sent and shown as the empty text, whatever blanks were given; a code is taken, too."""
    address = ADDRESS | {"country": country, "postCode": " \u3000"}
    issued = await stack.issue(billingAddress=address)
    assert issued["card"]["billingAddress"]["postCode"] == ""
    assert sent(stack) == address | {"postCode": ""}
    issued = await stack.issue(billingAddress=address | {"postCode": "999077"})
    assert issued["card"]["billingAddress"]["postCode"] == "999077"


def test_the_kept_list_is_of_countries() -> None:
    """Each entry is a code of ISO 3166-1; countries with codes of their own are not among them."""
    assert WITHOUT_POST_CODE < COUNTRIES
    assert {"HK", "AE", "QA", "AO", "BO"} <= WITHOUT_POST_CODE
    assert not {"IE", "GB", "US", "DE", "JP", "KE", "SA", "MT"} & WITHOUT_POST_CODE


@pytest.mark.parametrize("country", ["gb", "GBR", "G", "", "GB ", " GB", "ＧＢ", "UK", "XK", "ZZ"])
async def test_a_country_is_two_capital_letters(stack: Stack, country: str) -> None:
    """Anything else is refused in words that say what a country is."""
    result = await stack.issue(billingAddress=ADDRESS | {"country": country})
    assert (result["__typename"], result["field"]) == (
        "InvalidInput",
        "input.billingAddress.country",
    )
    assert "two capital letters of ISO 3166-1 alpha-2" in result["message"]


texts = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("".join(INVISIBLE.values()) + CONTROLS),
        st.sampled_from("\u0301\u0327\u1112\u1161\u11ab\u0915\u093c\u212b\u2126\u0344"),
    ),
    max_size=12,
)


def read(line: str, version: int = VERSION) -> str | None:
    """A first line as it is sent; None where it is refused."""
    country = CountryCode("GB")
    given = AddressInput(first_line=line, city="London", country=country, post_code="SW1 1AA")
    try:
        return parse_address(given, "input", version).first_line
    except InvalidInput:
        return None


@given(texts)
def test_a_line_that_was_read_is_read_as_itself(text: str) -> None:
    """What is sent is one line of NFC in UTF-8 without separators but blanks, and stays so."""
    if (line := read(text)) is None:
        return
    assert read(line) == line
    assert unicodedata.is_normalized("NFC", line)
    assert msgspec.json.decode(msgspec.json.encode(line)) == line
    assert not re.search(r"[^\S ]|[\x00-\x1f\x7f-\x9f\u202d\u202e]", line)
    assert line == line.strip() != ""


@given(texts)
def test_every_form_of_a_text_is_one_line(text: str) -> None:
    """Composed or decomposed, with blanks of any kind around it: the same line."""
    line = read(text)
    for form in ("NFC", "NFD"):
        assert read(f"\u3000{unicodedata.normalize(form, text)}\u00a0") == line


def in_version_1(text: str) -> str | None:
    """A line as version 1 of rows was made of it: a frozen copy; None where it was refused."""
    text = text.strip()
    text = unicodedata.normalize("NFC", text).strip() if len(text) <= 400 else text
    return text if text and len(text) <= 100 and text.isprintable() else None


@given(texts)
def test_what_version_1_took_keeps_its_bytes(text: str) -> None:
    """Read by version 1 a line is what it was; by version 2 it is the same, or refused as empty.

    So a key of version 1 is compared, sent again and found out with the bytes that it had.
    """
    if (line := in_version_1(text)) is None:
        return
    assert read(text, version=1) == line
    assert read(text) == line or not re.sub("[" + "".join(INVISIBLE.values()) + "]", "", line)
