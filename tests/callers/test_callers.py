"""Who is let in, and what they may do."""

import asyncio
import base64
import json
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.app import create_app
from gateway.emulator import GUIDE_ACCOUNT
from gateway.errors import ConfigError
from tests.stack import CARD, ISSUE, SIMULATE, Stack, issue_input, options, running, settings
from tests.tokens import AUDIENCE, ISSUER, IdentityProvider

OTHER_ACCOUNT = "bbbbbbbb-4136-49af-8e01-544457fe265b"
NOBODYS = "cccccccc-4136-49af-8e01-544457fe265b"
TYPENAME = "{ __typename }"
DAY = 24 * 3600.0


@pytest.fixture
def idp(tmp_path: Path) -> IdentityProvider:
    """An identity provider with one EC key."""
    return IdentityProvider(tmp_path)


def bearer(token: str) -> dict[str, str]:
    """The header of a token."""
    return {"Authorization": f"Bearer {token}"}


async def status_of(stack: Stack, **headers: str) -> tuple[int, str | None]:
    """The status of the smallest request, and the code of its error."""
    response = await stack.post(TYPENAME, **headers)
    body = response.json()
    return response.status_code, body["errors"][0]["extensions"][
        "code"
    ] if "errors" in body else None


REFUSED = (401, "NOT_AUTHENTICATED")


async def test_a_good_token_is_let_in(idp: IdentityProvider) -> None:
    """Tokens of all published keys are let in, within the leeway, and the scheme may be written
    in any case."""
    idp.add("rsa-1", rsa.generate_private_key(public_exponent=65537, key_size=2048))
    async with running(**idp.settings(jwt_leeway=300)) as stack:
        late = idp.token(exp=int(time.time()) - 5)
        for token in (idp.token(), idp.token("rsa-1"), late):
            assert await status_of(stack, Authorization=f"bearer {token}") == (200, None)


async def test_shared_secrets_in_the_key_set_are_passed_over(idp: IdentityProvider) -> None:
    """A symmetric key in the JWKS never proves anybody."""
    secret = base64.urlsafe_b64encode(b"s" * 32).decode().rstrip("=")
    idp.publish({"kty": "oct", "k": secret, "kid": "oct-1"})
    token = jwt.encode(
        {"iss": ISSUER, "aud": AUDIENCE, "sub": "x", "exp": int(time.time()) + 3600},
        b"s" * 32,
        "HS256",
        headers={"kid": "oct-1"},
    )
    async with running(**idp.settings()) as stack:
        assert await status_of(stack, **bearer(token)) == REFUSED
        assert await status_of(stack, **bearer(idp.token())) == (200, None)


async def test_no_keys_is_503(idp: IdentityProvider) -> None:
    """While no keys can be had nobody is let in, and the answer says to try again."""
    for content in ("not json", '{"keys": []}', '{"keys": [{"kty": "EC"}]}'):
        idp.file.write_text(content)
        async with running(**idp.settings()) as stack:
            token = idp.token()
            for _ in range(2):
                status = await status_of(stack, **bearer(token))
                assert status == (503, "IDENTITY_UNAVAILABLE")


async def test_keys_come_from_a_url_too(idp: IdentityProvider) -> None:
    """A JWKS at a URL is fetched over HTTP."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = idp.file.read_bytes()
        writer.write(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        writer.write(body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, running(**idp.settings(jwt_keys=f"http://127.0.0.1:{port}/")) as stack:
        assert await status_of(stack, **bearer(idp.token())) == (200, None)


ACCOUNTS = {
    "all": "*",
    "the guide's": [GUIDE_ACCOUNT],
    "the guide's as text": GUIDE_ACCOUNT,
    "another's": [OTHER_ACCOUNT],
    "both": [GUIDE_ACCOUNT, OTHER_ACCOUNT],
    "none": [],
    "no claim": ...,
    "nonsense": {"a": 1},
    "bad ids": ["x", 1, None],
}
MAY_USE_GUIDES = {"all", "the guide's", "the guide's as text", "both"}
SCOPES = {
    "all": "cards:read cards:issue cards:simulate",
    "read": "cards:read",
    "issue": "cards:issue",
    "simulate": "cards:simulate",
    "none": "",
}


def shown(body: Any, field: str) -> Any:
    """What a field answered: its type name, its null, or the code of its error."""
    if "errors" in body:
        return body["errors"][0]["extensions"]["code"]
    value = body["data"][field]
    return value if value is None else value.get("__typename", "Card")


def expected(field: str, accounts: str, scope: str) -> Any:
    """What the field must answer to a caller with these accounts and this scope."""
    needed = {"card": "read", "issueVirtualCard": "issue", "simulateCardIssue": "simulate"}[field]
    if scope not in {"all", needed}:
        return "NOT_ALLOWED" if field == "card" else "NotAllowed"
    if accounts in MAY_USE_GUIDES:
        return {"card": "Card"}.get(field, f"{field[0].upper()}{field[1:]}Success")
    return {"card": None, "issueVirtualCard": "NotAllowed", "simulateCardIssue": "NotFound"}[field]


@pytest.mark.slow
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("accounts", ACCOUNTS)
async def test_nobody_reaches_beyond_their_accounts(
    idp: IdentityProvider, accounts: str, scope: str
) -> None:
    """Callers × fields × accounts: nobody reads, issues or simulates beyond what is theirs."""
    chosen = options(accounts=(GUIDE_ACCOUNT, OTHER_ACCOUNT, NOBODYS))
    async with running(chosen, **idp.settings()) as stack:
        made = await stack.post(ISSUE, issue_input(), **bearer(idp.token()))
        card_id = made.json()["data"]["issueVirtualCard"]["card"]["id"]
        before = len(stack.wire.sent("POST", "/cards"))
        caller = bearer(idp.token(sub="bob", accounts=ACCOUNTS[accounts], scope=SCOPES[scope]))
        read_only = "{ __typename cardId: __typename }"
        assert (await stack.post(read_only, **caller)).status_code == 200

        simulate = SIMULATE.replace("card { id status }", "")
        for field, query, variables in (
            ("card", CARD, {"id": card_id}),
            ("issueVirtualCard", ISSUE, issue_input()),
            ("simulateCardIssue", simulate, {"input": {"cardId": card_id}}),
        ):
            body = (await stack.post(query, variables, **caller)).json()
            assert shown(body, field) == expected(field, accounts, scope), field
        allowed = expected("issueVirtualCard", accounts, scope).endswith("Success")
        assert len(stack.wire.sent("POST", "/cards")) - before == int(allowed)


async def test_an_alias_is_no_way_around(idp: IdentityProvider) -> None:
    """Beside a card of theirs, callers get null for another's, whichever is asked first."""
    chosen = options(accounts=(GUIDE_ACCOUNT, OTHER_ACCOUNT))
    async with running(chosen, **idp.settings()) as stack:
        ids = []
        for account in (GUIDE_ACCOUNT, OTHER_ACCOUNT):
            made = await stack.post(ISSUE, issue_input(accountId=account), **bearer(idp.token()))
            ids.append(made.json()["data"]["issueVirtualCard"]["card"]["id"])
        bob = bearer(idp.token(sub="bob", accounts=[GUIDE_ACCOUNT]))
        query = "{" + " ".join(f'c{n}: card(id: "{ids[n % 2]}") {{ id }}' for n in range(4)) + "}"
        data = (await stack.post(query, **bob)).json()["data"]
    assert [bool(data[f"c{n}"]) for n in range(4)] == [True, False, True, False]


async def test_callers_with_one_key_never_meet(idp: IdentityProvider) -> None:
    """Two callers who choose the same key have two cards, and never see each other's."""
    key = str(uuid.uuid4())
    async with running(**idp.settings()) as stack:
        cards = []
        for name in ("alice", "bob", "alice"):
            answer = await stack.post(
                ISSUE, issue_input(idempotencyKey=key), **bearer(idp.token(sub=name))
            )
            cards.append(answer.json()["data"]["issueVirtualCard"]["card"]["id"])
    assert cards[0] == cards[2] != cards[1]


async def test_scopes_may_come_as_a_list(idp: IdentityProvider) -> None:
    """The claim scp is read where there is no scope."""
    async with running(**idp.settings()) as stack:
        token = idp.token(scope=..., scp=["cards:read", 1])
        body = (await stack.post(CARD, {"id": str(uuid.uuid4())}, **bearer(token))).json()
        assert body == {"data": {"card": None}}
        token = idp.token(scope=..., scp=None)
        body = (await stack.post(CARD, {"id": str(uuid.uuid4())}, **bearer(token))).json()
        assert shown(body, "card") == "NOT_ALLOWED"


async def test_each_caller_has_a_rate(idp: IdentityProvider) -> None:
    """Beyond the rate a caller is told when to come back; others are not touched."""
    rates = {"rate_limit_read": "2/day", "rate_limit_issue": "1/day"}
    async with running(**idp.settings(**rates)) as stack:
        alice, bob = bearer(idp.token()), bearer(idp.token(sub="bob"))
        read = CARD, {"id": str(uuid.uuid4())}
        for _ in range(2):
            assert (await stack.post(*read, **alice)).json()["data"] == {"card": None}
        [error] = (await stack.post(*read, **alice)).json()["errors"]
        assert error["extensions"]["code"] == "RATE_LIMITED"
        assert 0 < error["extensions"]["retryAfter"] <= DAY
        assert (await stack.post(*read, **bob)).json()["data"] == {"card": None}

        results = [
            (await stack.post(ISSUE, issue_input(), **alice)).json()["data"]["issueVirtualCard"]
            for _ in range(2)
        ]
        assert [result["__typename"] for result in results] == [
            "IssueVirtualCardSuccess",
            "RateLimited",
        ]
        assert (results[1]["code"], results[1]["retryable"]) == ("RATE_LIMITED", True)
        assert 0 < results[1]["retryAfter"] <= DAY
        assert len(stack.wire.sent("POST", "/cards")) == 1


class Asking:
    """Requests of one caller, by what they ask for."""

    def __init__(self, stack: Stack, headers: dict[str, str]) -> None:
        self._stack = stack
        self._headers = headers

    async def __call__(self, **body: Any) -> tuple[int, str | None]:
        """The status of the answer, and the code of its first error."""
        accept = {"Accept": "application/graphql-response+json"}
        url, headers = "/graphql", accept | self._headers
        self.response = await self._stack.client.post(url, json=body, headers=headers)
        [error, *_] = self.response.json().get("errors", [{"extensions": {"code": None}}])
        self.extensions = error["extensions"]
        return self.response.status_code, error["extensions"]["code"]


KNOWN = 'query Known { card(id: "123e4567-e89b-12d3-a456-426614174000") { id } }'
UNKNOWN_ID = {"documentId": "0" * 64}
REFUSED_DOCUMENTS: list[dict[str, Any]] = [
    {"query": "{"},
    {"query": "{ nonsense }"},
    {"query": "{ ...Nobody }"},
    {"query": "{" + "a{" * 30 + "b" + "}" * 30 + "}"},
    {"query": " " * 30_000 + TYPENAME},
    {"query": "query($v: Boolean!) { __typename @skip(if: $v) }", "variables": {"v": 1}},
    {"query": "query A { __typename } query B { __typename }"},
    UNKNOWN_ID,
]


@pytest.mark.parametrize("refused", REFUSED_DOCUMENTS)
async def test_refused_documents_have_a_rate(idp: IdentityProvider, refused: Any) -> None:
    """A caller who sends the same bad document again and again is told when to come back."""
    async with running(**idp.settings(rate_limits={"documents": "2/day"})) as stack:
        alice, bob = Asking(stack, bearer(idp.token())), Asking(stack, bearer(idp.token(sub="b")))
        assert [(await alice(**refused))[0] for _ in range(2)] == [400, 400]
        assert await alice(**refused) == (429, "RATE_LIMITED")
        assert 0 < alice.extensions["retryAfter"] <= DAY
        assert 0 < int(alice.response.headers["Retry-After"]) <= DAY
        assert alice.extensions["retryable"]
        assert (await bob(**refused))[0] == 400
        assert not stack.wire.exchanges


async def test_new_documents_have_a_rate(idp: IdentityProvider) -> None:
    """New texts count for who sends them, good ones too; what is known and fits does not."""
    async with running(**idp.settings(rate_limits={"documents": "2/day"})) as stack:
        alice, bob = Asking(stack, bearer(idp.token())), Asking(stack, bearer(idp.token(sub="b")))
        assert await bob(query=KNOWN) == (200, None)
        assert [(await alice(query=f"query Q{i} {TYPENAME}"))[0] for i in range(2)] == [200, 200]
        assert (await alice(query=f"query Q3 {TYPENAME}"))[0] == 429
        assert [await alice(query=KNOWN) for _ in range(5)] == [(200, None)] * 5


async def test_documents_that_are_not_trusted_have_a_rate(
    idp: IdentityProvider, tmp_path: Path
) -> None:
    """Where only trusted documents run, others count, and the trusted ones go on."""
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"known": KNOWN}))
    trusted = {"documents": str(manifest), "documents_mode": "only"}
    rates = {"rate_limits": {"documents": "2/day"}}
    async with running(**idp.settings(**rates, **trusted)) as stack:
        alice = Asking(stack, bearer(idp.token()))
        assert await alice(documentId="known") == (200, None)
        assert await alice(query=TYPENAME) == (400, "DOCUMENT_NOT_TRUSTED")
        assert await alice(**UNKNOWN_ID) == (429, "RATE_LIMITED")
        assert await alice(documentId="known") == (200, None)


@pytest.mark.parametrize(("rates", "statuses"), [({}, {400, 429}), ({"documents": "off"}, {400})])
async def test_documents_have_a_rate_unless_it_is_off(
    idp: IdentityProvider, rates: dict[str, str], statuses: set[int]
) -> None:
    """More than 600 bad documents at once are too many, except where that is set otherwise."""
    async with running(**idp.settings(rate_limits=rates)) as stack:
        alice = Asking(stack, bearer(idp.token()))
        assert {(await alice(query="{ nonsense }"))[0] for _ in range(700)} == statuses


async def test_the_page_is_shown_to_anybody(idp: IdentityProvider) -> None:
    """GraphiQL itself needs no token: its headers editor is where one is entered."""
    async with running(**idp.settings(), graphiql=True) as stack:
        page = await stack.client.get("/graphql", headers={"Accept": "text/html"})
        assert page.status_code == 200


OPEN: dict[str, Any] = {"auth": "open", "host": "0.0.0.0"}  # noqa: S104 (nothing is bound here)


@pytest.mark.parametrize(
    ("site", "origin", "status"),
    [
        (None, None, 200),
        ("none", None, 200),
        ("same-origin", None, 200),
        ("same-site", None, 403),
        ("cross-site", None, 403),
        ("cross-site", "https://evil.example", 403),
        (None, "https://evil.example", 403),
        ("cross-site", "https://shop.example", 200),
    ],
)
async def test_a_page_of_another_site_cannot_ask_by_get(
    site: str | None, origin: str | None, status: int
) -> None:
    """A GET that a browser sends for another site without asking first is refused."""
    given = {"Sec-Fetch-Site": site, "Origin": origin}
    headers = {name: value for name, value in given.items() if value}
    async with running(cors_origins=("https://shop.example",)) as stack:
        response = await stack.client.get("/graphql?query={__typename}", headers=headers)
    assert response.status_code == status


async def preflight(stack: Stack, origin: str) -> httpx.Response:
    """What a browser asks before it sends a POST to another origin."""
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, authorization, idempotency-key",
    }
    return await stack.client.options("/graphql", headers=headers)


async def test_cors_is_closed_unless_opened() -> None:
    """No origin is allowed by default; with the setting just those that it names."""
    async with running() as stack:
        for origin in ("https://shop.example", "http://localhost:5173"):
            answer = await preflight(stack, origin)
            assert "access-control-allow-origin" not in answer.headers
    async with running(cors_origins=("https://shop.example",)) as stack:
        answer = await preflight(stack, "https://shop.example")
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        answer = await preflight(stack, "https://evil.example")
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("settings", "host", "status"),
    [
        ({"allowed_hosts": ("cards.example",)}, "cards.example", 200),
        ({"allowed_hosts": ("cards.example",)}, "evil.example", 400),
        ({"allowed_hosts": ("cards.example",)}, "127.0.0.1:8000", 200),
        ({"allowed_hosts": ()}, "localhost:8000", 200),
        ({"allowed_hosts": ()}, "evil.example", 400),
        ({"allowed_hosts": (), **OPEN}, "anything.example", 200),
    ],
)
async def test_only_trusted_hosts_are_answered(
    settings: dict[str, Any], host: str, status: int
) -> None:
    """A request for another host name, as DNS rebinding makes it, is refused as JSON."""
    async with running(**settings) as stack:
        response = await stack.client.get("/healthz", headers={"Host": host})
        assert response.status_code == status
        if status == 400:
            [error] = response.json()["errors"]
            assert error["extensions"]["code"] == "BAD_REQUEST"
            assert error["extensions"]["requestId"] == response.headers["x-request-id"]


async def test_answers_carry_security_headers(stack: Stack) -> None:
    """Every answer tells browsers not to sniff, frame or refer."""
    for path in ("/graphql?query={__typename}", "/healthz", "/nowhere"):
        response = await stack.client.get(path)
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
        assert response.headers["referrer-policy"] == "no-referrer"


async def test_ids_go_on_to_the_provider(stack: Stack) -> None:
    """X-Request-Id and a W3C traceparent are passed on; an unusable traceparent is not."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"X-Request-Id": "click-1", "traceparent": trace}
    await stack.post(CARD, {"id": str(uuid.uuid4())}, **headers)
    [sent] = stack.wire.sent("GET")
    assert (sent.headers["x-request-id"], sent.headers["traceparent"]) == ("click-1", trace)
    await stack.post(CARD, {"id": str(uuid.uuid4())}, traceparent="canary")
    assert "traceparent" not in stack.wire.sent("GET")[1].headers


def test_a_gateway_without_a_decision_on_callers_is_not_built() -> None:
    """An application whose settings do not say who is authenticated serves nobody."""
    with pytest.raises(ConfigError, match="GATEWAY_AUTH"):
        create_app(settings(auth=None))
