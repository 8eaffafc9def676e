"""Attacks by a caller with a token: costly documents, and requests that take what others need."""

import json
import uuid
from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any

from tests.attack.target import Attack, Target, answer, together
from tests.hostile_documents import DOCUMENTS
from tests.stack import ISSUE, OUTCOME, issue_input

Make = Callable[[int], tuple[str, dict[str, Any]]]
CONNECTIONS = 16
_NUMBERS = count()


def flood(make: Make, connections: int = CONNECTIONS) -> Attack:
    """Requests on so many connections, each sent when the one before is answered."""

    async def one(target: Target) -> None:
        reader, writer = await target.connect()
        try:
            while target.goes_on:
                writer.write(target.post(*make(next(_NUMBERS))))
                await writer.drain()
                target.sent += 1
                _count(target, await answer(reader))
        finally:
            writer.transport.abort()

    return together(connections, one)


def _count(target: Target, body: bytes) -> None:
    """Note what became of a request."""
    errors = json.loads(body).get("errors", [])
    codes = Counter(error["extensions"]["code"] for error in errors[:1]) or {"answered": 1}
    for code, number in codes.items():
        target.codes[code] = target.codes.get(code, 0) + number


def _cards(aliases: int, *, unique: bool) -> Make:
    def make(number: int) -> tuple[str, dict[str, Any]]:
        name = f"Q{number}" if unique else "Q"
        ids = [str(uuid.UUID(int=number * 1000 + i, version=4)) for i in range(aliases)]
        variables = {f"v{i}": one for i, one in enumerate(ids)}
        given = ",".join(f"$v{i}:ID!" for i in range(aliases))
        fields = " ".join(f"a{i}:card(id:$v{i}){{id}}" for i in range(aliases))
        return f"query {name}({given}){{{fields}}}", variables

    return make


def _same_card(number: int) -> tuple[str, dict[str, Any]]:
    fields = " ".join(f"a{i}:card(id:$i){{id status}}" for i in range(80))
    return f"query($i:ID!){{{fields}}}", {"i": str(uuid.UUID(int=number, version=4))}


def _clicks(number: int) -> tuple[str, dict[str, Any]]:
    return ISSUE, issue_input()


def _outcomes(number: int) -> tuple[str, dict[str, Any]]:
    return OUTCOME, {"key": str(uuid.uuid4())}


def _ten_clicks(number: int) -> tuple[str, dict[str, Any]]:
    fields = " ".join(f"m{i}:issueVirtualCard(input:$input){{__typename}}" for i in range(10))
    return f"mutation($input:IssueVirtualCardInput!){{{fields}}}", issue_input()


def _unknown_hash(number: int) -> tuple[str, dict[str, Any]]:
    return f"query Q{number}{{__typename}}", {}


NEIGHBOURS: dict[str, Attack] = {
    "83 cards in each document": flood(_cards(83, unique=False)),
    "83 cards in new documents": flood(_cards(83, unique=True)),
    "83 cards on 64 connections": flood(_cards(83, unique=False), connections=64),
    "one card in each document": flood(_cards(1, unique=False)),
    "one card on 64 connections": flood(_cards(1, unique=False), connections=64),
    "the same card 80 times": flood(_same_card),
    "mutations": flood(_clicks),
    "ten mutations in each document": flood(_ten_clicks),
    "mutations on 64 connections": flood(_clicks, connections=64),
    "outcomes": flood(_outcomes),
    "small new documents": flood(_unknown_hash),
    "small new documents on 64 connections": flood(_unknown_hash, connections=64),
}
REQUESTS: dict[str, Attack] = NEIGHBOURS | {
    f"document: {name.replace('_', ' ')}": flood(make) for name, make in DOCUMENTS.items()
}
"""By name: what is asked until the time is over."""
