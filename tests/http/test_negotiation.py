"""Accept, Content-Type and Host, by their grammars."""

import asyncio
from typing import Any

import pytest

from gateway.app import create_app
from tests.loopback import on_loopback
from tests.stack import Stack, running, settings

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
BODY = b'{"query":"{ __typename }"}'

DECIDED = [
    # Quoted strings may hold what separates ranges and parameters (RFC 9110, 5.6.4).
    (f'{JSON};x="a, {GRAPHQL_JSON};q=1";q=0.1, */*;q=0.2', GRAPHQL_JSON),
    (f'text/html;x=",,;q=0", {GRAPHQL_JSON};q=0.9, {JSON};q=0.8', GRAPHQL_JSON),
    (rf'{GRAPHQL_JSON};x="\",{JSON};q=1", {JSON};q=0.5', GRAPHQL_JSON),
    (f'{JSON};q=0.5, {GRAPHQL_JSON};x="never closed', JSON),
    (f'multipart/mixed;boundary="-";deferSpec=20220824, {GRAPHQL_JSON}, {JSON}', GRAPHQL_JSON),
    # The most specific range decides: a type with its charset, a type, application/*, */*.
    (f"{JSON};q=0.5, */*;q=1", GRAPHQL_JSON),
    (f"*/*;q=1, application/*;q=0.5, {JSON};q=0.6", JSON),
    (f"{JSON}, {JSON};charset=utf-8;q=0, {GRAPHQL_JSON};q=0.1", GRAPHQL_JSON),
    (f'{JSON};q=0.1, {JSON};charset="UTF-8", {GRAPHQL_JSON};q=0.5', JSON),
    (f'{JSON};charset="ut\\f-8"', JSON),
    (f"{JSON};charset=utf-16, {GRAPHQL_JSON};q=0.1", GRAPHQL_JSON),
    # A weight has at most three digits, and is a parameter wherever it stands.
    (f"{JSON};q=0.123, {GRAPHQL_JSON};q=0.124", GRAPHQL_JSON),
    (f"{JSON};q=0.1234, {GRAPHQL_JSON};q=0.1", GRAPHQL_JSON),
    (f"{JSON};q=1.001, {GRAPHQL_JSON};q=0.1", GRAPHQL_JSON),
    (f'{JSON};q="1", {GRAPHQL_JSON};q=0.1', GRAPHQL_JSON),
    (f"{JSON};q= 1, {GRAPHQL_JSON};q=0.1", GRAPHQL_JSON),
    (f"{JSON};q=+1, {GRAPHQL_JSON};q=0.1", GRAPHQL_JSON),
    (f"{JSON};q=1e0, {GRAPHQL_JSON};q=0.1", GRAPHQL_JSON),
    (f"{JSON};q=0.;level=1, {GRAPHQL_JSON};q=0.001", GRAPHQL_JSON),
    (f"{JSON} ; q=0.2 , {GRAPHQL_JSON}\t;\tQ=1.000", GRAPHQL_JSON),
    (f"{JSON};;q=0.2;, {GRAPHQL_JSON};q=0.1", JSON),
    ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", JSON),  # Java's own
    # Types are compared in any case; what is malformed is passed over.
    ("APPLICATION/GraphQL-Response+JSON", GRAPHQL_JSON),
    (f"{JSON} {GRAPHQL_JSON}, */*;q=0.1", JSON),
    (f"/, ;, a/, /b, =, {GRAPHQL_JSON}", GRAPHQL_JSON),
    (",, ,", JSON),
]


@pytest.mark.parametrize(("accept", "media_type"), DECIDED)
async def test_accept_is_read_by_its_grammar(stack: Stack, accept: str, media_type: str) -> None:
    """The answer is of the media type that the list prefers."""
    response = await stack.post("{ __typename }", Accept=accept)
    assert response.headers["content-type"] == f"{media_type}; charset=utf-8"


@pytest.mark.parametrize(
    "accept",
    [
        f"{JSON};charset=utf-8;q=0, {JSON}, {GRAPHQL_JSON};q=0",
        f'text/html;x=", {JSON}"',
        "application",
        f"{JSON};q=0.000, application/*;q=0",
    ],
)
async def test_what_is_refused_stays_refused(stack: Stack, accept: str) -> None:
    """A weight of zero counts, and what stands in a quoted string does not."""
    response = await stack.post("{ __typename }", Accept=accept)
    assert response.status_code == 406


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ('Application/JSON ; Charset="UTF-8"', 200),
        ("application/json;", 200),
        ('application/json; x="a;charset=utf-16"; charset=utf-8', 200),
        ("application/json; profile=x", 200),
        ("application/json; charset=utf-16", 415),
        ('application/json; charset="', 415),
        ("application/json; charset", 415),
        ("application/json, application/json", 415),
        ("application/jsonp", 415),
        ("application/json text/plain", 415),
        ("json", 415),
    ],
)
async def test_content_type_is_read_by_its_grammar(
    stack: Stack, content_type: str, status: int
) -> None:
    """A body is JSON in UTF-8 where its type and its charset say so."""
    headers = {"Content-Type": content_type}
    response = await stack.client.post("/graphql", content=BODY, headers=headers)
    assert response.status_code == status


OURS: dict[str, Any] = {"allowed_hosts": ("cards.example", "*.shop.example", "[2001:db8::1]")}
ANY: dict[str, Any] = {"allowed_hosts": (), "auth": "open", "host": "0.0.0.0"}  # noqa: S104


@pytest.mark.parametrize(
    ("changes", "host", "status"),
    [
        (OURS, "CARDS.example", 200),
        (OURS, "cards.example.", 200),
        (OURS, "cards.example:", 200),
        (OURS, "cards.example:8443", 200),
        (OURS, "a.shop.example:80", 200),
        (OURS, "[2001:DB8:0:0::1]:80", 200),
        (OURS, "[::1]", 200),
        (OURS, "[0:0:0:0:0:0:0:1]:1", 200),
        (OURS, "127.0.0.1", 200),
        (OURS, "localhost.", 200),
        (OURS, "shop.example", 400),
        (OURS, "cards.example..", 400),
        (OURS, "cards%2eexample", 400),
        (OURS, "127.1", 400),
        (OURS, "cards.example,localhost", 400),
        (OURS, "[2001:db8::2]", 400),
        *(
            (changes, host, 400)
            for changes in (OURS, ANY)
            for host in (
                "",
                ".",
                "user@cards.example",
                "cards.example:80x",
                "cards.example:-1",
                "cards.example:80:80",
                "cards.example:123456",
                "cards.example/",
                "cards example",
                "http://cards.example",
                "[::1",
                "[::1]x",
                "[localhost]",
                "[1.2.3.4]",
                "[fe80::1%25eth0]",
                "::1",
                "\u00e9.example",
                "%zz.example",
            )
        ),
        (ANY, "a_b.example:80", 200),
        (ANY, "anything", 200),
        (ANY, "10.0.0.1:8000", 200),
        (ANY, "[2001:db8::1]:8000", 200),
    ],
)
async def test_host_is_read_by_its_grammar(changes: dict[str, Any], host: str, status: int) -> None:
    """Spellings of one name are one name; what is no host and port is refused everywhere."""
    async with running(**changes) as stack:
        headers = [(b"Host", host.encode("latin-1"))]
        response = await stack.client.get("/healthz", headers=headers)
    assert response.status_code == status, response.text


async def test_http_1_1_has_one_host() -> None:
    """Two Host headers are refused wherever the gateway is bound (RFC 9112, section 3.2)."""
    async with running(**ANY) as stack:
        headers = [(b"Host", b"cards.example"), (b"Host", b"cards.example")]
        response = await stack.client.get("/healthz", headers=headers)
    assert response.status_code == 400
    assert "Host" in response.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("changes", "version", "status"),
    [(ANY, b"1.0", b"200"), (ANY, b"1.1", b"400"), (OURS, b"1.0", b"400")],
)
async def test_http_1_0_needs_no_host_where_all_are_answered(
    changes: dict[str, Any], version: bytes, status: bytes
) -> None:
    """Probes of balancers that speak HTTP/1.0 without Host are answered by a gateway without names;
    one that has names cannot know that it is meant, and HTTP/1.1 has a Host."""
    async with on_loopback(create_app(settings(**changes))) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /healthz HTTP/%s\r\n\r\n" % version)
        answer = await reader.readline()
        writer.close()
        await writer.wait_closed()
    assert answer.split()[1] == status
