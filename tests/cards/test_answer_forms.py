"""What the provider's answers look like when they are not as documented, and what a client sees."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio

from gateway.events import CardFieldsUnreadable, UnexpectedError
from tests.cards.test_cards import CARD_ID, WIRE_CARD
from tests.examples import mostly_long
from tests.stack import ADDRESS, Clock, Stack, in_process, running

pytestmark = in_process

PAN = "4111111111111111"
WHOLE = (
    "query($id: ID!) { card(id: $id) { id type status name network maskedPan expirationDate "
    "createdAt updatedAt billingAddress { firstLine secondLine city state country postCode } } }"
)
FULL = WIRE_CARD | {
    "name": "John Carter",
    "network": "visa",
    "maskedPan": "530518******9871",
    "expirationDate": "10/2028",
    "billingAddress": ADDRESS | {"secondLine": "Flat G", "state": "LDN"},
}


def is_post(request: httpx.Request) -> bool:
    """Whether a request is that which makes a card."""
    return request.method == "POST" and request.url.path.endswith("/cards")


def is_token(request: httpx.Request) -> bool:
    """Whether a request is for the access token."""
    return request.url.path.endswith("/auth/token")


class Answered:
    """What a client saw of an answer, and what was told of it."""

    def __init__(self, body: Any, told: list[Any]) -> None:
        self.body = body
        self.codes = [error["extensions"]["code"] for error in body.get("errors", [])]
        self.fields = [e.fields for e in told if isinstance(e, CardFieldsUnreadable)]
        self.text = json.dumps(body) + repr(told)
        assert not [event for event in told if isinstance(event, UnexpectedError)]

    @property
    def card(self) -> Any:
        """The card that was shown."""
        assert not self.codes, self.codes
        return self.body["data"]["card"]


Read = Callable[..., Awaitable[Answered]]
one_gateway = pytest.mark.asyncio(loop_scope="module")
"""For tests that only read: a gateway for each of the many rows would take most of their time."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def read() -> AsyncIterator[Read]:
    """Reads a card that the provider shows with a body."""
    told: list[Any] = []
    async with running(
        clock=Clock(), sinks=[told.append], network=False, rate_limits={"card": "off"}
    ) as stack:

        async def answered(answer: bytes, **headers: str) -> Answered:
            told.clear()
            response = httpx.Response(200, content=answer, headers=headers)
            stack.wire.answer = lambda request: response if request.method == "GET" else None
            posted = await stack.post(WHOLE, {"id": CARD_ID})
            assert posted.status_code == 200
            return Answered(posted.json(), told)

        yield answered


def card(**changes: Any) -> bytes:
    """A card with these fields changed, or left out where they are ``...``."""
    fields = {name: value for name, value in (FULL | changes).items() if value is not ...}
    return json.dumps(fields).encode()


# Forms of a whole body.

DEEP = 200_000
FORMS: dict[str, bytes] = {
    "Latin-1": card(name="José").replace(b"\\u00e9", b"\xe9"),
    "Latin-1 in an unknown field": card(surprise="é").replace(b"\\u00e9", b"\xe9"),
    "UTF-16": card().decode().encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf" + card(),
    "deep array": b"[" * DEEP + b"]" * DEEP,
    "deep object": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "deep field": card(name="x").replace(b'"x"', b"[" * DEEP + b"]" * DEEP),
    "deep unknown field": card(surprise="x").replace(b'"x"', b"[" * DEEP + b"]" * DEEP),
    "NaN": card(name=float("nan")),
    "NaN in an unknown field": card(surprise=float("nan")),
    "Infinity": card(surprise=float("inf")),
    "trailing bytes": card() + b"}",
    "two values": card() * 2,
    "cut": card()[:-1],
    "control character": card(name="x").replace(b'"x"', b'"\0"'),
    "null": b"null",
    "list": b"[" + card() + b"]",
    "empty list": b"[]",
    "empty": b"",
    "blank": b" ",
    "string": b'"card"',
    "number": b"1" * 5000,
    "true": b"true",
    "object": b"{}",
    "HTML": b"<!doctype html><title>502</title>",
}
SOME_FORMS = ("Latin-1", "deep array", "deep unknown field", "cut", "list", "empty", "HTML")


@one_gateway
@pytest.mark.parametrize("form", FORMS)
async def test_a_body_of_another_form_is_a_protocol_error(read: Read, form: str) -> None:
    """What is no JSON object of a card is the provider's fault, and is said to be."""
    assert (await read(FORMS[form])).codes == ["PROVIDER_PROTOCOL_ERROR"]


@pytest.mark.parametrize("form", mostly_long(FORMS, *SOME_FORMS))
async def test_an_access_token_of_another_form_is_no_fault_of_ours(form: str) -> None:
    """Without a readable token, calls and ``/readyz`` say that the provider is not available."""
    async with running(clock=Clock()) as stack:
        stack.wire.answer = lambda request: (
            httpx.Response(200, content=FORMS[form]) if is_token(request) else None
        )
        error = await stack.error(WHOLE, {"id": CARD_ID})
        ready = await stack.client.get("/readyz")
    assert error["extensions"]["code"] == "PROVIDER_UNAVAILABLE"
    assert (ready.status_code, ready.json()["code"]) == (503, "PROVIDER_UNAVAILABLE")


@pytest.mark.parametrize("form", mostly_long(FORMS, *SOME_FORMS))
async def test_a_created_card_of_another_form_is_unknown(form: str) -> None:
    """A create is repeated with its key, and then nobody is told that nothing happened."""
    async with running(clock=Clock()) as stack:
        stack.wire.answer = lambda request: (
            httpx.Response(201, content=FORMS[form]) if is_post(request) else None
        )
        issued = await stack.issue()
        posts = stack.wire.sent("POST", "/cards")
    assert issued["__typename"] == "OutcomeUnknown"
    assert len(posts) == 2
    assert len({post.headers["Idempotency-Key"] for post in posts}) == 1


EXPIRES: list[Any] = [1.8e9, 1.5, "1800003600", -1, 10**12, 10**30, None, True, [], ...]


@pytest.mark.parametrize("expires", mostly_long(EXPIRES, 1.5, "1800003600", 10**30), ids=str)
async def test_an_unreadable_expiry_is_no_fault_of_ours(expires: Any) -> None:
    """An expiry that is not the documented number is no token, for calls and for ``/readyz``."""
    token = {"token": "t", "tokenType": "Bearer"} | (
        {} if expires is ... else {"expiresAt": expires}
    )
    async with running(clock=Clock()) as stack:
        stack.wire.answer = lambda request: (
            httpx.Response(200, json=token) if is_token(request) else None
        )
        ready = await stack.client.get("/readyz")
        error = await stack.error(WHOLE, {"id": CARD_ID})
    assert (ready.status_code, ready.json()["code"]) == (503, "PROVIDER_UNAVAILABLE")
    assert error["extensions"]["code"] == "PROVIDER_UNAVAILABLE"


READABLE: dict[str, tuple[bytes, str, Any]] = {
    "half a pair": (card(name="a\ud800b"), "name", "a\ufffdb"),
    "the other half": (card(name="\udc00"), "name", "\ufffd"),
    "halves in the wrong order": (card(name="\udc00\ud800"), "name", "\ufffd\ufffd"),
    "a pair": (card(name="😀"), "name", "😀"),
    "half beside a pair": (card(name="\ud83d😀"), "name", "\ufffd😀"),
    "a backslash before u": (card(name="\\ud800\ud800"), "name", "\\ud800\ufffd"),
    "half in an unknown field": (card(surprise="\ud800"), "name", "John Carter"),
    "twice": (card(name="A")[:-1] + b',"name":"B"}', "name", "B"),
    "a huge number": (card(surprise=0).replace(b": 0", b": " + b"9" * 5000), "status", "ACTIVE"),
    "no name": (card(name=...), "name", None),
    "an empty name": (card(name=""), "name", None),
    "an empty date": (card(expirationDate=""), "expirationDate", None),
    "unknown network": (card(network="amex"), "network", "UNKNOWN"),
    "another media type": (card(), "status", "ACTIVE"),
}


@one_gateway
@pytest.mark.parametrize("case", READABLE)
async def test_oddities_hide_no_card(read: Read, case: str) -> None:
    """What can be read is read, and nobody is warned of what is only unusual."""
    body, field, shown = READABLE[case]
    answered = await read(body, **{"Content-Type": "text/plain; charset=latin-1"})
    assert answered.card[field] == shown
    assert answered.fields == []


@one_gateway
async def test_half_a_pair_in_an_address_is_shown_as_such(read: Read) -> None:
    """Half of a surrogate pair does not break the answer that it stands in."""
    answered = await read(card(billingAddress=ADDRESS | {"city": "x\ud800"}))
    assert answered.card["billingAddress"]["city"] == "x\ufffd"


# Forms of one field.

WRONG: tuple[Any, ...] = (4, None, [])


@one_gateway
@pytest.mark.parametrize("empty", ["", None, ...])
async def test_what_is_empty_in_an_address_has_many_forms(read: Read, empty: Any) -> None:
    """Lines, and a post code in a country without any, may be empty, null or left out: it is one
    address, and its click is found by it."""
    changes = {"secondLine": empty, "state": empty, "country": "HK", "postCode": empty}
    sent = {name: value for name, value in (ADDRESS | changes).items() if value is not ...}
    answered = await read(card(billingAddress=sent))
    expected = ADDRESS | {"secondLine": None, "state": None, "country": "HK", "postCode": ""}
    assert answered.card["billingAddress"] == expected
    assert not answered.fields


NO_POST_CODE = {name: value for name, value in ADDRESS.items() if name != "postCode"}
OPTIONAL: dict[str, list[Any]] = {
    "name": [4.5, 12, True, [], {}, ["canary"], "canary" * 200],
    "network": [4, True, [], {"canary": 1}],
    "maskedPan": [PAN * 100, 4111111111111111, True, [], "canary", "n/a"],
    "expirationDate": [
        *[102028, [], "canary", "10/28", "2028-10", "13/2028", "00/2028", "1/2028", "10/2028 "],
        *["10-2028", "10/20281", "10/٢٠٢٨", PAN],
    ],
    "billingAddress": [
        *[4, True, [], "canary", {}, {"city": "canary"}, [ADDRESS]],
        *[ADDRESS | {name: bad} for name in ADDRESS for bad in WRONG],
        *[ADDRESS | {name: 4} for name in ("secondLine", "state")],
        NO_POST_CODE,
        ADDRESS | {"firstLine": "canary" * 200},
    ],
}
BAD = [(name, value) for name, values in OPTIONAL.items() for value in values]


@one_gateway
@pytest.mark.parametrize(("name", "value"), BAD, ids=str)
async def test_a_bad_optional_field_is_null_with_a_warning(
    read: Read, name: str, value: Any
) -> None:
    """An optional field of another form is null; the card is shown, and the field is named."""
    answered = await read(card(**{name: value}))
    assert answered.card[name] is None
    assert answered.card["status"] == "ACTIVE"
    assert answered.fields == [(name,)]
    assert "canary" not in answered.text
    assert PAN not in answered.text


BAD_AT_ISSUE = [
    *[("name", 4), ("network", 4), ("maskedPan", "n/a"), ("expirationDate", "10/28")],
    *[("billingAddress", 4), ("billingAddress", NO_POST_CODE)],
]


@pytest.mark.parametrize(("name", "value"), BAD_AT_ISSUE, ids=str)
async def test_a_bad_optional_field_hides_no_new_card(name: str, value: Any) -> None:
    """A card that was just issued is told, whatever its optional fields look like."""
    issued, told = await issue_with(**{name: value})
    assert issued["__typename"] == "IssueVirtualCardSuccess"
    assert issued["card"][name] is None
    assert [e.fields for e in told if isinstance(e, CardFieldsUnreadable)] == [(name,)]


async def issue_with(**changes: Any) -> tuple[Any, list[Any]]:
    """Issue a card of which the provider's answer has these changes; reads are as they should."""
    told: list[Any] = []
    async with running(clock=Clock(), sinks=[told.append]) as stack:
        change_created(stack, **changes)
        return await stack.issue(), told


def change_created(stack: Stack, **changes: Any) -> None:
    """Let the emulator make cards, and change what it says of a new one."""
    passing = stack.wire.handle_async_request

    async def changed(request: httpx.Request) -> httpx.Response:
        response = await passing(request)
        if not is_post(request):
            return response
        fields = {n: v for n, v in (response.json() | changes).items() if v is not ...}
        return httpx.Response(201, json=fields)

    stack.wire.handle_async_request = changed  # type: ignore[method-assign]


REQUIRED: dict[str, list[Any]] = {
    "id": [
        *[..., None, 4, [], "", "canary", f"{{{CARD_ID}}}", f"{CARD_ID}\n", f" {CARD_ID}"],
        *[f"urn:uuid:{CARD_ID}", CARD_ID.replace("1", "١")],
        *[CARD_ID.replace("-", ""), CARD_ID.replace("-", "_")],
    ],
    "accountId": [..., None, 4, CARD_ID.replace("-", ""), f"{{{CARD_ID}}}"],
    "type": [..., None, 4, True, []],
    "status": [..., None, 4, 4111111111111111, True, []],
    "createdAt": [..., None, 4, 1705072346, 1705072346.9, True, [], ""],
    "updatedAt": [..., None, 4, "canary", "", PAN],
}
NOT_DATES = [
    "yesterday",
    "2024-01-12",
    "2024-01-12T15:12:26",
    "2024-01-12T15:12:26,5Z",
    "2024-01-12T15:12:26.Z",
    "2024-01-12T15:12Z",
    "2024-01-12T24:00:00Z",
    "2024-01-12T15:12:61Z",
    "2024-02-30T15:12:26Z",
    "2024-01-12T15:12:26+0100",
    "2024-01-12T15:12:26+24:00",
    "2024-01-12T15:12:26+01:60",
    "2024-W02-5T15:12:26Z",
    "20240112T151226Z",
    "٢٠٢٤-01-12T15:12:26Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-01:00",
    "10000-01-01T00:00:00Z",
    " 2024-01-12T15:12:26Z",
    "2024-01-12T15:12:26Z\n",
]
MISSING = [(name, value) for name, values in REQUIRED.items() for value in values]
MISSING += [("createdAt", text) for text in NOT_DATES]


@one_gateway
@pytest.mark.parametrize(("name", "value"), MISSING, ids=repr)
async def test_a_bad_required_field_is_a_protocol_error(read: Read, name: str, value: Any) -> None:
    """Without an id, type, status or date there is no card to show."""
    answered = await read(card(**{name: value}))
    assert answered.codes == ["PROVIDER_PROTOCOL_ERROR"]
    assert "canary" not in answered.text
    assert PAN not in answered.text


@pytest.mark.parametrize(
    "value", mostly_long([..., None, 4, "yesterday", "0001-01-01T00:00:00+14:00"], ..., "yesterday")
)
@pytest.mark.parametrize("name", ["createdAt", "updatedAt"])
async def test_a_new_card_without_a_date_is_read_afresh(name: str, value: Any) -> None:
    """The id of a card that was just made is not lost: what is shown of it is read then."""
    told: list[Any] = []
    async with running(clock=Clock(), sinks=[told.append]) as stack:
        change_created(stack, **{name: value})
        issued = await stack.issue()
        reads = stack.wire.sent("GET", "/cards/")
        shown = await stack.card(issued["card"]["id"])
    assert issued["__typename"] == "IssueVirtualCardSuccess"
    assert issued["replayed"] is False
    assert issued["card"]["createdAt"].endswith("Z")
    assert shown["id"] == issued["card"]["id"]
    assert len(reads) == 1
    assert [e.fields for e in told if isinstance(e, CardFieldsUnreadable)] == [(name,)]


async def test_a_new_card_whose_dates_are_never_readable_is_not_made_twice() -> None:
    """Its key is settled: the same click again is answered from the card, and sends nothing."""
    key = "123e4567-e89b-42d3-a456-426614174001"
    async with running(clock=Clock()) as stack:
        change_created(stack, createdAt=None)
        stack.wire.answer = lambda request: (
            httpx.Response(200, content=card(createdAt=None)) if request.method == "GET" else None
        )
        first = await stack.issue(idempotencyKey=key)
        again = await stack.issue(idempotencyKey=key)
        posts = stack.wire.sent("POST", "/cards")
    for result in (first, again):
        assert result["__typename"] == "ProviderUnavailable"
        assert "carried out" in result["message"]
    assert len(posts) == 1


# Moments.

MOMENTS = {
    "2024-12-31T23:59:59.9999999Z": "2024-12-31T23:59:59.999999Z",
    "2024-01-12T15:12:26.923705979Z": "2024-01-12T15:12:26.923705Z",
    "2024-01-12T15:12:26.923705999999Z": "2024-01-12T15:12:26.923705Z",
    "1969-12-31T23:59:59.9999999Z": "1969-12-31T23:59:59.999999Z",
    "2024-01-12T15:12:26Z": "2024-01-12T15:12:26.000000Z",
    "2024-01-12T15:12:26.5Z": "2024-01-12T15:12:26.500000Z",
    "2024-01-12t15:12:26.923705z": "2024-01-12T15:12:26.923705Z",
    "2024-01-12 15:12:26Z": "2024-01-12T15:12:26.000000Z",
    "2024-01-12T15:12:26-00:00": "2024-01-12T15:12:26.000000Z",
    "2024-01-12T15:12:26+05:45": "2024-01-12T09:27:26.000000Z",
    "2016-12-31T23:59:60Z": "2016-12-31T23:59:59.999999Z",
    "0001-01-01T00:00:00Z": "0001-01-01T00:00:00.000000Z",
    "9999-12-31T23:59:59.999999999Z": "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59+14:00": "9999-12-31T09:59:59.000000Z",
}


@one_gateway
@pytest.mark.parametrize("sent", MOMENTS)
async def test_moments_are_cut_to_microseconds(read: Read, sent: str) -> None:
    """A moment is shown with six digits, and never as a later one than it is."""
    shown = (await read(card(createdAt=sent, updatedAt=sent))).card
    assert (shown["createdAt"], shown["updatedAt"]) == (MOMENTS[sent],) * 2


@one_gateway
async def test_a_card_does_not_change_between_issue_and_read(read: Read) -> None:
    """Nine digits at the issue and six at a read, as the provider sends them, are one text."""
    async with running(clock=Clock()) as stack:
        change_created(stack, createdAt="2024-01-12T15:12:26.923705979Z")
        issued = (await stack.issue())["card"]["createdAt"]
    shown = (await read(card(createdAt="2024-01-12T15:12:26.923705Z"))).card
    assert issued == shown["createdAt"]


async def test_the_scalar_names_a_specification_that_its_values_obey() -> None:
    """DateTime is a date-time of RFC 3339; other specifications ask for three digits."""
    async with running() as stack:
        found = await stack.data('{ __type(name: "DateTime") { specifiedByURL } }')
    assert found["__type"]["specifiedByURL"] == "https://www.rfc-editor.org/rfc/rfc3339"


# Card numbers.

MASKS = {
    "530518******9871": "530518******9871",
    "**** **** **** 9871": "************9871",
    "XXXX-XXXX-XXXX-1234": "************1234",
    "xxxx xxxx xxxx 1234": "************1234",
    "•••• 9871": "****9871",
    "●●●● ●●●● ●●●● 9871": "************9871",
    "############1234": "************1234",
    "5305 18** **** 9871": "530518******9871",
    "530518xxxxxx9871": "530518******9871",
    "5305-18XX-XXXX-9871": "530518******9871",
    "5305\u00a018**\u00a0****\u00a09871": "530518******9871",
    "٥٣٠٥١٨******٩٨٧١": "530518******9871",
    "...9871": "***9871",
    "ending in 9871": "********9871",
    "53051812****9871": "********9871",
    "530518*****19871": "********9871",
    "4111 1111 1111 1111": "************1111",
    "4111.1111.1111.1111": "************1111",
    "４１１１１１１１１１１１１１１１": "************1111",
    "41111111": "********",
    "9871": "********",
    "****************": "****************",
    PAN * 3: "*" * 44 + "1111",
}


@one_gateway
@pytest.mark.parametrize("sent", MASKS)
async def test_masks_are_of_one_style(read: Read, sent: str) -> None:
    """A mask of any style keeps its last four digits, and shows ten digits at most."""
    assert (await read(card(maskedPan=sent))).card["maskedPan"] == MASKS[sent]


TEXTS = {
    "4111111111111111": "************1111",
    "4111 1111 1111 1111": "************1111",
    "4111-1111-1111-1111": "************1111",
    "4111.1111.1111.1111": "************1111",
    "4111\u00a01111\u00a01111\u00a01111": "************1111",
    "4111\u200b1111\u20141111_1111": "************1111",
    "4111 - 1111 - 1111 - 1111": "************1111",
    "４１１１　１１１１　１１１１　１１１１": "************1111",
    "٤١١١١١١١١١١١١١١١": "************1111",
    "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1": "************1111",
    "J Carter 4111111111111111 x": "J Carter ************1111 x",
    "PAN:4111111111111111.": "PAN:************1111.",
    "x4111111111111111x": "x************1111x",
    "Flat 12 4111 1111 1111 1111": "Flat 12 ************1111",
    "4111 1111 1111 1111 12 28": "************1111 12 28",
    "378282246310005, 4222222222222": "***********0005, *********2222",
    "41111111111111110228123": "*******************8123",
    "4111111111111111123": "***************1123",
    "378282246310005123": "**************5123",
    "4111    1111 \u200b\u200b\u200b\u200b1111 -- -- 1111": "************1111",
}
# Not valid by the Luhn formula, too short, or of too few digits.
KEPT = [
    "4111111111111112",
    "411111111111",
    "1 Test Avenue",
    "+44 20 7946 0958",
    "+49 (0) 89 1234-5678 90",
    "Flat 12, 345 67890",
    "東京都 千代田区 1-2-3",
    "Ⅻ ② 3²",
]


@one_gateway
@pytest.mark.parametrize("line", ["name", "firstLine", "secondLine", "city", "state", "postCode"])
async def test_no_line_shows_a_card_number(read: Read, line: str) -> None:
    """A card number in a name or in any line of an address is masked like a ``maskedPan``."""
    changes = {"name": PAN} if line == "name" else {"billingAddress": ADDRESS | {line: PAN}}
    answered = await read(card(**changes))
    shown = answered.card if line == "name" else answered.card["billingAddress"]
    assert shown[line] == "************1111"
    assert PAN not in answered.text


@one_gateway
@pytest.mark.parametrize("text", TEXTS)
async def test_card_numbers_in_any_writing_are_masked(read: Read, text: str) -> None:
    """Digits of any script count, and so do those in groups; what stands around them stays."""
    assert (await read(card(name=text))).card["name"] == TEXTS[text]


@one_gateway
@pytest.mark.parametrize("text", KEPT)
async def test_other_numbers_stay(read: Read, text: str) -> None:
    """What is no card number is shown as it was sent."""
    assert (await read(card(name=text))).card["name"] == text


async def test_an_address_with_a_number_is_still_sent_and_compared_as_it_is() -> None:
    """Masking is for what is shown: the provider gets the address that was typed."""
    address = ADDRESS | {"secondLine": PAN}
    async with running() as stack:
        issued = await stack.issue(billingAddress=address)
        [post] = stack.wire.sent("POST", "/cards")
    assert issued["card"]["billingAddress"]["secondLine"] == "************1111"
    assert json.loads(post.content)["billingAddress"]["secondLine"] == PAN
