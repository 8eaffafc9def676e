"""Operations are declared in one place, and what was left out does not import."""

import os
import re
from pathlib import Path
from types import NoneType
from typing import Any

import pytest
import strawberry
import yaml

from gateway import errors
from gateway.app import create_app
from gateway.cards import OPERATIONS
from gateway.cards.card_changes import CardChange
from gateway.cards.failures import members_of
from gateway.cards.mutation_calls import MutationCall
from gateway.cards.operation import CardOperation, mutation, query
from gateway.cards.query_calls import QueryCall
from gateway.cards.simulation import SIMULATION_FAILURES, SimulationInput
from gateway.cards.types import Card
from gateway.emulator import GUIDE_ACCOUNT
from gateway.emulator.app import OPERATIONS as EMULATED
from gateway.errors import ConfigError, InvalidState
from gateway.provider import READ_CARD, Endpoint
from tests.moves import AUTHORISE, ask, set_status
from tests.stack import CARD, issue_input, running, settings
from tests.tokens import IdentityProvider

ROOT = Path(__file__).parent.parent.parent
DESCRIPTION = os.environ.get("TEST_OPENAPI", "")
FREEZE: Endpoint[None] = Endpoint(
    "PATCH", "/simulator/cards/{cardId}/freeze", 202, NoneType, conflict=InvalidState
)
COMPLETE: dict[str, Any] = {
    "scope": "cards:simulate",
    "rate": "60/minute",
    "failures": SIMULATION_FAILURES,
    "argument": "Which card.",
    "result": "What came of it.",
}


def declared(**given: Any) -> CardOperation:
    """A mutation with this declaration."""

    @mutation(FREEZE, **given)
    async def freeze_card(call: MutationCall[None], given: SimulationInput) -> CardChange:
        """Freeze a card."""
        raise NotImplementedError

    return freeze_card


@pytest.mark.parametrize("left_out", COMPLETE)
def test_a_declaration_that_leaves_something_out_does_not_import(left_out: str) -> None:
    """Scope, rate, failures and descriptions all have to be given."""
    assert declared(**COMPLETE).name == "freezeCard"
    with pytest.raises(TypeError, match=left_out):
        declared(**{name: COMPLETE[name] for name in COMPLETE if name != left_out})


@pytest.mark.parametrize("left_out", ["scope", "rate"])
def test_a_query_without_scope_or_rate_does_not_import(left_out: str) -> None:
    """Reads have to be permitted and counted, too."""
    given: dict[str, Any] = {"scope": "cards:read", "rate": "1/minute"}
    with pytest.raises(TypeError, match=left_out):
        query(READ_CARD, **{name: given[name] for name in given if name != left_out})


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("scope", "", "scope"),
        ("scope", "everything", "scope"),
        ("rate", "often", "rate"),
        ("failures", (), "InvalidState, NotFound, Refused, SimulatorDisabled"),
        ("failures", (errors.NotFound, errors.Refused, InvalidState), "SimulatorDisabled"),
        ("failures", (errors.NotFound, errors.Refused, errors.SimulatorDisabled), "InvalidState"),
    ],
)
def test_a_declaration_that_cannot_be_right_does_not_import(
    name: str, value: Any, reason: str
) -> None:
    """A scope of another form, a rate that is none, and failures that its endpoint can end with."""
    with pytest.raises(ValueError, match=reason):
        declared(**COMPLETE | {name: value})


def test_a_mutation_without_key_or_replayed_does_not_import() -> None:
    """Input and success of every mutation name the idempotency key, and the success a replay."""

    @strawberry.input
    class Keyless:
        card_id: strawberry.ID

    async def of_keyless(call: MutationCall[None], given: Keyless) -> CardChange:
        """Freeze a card."""
        raise NotImplementedError

    async def to_keyless(call: MutationCall[None], given: SimulationInput) -> Keyless:
        """Freeze a card."""
        raise NotImplementedError

    of_keyless.__annotations__["given"] = to_keyless.__annotations__["return"] = Keyless
    for function, lacking in ((of_keyless, "idempotency_key"), (to_keyless, "replayed")):
        with pytest.raises(ValueError, match=lacking):
            mutation(FREEZE, **COMPLETE)(function)


async def test_no_mutation_reaches_a_card_or_an_account_of_others(tmp_path: Path) -> None:
    """Whatever a field does, its call is sent for the caller's own accounts only."""
    identity = IdentityProvider(tmp_path)
    async with running(**identity.settings()) as stack:
        stack.client.headers["Authorization"] = f"Bearer {identity.token()}"
        card_id = (await stack.issue())["card"]["id"]
        set_status(stack, card_id, "active")
        made = await ask(stack, AUTHORISE, cardId=card_id, amount="1", currency="GBP")
        other = identity.token(accounts=["123e4567-e89b-12d3-a456-426614174000"])
        stack.client.headers["Authorization"] = f"Bearer {other}"
        before = len(stack.wire.exchanges)
        for one in OPERATIONS:
            if one.kind == "mutation":
                text, variables = document(one)
                ids = {"accountId": GUIDE_ACCOUNT, "cardId": card_id}
                ids["authorisationId"] = made["authorisation"]["id"]
                for name in variables["input"].keys() & ids.keys():
                    variables["input"][name] = ids[name]
                told = (await stack.data(text, variables))[one.name]
                assert told["code"] in {"NOT_ALLOWED", "NOT_FOUND"}
        sent = [request.method for request, _ in stack.wire.exchanges[before:]]
        assert set(sent) == {"GET"}


def test_every_error_of_a_result_has_a_member() -> None:
    """Each code that can stand in a result has a member of the unions for it."""
    told = {error for error in errors.CODES.values() if error.in_results}
    assert len(members_of(told)) > 0
    with pytest.raises(KeyError):
        members_of([errors.BadRequest])


def test_a_field_without_description_does_not_import() -> None:
    """The docstring of the function is the description of the field."""

    async def undescribed(call: QueryCall, given: strawberry.ID) -> None:
        raise NotImplementedError

    with pytest.raises(ValueError, match="docstring"):
        query(READ_CARD, scope="cards:read", rate="1/minute")(undescribed)


def test_every_operation_can_be_tried_in_graphiql() -> None:
    """GraphiQL has a tab for each field."""
    script = (ROOT / "gateway" / "http" / "static" / "graphiql-start.js").read_text()
    assert [
        one.name
        for one in OPERATIONS
        if not re.search(rf"^ +{one.name.rpartition('.')[2]}\b.*{{$", script, re.M)
    ] == []


def test_the_emulator_has_the_endpoint_of_every_operation() -> None:
    """Method, path and the need of a key are the same on both sides."""
    for one in OPERATIONS:
        emulated = EMULATED[f"/v1{one.endpoint.path}"][one.endpoint.method]
        assert emulated.keyed == (one.kind == "mutation")


@pytest.mark.skipif(
    not DESCRIPTION, reason="TEST_OPENAPI does not name the provider's openapi.yaml"
)
def test_the_provider_describes_the_endpoint_of_every_operation() -> None:
    """Each endpoint is in the provider's description, with its one successful status."""
    paths = yaml.safe_load(Path(DESCRIPTION).read_text())["paths"]
    for one in OPERATIONS:
        described = paths[one.endpoint.path][one.endpoint.method.lower()]["responses"]
        assert [status for status in map(str, described) if status < "300"] == [
            str(one.endpoint.success)
        ]


ROOTS = [one for one in OPERATIONS if one.parent is None]
NESTED = [one for one in OPERATIONS if one.parent is not None]


@pytest.mark.parametrize("one", ROOTS, ids=lambda one: one.name)
async def test_no_operation_is_open_to_callers_without_its_scope(
    one: CardOperation, tmp_path: Path
) -> None:
    """Whatever other scopes a caller has, each field asks for its own."""
    identity = IdentityProvider(tmp_path)
    others = {each.scope for each in OPERATIONS} - {one.scope}
    async with running(**identity.settings()) as stack:
        token = identity.token(scope=" ".join(others))
        stack.client.headers["Authorization"] = f"Bearer {token}"
        body = (await stack.post(*document(one))).text
        assert f"Your access token does not have the scope {one.scope}." in body
        assert not stack.wire.exchanges


@pytest.mark.parametrize("one", NESTED, ids=lambda one: one.name)
async def test_no_field_of_an_object_is_open_to_callers_without_its_scope(
    one: CardOperation, tmp_path: Path
) -> None:
    """Whoever gets a card as the result of a mutation gets no more of it than its own scopes."""
    identity = IdentityProvider(tmp_path)
    others = {each.scope for each in OPERATIONS} - {one.scope}
    field = f"{one.name.rpartition('.')[2]} {{ id }}"
    fields = field if one.parent is Card else f"account {{ {field} }}"
    text = f"""mutation($input: IssueVirtualCardInput!) {{ issueVirtualCard(input: $input) {{
        ... on IssueVirtualCardSuccess {{ card {{ id {fields} }} }} }} }}"""
    async with running(**identity.settings()) as stack:
        stack.client.headers["Authorization"] = f"Bearer {identity.token(scope=' '.join(others))}"
        told = (await stack.post(text, issue_input())).json()
        [error] = told["errors"]
        assert error["extensions"]["code"] == "NOT_ALLOWED"
        assert error["message"] == f"Your access token does not have the scope {one.scope}."
        assert told["data"]["issueVirtualCard"]["card"]["id"]
        path = re.sub(r"\{\w+\}", "[^/]+", one.endpoint.path)
        read = [request.url.path for request, _ in stack.wire.exchanges if request.method == "GET"]
        assert not [each for each in read if re.fullmatch(f"/v1{path}", each)]


def document(one: CardOperation) -> tuple[str, dict[str, Any]]:
    """A document that uses a field, and its variables."""
    if one.failures and one.kind == "query":
        key = "123e4567-e89b-12d3-a456-426614174000"
        asked = f'{one.name}(idempotencyKey: "{key}")'
        return f"{{ {asked} {{ ... on Error {{ code message }} }} }}", {}
    if one.kind == "query":
        argument = "accountId" if one.name == "cards" else "id"
        asked = f'{one.name}({argument}: "123e4567-e89b-12d3-a456-426614174000")'
        return f"{{ {asked} {{ id }} }}", {}
    name = f"{one.name[0].upper()}{one.name[1:]}"
    text = f"""mutation($input: {name}Input!) {{
      {one.name}(input: $input) {{ ... on Error {{ code message }} }} }}"""
    address = {"firstLine": "1", "city": "London", "country": "GB", "postCode": "1"}
    if "accountId" in one.endpoint.path:
        return text, {"input": {"accountId": "none", "billingAddress": address}}
    if "authorisationId" in one.endpoint.path:
        return text, {"input": {"authorisationId": "none"}}
    money = {"amount": "1", "currency": "GBP"} if one.endpoint.path.endswith("isation") else {}
    return text, {"input": {"cardId": "none", **money}}


@pytest.mark.parametrize(
    "one", [each for each in OPERATIONS if each.endpoint.is_simulator], ids=lambda one: one.name
)
async def test_the_simulator_is_not_offered_in_production(one: CardOperation) -> None:
    """No field with a call of the simulator calls it where it is switched off."""
    async with running(simulator=False) as stack:
        data = await stack.data(*document(one))
        assert data[one.name]["code"] == "SIMULATOR_DISABLED"
        assert not stack.wire.exchanges


async def test_each_field_has_the_rate_limit_that_is_set(tmp_path: Path) -> None:
    """GATEWAY_RATE_LIMITS holds for the fields that it names, the older variables for theirs."""
    identity = IdentityProvider(tmp_path)
    rates = {"rate_limits": '{"simulateCardIssue": "1/hour"}', "rate_limit_read": "2/hour"}
    async with running(**identity.settings(**rates)) as stack:
        stack.client.headers["Authorization"] = f"Bearer {identity.token()}"
        card_id = (await stack.issue())["card"]["id"]
        await stack.card(card_id)
        codes = [(await stack.simulate(card_id)).get("code") for _ in range(2)]
        assert codes == [None, "RATE_LIMITED"]
        body = (await stack.post(CARD, {"id": card_id})).json()
        assert body["errors"][0]["extensions"]["limitedBy"] == "GATEWAY"


def test_a_rate_limit_for_a_field_that_is_not_there_is_refused() -> None:
    """A misspelt field would leave the one that was meant with another limit."""
    with pytest.raises(ConfigError, match=r"GATEWAY_RATE_LIMITS.*issueVirtualCard"):
        create_app(settings(auth="none", rate_limits='{"issueVirtualCards": "1/hour"}'))


@pytest.mark.parametrize(
    ("old", "field"),
    [
        ("rate_limit_read", "card"),
        ("rate_limit_issue", "issueVirtualCard"),
        ("rate_limit_simulate", "simulateCardIssue"),
    ],
)
def test_a_rate_limit_that_is_set_twice_is_refused(old: str, field: str) -> None:
    """Nobody has to know which of two variables wins."""
    assert settings(**{old: "7/hour"}).rate_limits == {field: "7/hour"}
    with pytest.raises(ConfigError, match=rf"sets {field}, as GATEWAY_{old.upper()} does"):
        settings(**{old: "7/hour", "rate_limits": f'{{"{field}": "8/hour"}}'})
