"""Whatever text is sent, its field has a typed answer, and the provider gets what was accepted."""

import asyncio
import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.stack import ADDRESS, ISSUE, Stack, in_process, issue_input, options, running

pytestmark = in_process

RATES = '{"issueVirtualCard": "off"}'
texts = st.one_of(
    st.text(st.characters(), max_size=8),  # lone surrogates among them
    st.text(st.sampled_from("a1 \u3000\u200d\u0301\u3164\u202e\t\ud83d\ude00"), max_size=8),
    st.integers(90, 500).map(lambda count: "a\u0301" * count),
)
inputs = st.fixed_dictionaries(
    {},
    optional={
        "accountId": texts,
        "idempotencyKey": texts | st.none(),
        "billingAddress": st.dictionaries(
            st.sampled_from([*ADDRESS, "secondLine", "state"]), texts
        ),
    },
)


async def ask(stack: Stack, changes: dict[str, Any]) -> None:
    """Send one input, and look at what came of it."""
    address = ADDRESS | changes.get("billingAddress", {})
    variables = issue_input(**changes | {"billingAddress": address})
    before = len(stack.wire.sent("POST", "/cards"))
    content = json.dumps({"query": ISSUE, "variables": variables})
    headers = {"Content-Type": "application/json"}
    answer = await stack.client.post("/graphql", content=content, headers=headers)
    result = json.loads(answer.content.decode())["data"]["issueVirtualCard"]
    sent = stack.wire.sent("POST", "/cards")[before:]
    if result["__typename"] == "InvalidInput":
        name = result["field"].removeprefix("input.").partition(".")[0]
        assert name in changes
        assert not sent
        return
    assert result["__typename"] == "IssueVirtualCardSuccess"
    [request] = sent
    body = msgspec.json.decode(request.content)["billingAddress"]
    shown = {
        name: line for name, line in result["card"]["billingAddress"].items() if line is not None
    }
    assert body == shown


async def ask_all(each: list[dict[str, Any]]) -> None:
    """Send inputs to one gateway."""
    async with running(options(any_account=True), rate_limits=RATES, log_level="error") as stack:
        for changes in each:
            await ask(stack, changes)


@settings(max_examples=examples(0.1))
@given(st.lists(inputs, min_size=5, max_size=20))
def test_any_text_has_a_typed_answer(each: list[dict[str, Any]]) -> None:
    """It is a card with the lines that the provider was sent, or InvalidInput of a field."""
    asyncio.run(ask_all(each))
