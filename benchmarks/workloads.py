"""What is asked, and what exactly is a right answer to it: documents, variables, checks."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec

from benchmarks.provider import holder, listed
from benchmarks.wire import Ask, Refused, WrongAnswer, post

T = TypeVar("T")

CARD = """\
query Card($id: ID!) {
  card(id: $id) { id accountId type status name network maskedPan expirationDate }
}
"""
ISSUE = """\
mutation Issue($input: IssueVirtualCardInput!) {
  issueVirtualCard(input: $input) {
    __typename
    ... on IssueVirtualCardSuccess { idempotencyKey card { id accountId name status } }
    ... on Error { code message }
  }
}
"""
ISSUE_IN_HIVE = """\
mutation Issue($input: IssueVirtualCardInput!) {
  issueVirtualCard(input: $input) {
    __typename
    ... on IssueVirtualCardSuccess { card { id accountId name status } }
  }
}
"""
"""Hive's mapping of the REST API has no place for the key, and no failures as data."""
ALIASES = 50
MANY_CARDS = "query Cards({parameters}) {{\n{fields}\n}}\n".format(
    parameters=", ".join(f"$id{n}: ID!" for n in range(ALIASES)),
    fields="\n".join(f"  card{n}: card(id: $id{n}) {{ id name status }}" for n in range(ALIASES)),
)
LIST = """\
query List($accountId: ID!) {
  cards(accountId: $accountId) {
    id accountId type status name network maskedPan expirationDate
  }
}
"""
ADDRESS = {"firstLine": "1 Test Avenue", "city": "London", "country": "GB", "postCode": "SW1 1AA"}


class _Card(msgspec.Struct):
    id: str
    name: str
    accountId: str = ""  # noqa: N815 - as on the wire


class _CardData(msgspec.Struct):
    card: _Card


class _ListData(msgspec.Struct):
    cards: list[_Card]


class _Issued(msgspec.Struct):
    typename: str = msgspec.field(name="__typename")
    code: str = ""
    key: str = msgspec.field(name="idempotencyKey", default="")
    card: _Card | None = None


class _IssuedData(msgspec.Struct):
    issued: _Issued = msgspec.field(name="issueVirtualCard")


class _Answer(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"null")
    errors: msgspec.Raw = msgspec.Raw(b"")


_ANSWER = msgspec.json.Decoder(_Answer)
_CARD_DATA = msgspec.json.Decoder(_CardData)
_CARDS_DATA = msgspec.json.Decoder(dict[str, _Card])
_LIST_DATA = msgspec.json.Decoder(_ListData)
_ISSUED_DATA = msgspec.json.Decoder(_IssuedData)


def new_id() -> str:
    """A random id that no cache has met."""
    return str(uuid4())


def document_id(text: str) -> str:
    """What a trusted document is asked for by."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


class Workload:
    """Requests to one system; each iterator goes on for ever."""

    def __init__(self, url: str, issue: str = ISSUE) -> None:
        self._host = urlsplit(url).netloc
        self._issue = issue
        self._issued: set[str] = set()

    def unique_cards(self) -> Iterator[Ask]:
        """Each request another card."""
        while True:
            yield self.card(new_id())

    def cards_of_callers(self, tokens: Sequence[str]) -> Iterator[Ask]:
        """Each request another card, by the next one of these callers."""
        for token in cycle(tokens):
            yield self.card(new_id(), None, f"Authorization: Bearer {token}")

    def hot_card(self) -> Iterator[Ask]:
        """Always the same card."""
        ask = self.card(new_id())
        while True:
            yield ask

    def trusted_cards(self) -> Iterator[Ask]:
        """Each request another card, the document by its id."""
        while True:
            yield self.card(new_id(), {"documentId": document_id(CARD)})

    def many_cards(self) -> Iterator[Ask]:
        """One document that reads 50 other cards each time."""
        while True:
            ids = {f"id{n}": new_id() for n in range(ALIASES)}
            cards = {f"card{n}": ids[f"id{n}"] for n in range(ALIASES)}
            yield self._ask({"query": MANY_CARDS, "variables": ids}, _check_cards(cards))

    def lists(self) -> Iterator[Ask]:
        """The cards of another account each time."""
        while True:
            account_id = new_id()
            body = {"query": LIST, "variables": {"accountId": account_id}}
            yield self._ask(body, _check_list(account_id))

    def new_cards(self) -> Iterator[Ask]:
        """Each request issues a card, under a key of its own."""
        while True:
            yield self.issue(new_id(), new_id())

    def card(self, card_id: str, document: dict[str, Any] | None = None, *headers: str) -> Ask:
        """One card; ``document`` is another way to say what is wanted of it."""
        asked = {**(document or {"query": CARD}), "variables": {"id": card_id}}
        return self._ask(asked, _check_card(card_id), *headers)

    def issue(self, account_id: str, key: str, *headers: str) -> Ask:
        """One new card."""
        given = {"accountId": account_id, "billingAddress": ADDRESS, "idempotencyKey": key}
        body = {"query": self._issue, "variables": {"input": given}}
        told = key if "idempotencyKey" in self._issue else ""
        return self._ask(body, self._check_issued(account_id, told), *headers)

    def _ask(self, body: Any, check: Callable[[bytes], None], *headers: str) -> Ask:
        return Ask(post(self._host, msgspec.json.encode(body), *headers), check)

    def _check_issued(self, account_id: str, key: str) -> Callable[[bytes], None]:
        def check(body: bytes) -> None:
            issued = _data(body, _ISSUED_DATA).issued
            if issued.card is None or issued.typename != "IssueVirtualCardSuccess":
                raise Refused(f"No card was issued: {issued.typename} {issued.code}.")
            card = issued.card
            if issued.key != key or card.accountId != account_id or card.name != holder(card.id):
                raise WrongAnswer(f"The card issued under {key} is another one's.")
            if card.id in self._issued:
                raise WrongAnswer(f"Card {card.id} was told to two requests.")
            self._issued.add(card.id)

        return check


def _check_card(card_id: str) -> Callable[[bytes], None]:
    def check(body: bytes) -> None:
        _compare(_data(body, _CARD_DATA).card, card_id)

    return check


def _check_cards(ids: dict[str, str]) -> Callable[[bytes], None]:
    def check(body: bytes) -> None:
        cards = _data(body, _CARDS_DATA)
        if cards.keys() != ids.keys():
            raise WrongAnswer(f"{len(ids)} cards were asked for, {len(cards)} came.")
        for alias, card_id in ids.items():
            _compare(cards[alias], card_id)

    return check


def _check_list(account_id: str) -> Callable[[bytes], None]:
    def check(body: bytes) -> None:
        cards = _data(body, _LIST_DATA).cards
        if [card.id for card in cards] != listed(account_id):
            raise WrongAnswer(f"The cards of {account_id} were asked for, others came.")
        _compare(cards[-1], cards[-1].id)

    return check


def _compare(card: _Card, card_id: str) -> None:
    if card.id != card_id or card.name != holder(card_id):
        raise WrongAnswer(f"Card {card_id} was asked for, the answer is {card.name}, {card.id}.")


def _data(body: bytes, decoder: "msgspec.json.Decoder[T]") -> T:
    try:
        answer = _ANSWER.decode(body)
        if bytes(answer.errors) not in {b"", b"[]"}:
            raise Refused(f"Answered with errors: {bytes(answer.errors)[:300].decode()}")
        return decoder.decode(answer.data)
    except msgspec.DecodeError as error:
        raise WrongAnswer(f"An answer that cannot be read: {error}: {body[:200]!r}") from None
