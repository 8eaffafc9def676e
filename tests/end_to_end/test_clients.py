"""Apollo Client 3 and 4 and urql, unmodified from npm, with the links and exchanges they bring.

Each asks for documents without ``__typename``, which it adds by itself to know what it was given.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.frontend import (
    DOCUMENTS,
    FOLDER,
    SHOW,
    Seen,
    Site,
    click,
    shows_the_card,
    site,
    step,
)
from tests.npm import install, needs_npm
from tests.processes import run
from tests.unmeasured import unmeasured

pytestmark = [
    *needs_npm,
    pytest.mark.parametrize("client", ["apollo3", "apollo4", "urql"]),
]
LATER = pytest.mark.long
PAID = step("Paid", {"id": None})


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    install(FOLDER)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `gateway documents build` makes of the frontend's documents."""
    file = tmp_path_factory.mktemp("manifest") / "manifest.json"
    code, said = run("documents", "build", *DOCUMENTS, "--out", str(file))
    assert code == 0, said
    return file


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory, manifest: Path) -> Iterator[Site]:
    """A gateway that runs the documents of that manifest and no others."""
    folder = tmp_path_factory.mktemp("trusting")
    with (
        unmeasured(),
        site(folder, documents=str(manifest), documents_mode="only") as served,
    ):
        yield served


def codes(seen: Seen) -> list[Any]:
    """The codes that the client found in its last answer."""
    found: list[Any] = seen.answers[-1]["codes"]
    return found


@LATER
def test_a_card_is_issued_and_shown(gateway: Site, client: str) -> None:
    """A mutation's result and a card are in the client's hands and in its cache, with types."""
    shows_the_card(gateway.visit(client, step("Issue", click().input()), SHOW))


@LATER
def test_what_was_paid_is_read_through_node(gateway: Site, client: str) -> None:
    """What fragments on `Node` and on `Card` bring is in the client's hands and in its cache."""
    _, paid = gateway.visit(client, step("Issue", click().input()), PAID).answers
    assert paid["data"]["node"]["__typename"] == "Card"
    assert (paid["data"]["node"]["transactions"], paid["cached"]) == ([], paid["data"])


def test_documents_are_asked_for_by_the_ids_of_the_gateways_manifest(
    trusting: Site, client: str, manifest: Path
) -> None:
    """In `only` the ids of `gateway documents build` bring the card, by POST and by GET."""
    steps = step("Issue", click().input()), SHOW
    seen = trusting.visit(client, *steps, persisted=str(manifest))
    shows_the_card(seen)
    assert [request["method"] for request in seen.passed] == ["POST", "GET"]
    assert [request["query"] for request in seen.passed] == [None, None]
    known = {one["id"] for one in json.loads(manifest.read_text())["operations"]}
    assert {request["id"] for request in seen.passed} <= known


def test_the_hash_of_what_a_client_sends_is_an_id_of_the_gateways_manifest(
    trusting: Site, client: str
) -> None:
    """Whoever hashes the text that it would send needs no manifest: the gateway's has that hash."""
    steps = step("IssueToLondon", {"accountId": click().account}), SHOW
    seen = trusting.visit(client, *steps, persisted="hash")
    shows_the_card(seen)
    assert [request["query"] for request in seen.passed] == [None, None]


def test_without_a_manifest_a_client_stops_sending_hashes(gateway: Site, client: str) -> None:
    """The first hash is answered PersistedQueryNotSupported; then texts are sent, and no hash."""
    seen = gateway.visit(client, step("Issue", click().input()), SHOW, persisted="hash")
    shows_the_card(seen)
    first, *rest = seen.passed
    assert first["id"]
    assert first["query"] is None
    assert [(request["id"], bool(request["query"])) for request in rest] == [(None, True)] * 2


def test_a_token_that_ran_out_is_renewed_once(gateway: Site, client: str) -> None:
    """A 401 is seen as NOT_AUTHENTICATED, the token is renewed, and the click makes one card."""
    ours = click()
    tokens = [gateway.expired(), gateway.identity.token()]
    seen = gateway.visit(client, step("Issue", ours.input()), SHOW, tokens=tokens)
    shows_the_card(seen)
    assert seen.refreshes == 1
    assert seen.statuses == [401, 200, 200]
    assert gateway.cards(ours) == 1


def test_a_refused_token_is_not_sent_again(gateway: Site, client: str) -> None:
    """Where renewing does not help, a client with retries sends a token once, and sees the code."""
    tokens = [gateway.expired(), gateway.identity.token(aud="another")]
    seen = gateway.visit(client, step("Issue", click().input()), tokens=tokens)
    assert codes(seen) == ["NOT_AUTHENTICATED"]
    assert seen.statuses == [401, 401]


def test_a_request_that_failed_on_its_way_makes_one_card(gateway: Site, client: str) -> None:
    """A balancer's 503 and 429, a lost request and a lost answer are repeated with the same key."""
    ours = click()
    faults = [503, 429, "cut", "lost"]
    seen = gateway.visit(client, step("Issue", ours.input()), SHOW, faults=faults)
    shows_the_card(seen)
    assert seen.statuses == [503, 429, None, 200, 200, 200]
    assert {request["key"] for request in seen.passed[:5]} == {ours.key}
    assert seen.answers[0]["data"]["issueVirtualCard"]["replayed"] is True
    assert gateway.cards(ours) == 1


@LATER
def test_an_error_that_may_be_repeated_is_repeated(gateway: Site, client: str) -> None:
    """Whatever the status it comes with, `retryable` says so: the next answer has the card."""
    gateway.let_fail(call=2, status=503)
    seen = gateway.visit(client, step("Issue", click().input()), SHOW)
    shows_the_card(seen)
    assert len(seen.passed) == 3


@LATER
def test_the_gateways_own_503_is_repeated(
    tmp_path_factory: pytest.TempPathFactory, client: str
) -> None:
    """An answer that tokens cannot be checked now is repeated as often as the client repeats."""
    nobody = "http://127.0.0.1:9/jwks.json"
    with unmeasured(), site(tmp_path_factory.mktemp("alone"), jwt_keys=nobody) as alone:
        seen = alone.visit(client, step("Issue", click().input()))
    assert codes(seen) == ["IDENTITY_UNAVAILABLE"]
    assert seen.statuses == [503] * 5


@LATER
def test_a_key_in_a_header_is_kept_by_retries(gateway: Site, client: str) -> None:
    """A header that is set for one operation goes with all its sends: there is one card."""
    ours = click()
    issue = step("Issue", ours.input(idempotencyKey=...), **{"Idempotency-Key": ours.key})
    tokens = [gateway.expired(), gateway.identity.token()]
    seen = gateway.visit(client, issue, SHOW, faults=[503, "lost"], tokens=tokens)
    shows_the_card(seen)
    assert {request["key"] for request in seen.passed[:-1]} == {ours.key}
    assert gateway.cards(ours) == 1


@LATER
def test_variables_that_do_not_fit_are_refused_with_a_code(gateway: Site, client: str) -> None:
    """A request error is no failure of the network: its code is seen, and it is sent once."""
    seen = gateway.visit(client, step("Card", {}))
    assert codes(seen) == ["GRAPHQL_REQUEST_INVALID"]
    assert len(seen.passed) == 1


@LATER
def test_a_wrong_input_is_seen_as_a_result(gateway: Site, client: str) -> None:
    """What the union says is data to the client, with its type."""
    seen = gateway.visit(client, step("Issue", click().input(accountId="no-account")))
    [answer] = seen.answers
    assert answer["codes"] == []
    result = answer["data"]["issueVirtualCard"]
    assert (result["__typename"], result["code"]) == ("InvalidInput", "BAD_USER_INPUT")


@LATER
def test_an_unknown_document_is_refused_with_a_code(trusting: Site, client: str) -> None:
    """In `only` a text that the manifest has not is DOCUMENT_NOT_TRUSTED, and is sent once."""
    seen = trusting.visit(client, step("Untrusted", {"id": click().key}))
    assert codes(seen) == ["DOCUMENT_NOT_TRUSTED"]
    assert len(seen.passed) == 1


@LATER
def test_an_unknown_hash_is_followed_by_its_text_and_a_code(trusting: Site, client: str) -> None:
    """In `only` PersistedQueryNotFound makes a client send the text once; then it sees the code."""
    seen = trusting.visit(client, step("Untrusted", {"id": click().key}), persisted="hash")
    assert codes(seen) == ["DOCUMENT_NOT_TRUSTED"]
    assert [bool(request["query"]) for request in seen.passed] == [False, True]
