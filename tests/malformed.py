"""Requests to /graphql that are good HTTP and hardly ever good GraphQL over HTTP: the strategies.

Texts and JSON values are made by the standard library from one drawn number: drawn piece by piece,
they would take longer to make than to answer.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from tests.stack import CARD, ISSUE, SIMULATE, issue_input


@dataclass(frozen=True)
class Message:
    """One HTTP request."""

    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    chunk: int | None = None  # bytes in a chunk; None: sent with its length

    def __bytes__(self) -> bytes:
        framing = (b"Content-Length", b"%d" % len(self.body))
        if self.chunk:
            framing = (b"Transfer-Encoding", b"chunked")
        fields = [(b"Host", b"127.0.0.1"), *self.headers, framing]
        lines = [
            b"%b %b HTTP/1.1" % (self.method, self.target),
            *(b"%b: %b" % one for one in fields),
        ]
        return b"\r\n".join([*lines, b"", self._framed()])

    def _framed(self) -> bytes:
        if not self.chunk:
            return self.body
        starts = range(0, len(self.body), self.chunk)
        chunks = [self.body[start : start + self.chunk] for start in starts]
        return b"".join(b"%X;a=b\r\n%b\r\n" % (len(one), one) for one in [*chunks, b""])


SOME_ID = "123e4567-e89b-12d3-a456-426614174000"
GOOD: list[dict[str, Any]] = [
    {"query": "{ __typename }"},
    {"query": "query A { __typename } query B { __typename }", "operationName": "B"},
    {"query": CARD, "variables": {"id": SOME_ID}},
    {"query": CARD, "variables": {"id": SOME_ID}, "operationName": "Card", "extensions": {}},
    {"query": ISSUE, "variables": issue_input(accountId=SOME_ID)},
    {"query": SIMULATE, "variables": {"input": {"cardId": SOME_ID, "idempotencyKey": SOME_ID}}},
    {"query": "query($a: [ID!]) { card(id: $a) { ...F } } fragment F on Card { id ...F }"},
    {"documentId": "0" * 64, "extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0"}}},
]
NAMES = ["query", "variables", "operationName", "extensions", "documentId", "id", "input", "a", ""]
# Among them the halves of a surrogate pair, which JSON can write and Unicode does not have.
CHARACTERS = 'a {}$"\\\n\0\x7fé金\ufeff\ud83d\udc80😀'
NUMBERS = ["1e999999", "-1e-999999", "9" * 400, "-0", "0.1e1", "01", "NaN", "-Infinity", "0x1"]


def made_up(chance: random.Random, depth: int = 3) -> Any:
    """Any JSON value."""
    kind = chance.randrange(8 if depth else 6)
    if kind == 0:
        return chance.choice([None, True, False, {}, []])
    if kind == 1:
        return chance.choice([0, -1, 2**31, 2**53 + 1, 2**64, 10**30])
    if kind == 2:
        return chance.choice([0.1, -0.0, 1e308, float("inf"), float("nan")])
    if kind < 6:
        return "".join(chance.choices(CHARACTERS, k=chance.randrange(8)))
    inner = [made_up(chance, depth - 1) for _ in range(chance.randrange(4))]
    return inner if kind == 6 else {chance.choice(NAMES): value for value in inner}


def escaped(value: Any) -> bytes:
    """A value as JSON, or as near to it as it can be: NaN stays in it."""
    return json.dumps(value).encode()


def plain(value: Any) -> bytes:
    """The same without escapes; with half a surrogate pair it is not UTF-8."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


anything = st.integers(0, 2**32).map(lambda seed: made_up(random.Random(seed)))
written = st.builds(lambda write, value: write(value), st.sampled_from([escaped, plain]), anything)
good = st.sampled_from([escaped(one) for one in GOOD])
documents = st.sampled_from([one["query"] for one in GOOD if "query" in one])
names = st.sampled_from(NAMES).map(str.encode)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good body with some pieces of it replaced, left out or said twice."""
    body = draw(good)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.integers(0, 20)))
        piece = draw(st.sampled_from([b"", body[start:end] * 2]) | st.binary(max_size=5))
        body = body[:start] + piece + body[end:]
    return body


@st.composite
def members(draw: st.DrawFn) -> bytes:
    """An object with any values for the parameters, some of them twice."""
    numbers = st.sampled_from(NUMBERS).map(str.encode)
    value = written | numbers | documents.map(escaped)
    member = st.builds(lambda name, value: b'"%b":%b' % (name, value), names, value)
    return b"{%b}" % b",".join(draw(st.lists(member, max_size=4)))


NESTS: list[Callable[[int], bytes]] = [
    lambda depth: b"[" * depth,
    lambda depth: b"[" * depth + b"]" * depth,
    lambda depth: b'{"a":' * depth + b"1" + b"}" * depth,
    lambda depth: b'{"query":"{a}","variables":%b%b}' % (b'{"a":' * depth, b"}" * depth),
    lambda depth: b'{"query":"{a}","x":%b}' % (b"9" * depth),
    lambda depth: escaped({"query": "{a" * depth}),
    lambda depth: escaped({"query": "{a" * depth + "}" * depth}),
    lambda depth: escaped({"query": "{card(id:" + "[" * depth}),
    lambda depth: escaped({"query": "{card(id:" + "{a:" * depth + "1" + "}" * depth + "){id}}"}),
    lambda depth: escaped({"query": "query($a:" + "[" * depth + "ID" + "]" * depth + "){a}"}),
    lambda depth: escaped({"query": "{" + "__typename " * depth + "}"}),
    lambda depth: escaped({"query": "#\n" * depth + "{__typename}"}),
    lambda depth: escaped({"query": "{card(id:" + "9" * depth + "){id}}"}),
    lambda depth: escaped({"query": "{__typename}", "operationName": "A" * depth}),
    lambda depth: (
        b'{"query":"query($id:ID!){card(id:$id){id}}","variables":{"id":%b%b}}'
        % (b"[" * depth, b"]" * depth)
    ),
]
DEPTHS = [1, 3, 50, 190, 900, 1_100, 4_000, 16_000, 60_000]
nested = st.builds(lambda nest, depth: nest(depth), st.sampled_from(NESTS), st.sampled_from(DEPTHS))
cut = st.builds(lambda whole, end: whole[:end], good | written, st.integers(-8, 200))
half_characters = st.text(max_size=8).map(lambda text: b'{"query":"%b"}' % text.encode()[:-1])
bodies = st.one_of(
    st.binary(max_size=60), written, members(), mutated(), mutated(), nested, cut, half_characters
)


def only(allowed: list[int], most: int) -> st.SearchStrategy[bytes]:
    """At most so many of these bytes."""
    table = bytes(allowed[byte % len(allowed)] for byte in range(256))
    return st.binary(max_size=most).map(lambda drawn: drawn.translate(table))


# What RFC 9110 lets a field value hold: no control characters but tabs, yet any byte from 0x80.
values = only([9, *range(32, 127), *range(128, 256)], 12).map(bytes.strip)
types = values | st.sampled_from(
    [
        b"application/json; charset=utf-8",
        b'application/json; charset="utf-8"; charset=utf-16',
        b"application/json; charset",
        b"application/json;;;=;charset==",
        b"APPLICATION/JSON;CHARSET=UTF8",
        b"application/graphql",
        b"application/graphql-response+json",
        b"multipart/form-data; boundary=a",
        b"application/x-www-form-urlencoded",
        b"text/plain",
        b",",
    ]
)
accepts = values | st.sampled_from(
    [
        b"*/*",
        b"application/graphql-response+json",
        b"application/json;q=0, */*;q=1e999",
        b"application/*;q=nan, text/html",
        b"application/json;q=-1;charset=utf-7",
        b"text/html",
        b";q=, ,;,=",
        b"multipart/mixed; deferSpec=20220824, application/json",
    ]
)
fields = st.sampled_from(
    [
        b"Accept-Encoding",
        b"Authorization",
        b"Content-Encoding",
        b"Cookie",
        b"Idempotency-Key",
        b"Origin",
        b"Referer",
        b"Sec-Fetch-Site",
        b"X-Request-Id",
        b"traceparent",
    ]
)
others = st.lists(st.tuples(fields, values) | st.just((b"Expect", b"100-continue")), max_size=2)

# In a target nothing but visible ASCII is HTTP (RFC 3986); much of it is to be a bad escape.
loose = only([*range(33, 127), *[ord("%")] * 20], 30)
quoted = (bodies | documents.map(str.encode)).map(lambda value: quote(value[:2_000]).encode())
parameter = st.builds(lambda name, value: b"%b=%b" % (name, value), names, quoted | loose)
queries = st.lists(parameter, max_size=4).map(b"&".join) | loose

LONGEST_QUERY = 8_000  # bytes: a longer target ends the connection

usual_methods = st.sampled_from([b"POST", b"POST", b"POST", b"GET"])
odd_methods = st.sampled_from([b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE"])
chunks = st.sampled_from([None, None, None, 1_000, 65_536])


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """A request; most have usual headers, so that the rest of them is looked at."""
    odd = draw(st.integers(0, 15))
    method = draw(odd_methods if odd == 0 else usual_methods)
    headers = [(b"Content-Type", draw(types) if odd == 1 else b"application/json")]
    if odd == 2:
        headers.append((b"Accept", draw(accepts)))
    if odd < 5:
        headers += draw(others)
    query = draw(queries) if method == b"GET" else b""
    body = draw(bodies) if method != b"GET" or odd == 5 else b""
    target = b"/graphql" + (b"?" + query[:LONGEST_QUERY] if query else b"")
    return Message(method, target, tuple(headers), body, draw(chunks))
