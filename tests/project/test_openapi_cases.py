"""Schemathesis makes calls from the provider's description and judges the emulator's answers."""

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import hypothesis
import pytest
import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given
from schemathesis import Case, GenerationMode
from schemathesis.checks import positive_data_acceptance
from schemathesis.core.result import Ok

from gateway.emulator import GUIDE_ACCOUNT
from gateway.emulator.app import OPERATIONS
from tests.emulator_client import API_KEY, API_SECRET, NEW_CARD, Client, connect, encoded_pem
from tests.stack import SIGNING_KEY
from tests.unmeasured import unmeasured

DESCRIPTION = os.environ.get("TEST_OPENAPI", "")
pytestmark = pytest.mark.skipif(
    not DESCRIPTION, reason="TEST_OPENAPI does not name the provider's openapi.yaml"
)

FOREVER = 1e9
SIMULATED = "/simulator/cards/{cardId}"
# In which status a card takes a call.
STATUSES = {
    ("PATCH", "/cards/{cardId}/activate"): "inactive",
    ("PATCH", f"{SIMULATED}/issue"): "issuing",
    ("PATCH", f"{SIMULATED}/fail"): "issuing",
}
KEY = {"signingKeyId": str(uuid4())}
# A body that is taken: many that the description permits are not, such as an amount of "".
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/auth/token"): {"apiKey": API_KEY, "apiSecret": API_SECRET},
    ("PUT", "/auth/signing"): KEY | {"signingKey": encoded_pem(SIGNING_KEY.public_key().to_pem())},
    ("DELETE", "/auth/signing"): KEY,
    ("POST", "/accounts/{accountId}/cards"): NEW_CARD,
    ("POST", f"{SIMULATED}/authorisation"): {"amount": "7.0", "currency": "EUR", "capture": True},
}


def described() -> dict[str, Any]:
    """The description of what the emulator does, without the headers: the client signs."""
    description: dict[str, Any] = yaml.safe_load(Path(DESCRIPTION).read_text())
    description["paths"] = {
        path: {method.lower(): description["paths"][path][method.lower()] for method in methods}
        for path, methods in ((path.removeprefix("/v1"), OPERATIONS[path]) for path in OPERATIONS)
    }
    for path in description["paths"].values():
        for operation in path.values():
            parameters = operation.get("parameters", [])
            operation["parameters"] = [each for each in parameters if "$ref" not in each]
            operation.pop("security", None)
    return description


async def known_ids(client: Client, operation: tuple[str, str]) -> dict[str, str]:
    """Ids of what exists, in a status in which it takes the call."""
    card_id = await client.active_card()
    authorisation_id = (await client.authorise(card_id)).json()["id"]
    await client.authorise(card_id, capture=True)
    client.clock.time += client.emulator.options.capture_delay
    await client.put("cards", card_id, STATUSES.get(operation, "active"))
    return {
        "accountId": GUIDE_ACCOUNT,
        "cardId": card_id,
        "authorisationId": authorisation_id,
        "transactionId": next(iter(client.emulator.transactions)),
    }


async def send(client: Client, case: Case[Any], *, accepted: bool) -> httpx.Response:
    """The answer to a case; ``accepted`` are those whose ids and body are replaced."""
    client.clock.time += 1
    operation = (case.method, case.path)
    if accepted:
        ids = await known_ids(client, operation)
        case.path_parameters = {name: ids[name] for name in case.path_parameters or {}}
        case.body = BODIES.get(operation, case.body)
    prepared = requests.Request(**case.as_transport_kwargs(base_url="http://x/v1")).prepare()
    body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body
    path = urlsplit(prepared.url or "").path
    return await client.send(case.method, str(path), body)


def try_operation(
    runner: asyncio.Runner, client: Client, operation: Any, mode: GenerationMode, cases: int
) -> list[int]:
    """The statuses of made-up calls, right or wrong; every second right one is made to succeed."""
    statuses: list[int] = []

    @hypothesis.settings(
        max_examples=cases,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(mode))
    def conforms(case: Case[Any]) -> None:
        accepted = mode is GenerationMode.POSITIVE and len(statuses) % 2 == 0
        answer = runner.run(send(client, case, accepted=accepted))
        # An unknown id is right to the description, and so is an amount that is none.
        case.validate_response(answer, excluded_checks=[positive_data_acceptance])
        statuses.append(answer.status_code)

    conforms()
    return statuses


def modes(operation: Any) -> list[GenerationMode]:
    """Right and wrong, unless nothing of a call can be wrong: no id and no body."""
    wrong = [GenerationMode.NEGATIVE] if "{" in operation.path or operation.body else []
    return [GenerationMode.POSITIVE, *wrong]


@pytest.mark.slow
@pytest.mark.parametrize("cases", [2, pytest.param(30, marks=pytest.mark.long)])
def test_every_answer_is_as_schemathesis_reads_the_description(cases: int) -> None:
    """Right calls and wrong ones get statuses and bodies that the provider describes, wrong ones
    are refused, and each operation succeeds."""
    seen: Counter[tuple[str, int]] = Counter()
    operations = schemathesis.openapi.from_dict(described()).get_all_operations()
    with unmeasured(), asyncio.Runner() as runner:
        client = runner.run(connect(token_lifetime=FOREVER))
        for operation in (found.ok() for found in operations if isinstance(found, Ok)):
            for mode in modes(operation):
                statuses = try_operation(runner, client, operation, mode, cases)
                seen.update((operation.label, status) for status in statuses)
        runner.run(client.http.aclose())
    assert {label for label, status in seen if status < 300} == {
        f"{method} {path.removeprefix('/v1')}" for path in OPERATIONS for method in OPERATIONS[path]
    }
    assert {200, 201, 202, 204, 400, 404} <= {status for _, status in seen}
