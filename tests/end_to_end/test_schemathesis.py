"""Schemathesis reads the schema from a running gateway and tries what it promises."""

from collections import Counter
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
import schemathesis.specs.graphql.analysis  # CPython 3.11 may fail to, within a test
import schemathesis.specs.graphql.dictionaries
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import CheckFunction, positive_data_acceptance
from schemathesis.config import SchemathesisConfig
from schemathesis.graphql import nodes

from gateway.cards import OPERATIONS
from gateway.emulator import GUIDE_ACCOUNT
from tests.processes import started
from tests.stack import ADDRESS, ISSUE, issue_input
from tests.unmeasured import unmeasured
from tests.waiting import PATIENCE

READS = ("account", "card", "cards", "node")
# An id is any text to the schema and a UUID to the gateway, so here refusing may be right.
REFUSING_IS_RIGHT: dict[str, list[CheckFunction]] = {
    f"Query.{name}": [positive_data_acceptance] for name in READS
}
# Stands for a new card: for one that was simulated before, the gateway would wait a second.
NEW_CARD = "123e4567-e89b-12d3-a456-426614174000"


OF_A_CARD = [
    operation.name
    for operation in OPERATIONS
    if operation.kind == "mutation" and "cardId" in operation.endpoint.path
]


def config() -> SchemathesisConfig:
    """Puts what exists in the place of made-up values, so that many cases reach the provider."""
    new_input = "Mutation.issueVirtualCard.input"
    card = {"dictionary": "cards", "probability": 0.5}
    account = {"dictionary": "accounts", "probability": 0.8}
    line = {"dictionary": "lines", "probability": 0.9}
    lines = ("firstLine", "secondLine", "city", "state", "postCode")
    return SchemathesisConfig.from_dict(
        {
            "dictionaries": {
                "accounts": {"values": [GUIDE_ACCOUNT]},
                "cards": {"values": [NEW_CARD]},
                "lines": {"values": [ADDRESS["city"], ADDRESS["postCode"], "a" * 101, "ß & 金"]},
            },
            "parameters": {
                "Query.card.id": card,
                "Query.node.id": card,
                "Query.account.id": account,
                "Query.cards.accountId": account,
                **{f"Mutation.{name}.input.cardId": card for name in OF_A_CARD},
                f"{new_input}.accountId": account,
                **{f"{new_input}.billingAddress.{name}": line for name in lines},
            },
        }
    )


def issue(url: str, session: requests.Session) -> str:
    """The id of a new card."""
    answer = session.post(url, json={"query": ISSUE, "variables": issue_input()}).json()
    return str(answer["data"]["issueVirtualCard"]["card"]["id"])


def succeeded(body: dict[str, object]) -> str | None:
    """The field that answered with something only a success has; None if none is seen to."""
    data = body.get("data")
    for field, value in data.items() if isinstance(data, dict) else ():
        if field in READS and value:
            return "a read"
        if isinstance(value, dict) and value.keys() & {"card", "authorisation", "replayed"}:
            return str(field)
    return None


@pytest.mark.process
@pytest.mark.parametrize("cases", [200, pytest.param(2_000, marks=pytest.mark.long)])
@pytest.mark.timeout(3600)
def test_schemathesis_finds_nothing(monkeypatch: pytest.MonkeyPatch, cases: int) -> None:
    """Of documents made from the schema, right and wrong: no server error, nothing that the
    schema does not promise, all that fits it accepted, all that does not refused."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    countries = st.sampled_from(["GB", "FR", "US"])
    schemathesis.graphql.scalar("CountryCode", countries.map(nodes.String))
    amounts = st.sampled_from(["20.00", "0.01", "1e3", "NaN", "-1"])
    schemathesis.graphql.scalar("Decimal", amounts.map(nodes.String))
    schemathesis.graphql.scalar(
        "CurrencyCode", st.sampled_from(["EUR", "JPY", "eur"]).map(nodes.String)
    )
    with (
        unmeasured(),
        started("dev", "--port", "0") as gateway,
        requests.Session() as session,
    ):
        url = gateway.wait_for(r"http://[\d.]+:\d+/graphql")[0]
        schema = schemathesis.graphql.from_url(url, config=config())
        seen: Counter[str | None] = Counter()

        @hypothesis.settings(
            max_examples=cases,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(st.one_of(*(schema.as_strategy(mode) for mode in GenerationMode)))
        def conforms(case: Case[Any]) -> None:
            assert isinstance(case.body, str)
            if NEW_CARD in case.body:
                case.body = case.body.replace(NEW_CARD, issue(url, session))
            excluded = REFUSING_IS_RIGHT.get(case.operation.label)
            answer = case.call_and_validate(
                session=session, excluded_checks=excluded, timeout=PATIENCE
            )
            seen[succeeded(answer.json())] += 1

        conforms()
    assert seen.total() >= cases
    # Not all was refused.
    assert seen["a read"] >= cases // 25
    assert seen["issueVirtualCard"] >= 1
    assert seen["simulateCardIssue"] >= 1
