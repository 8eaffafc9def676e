"""Plans and graphql-core on the same document: the results have to be the same."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLSchema,
    execute,
    get_operation_ast,
    parse,
    print_ast,
    validate,
)

from gateway.graphql.plan import Plan, compile_plan

# graphql-core itself leaves coroutines behind when it cancels what has not begun.
leaves_coroutines = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.usefixtures("collected_after_each_test_only"),
]


def shown(result: ExecutionResult) -> Any:
    """All that there is to a result, in its order."""
    told = [
        (error.formatted, type(error.original_error), str(error.original_error), error.nodes)
        for error in result.errors or ()
    ]
    return repr(result.data), result.errors is None, told


async def settled(result: ExecutionResult | Awaitable[ExecutionResult]) -> ExecutionResult:
    """The result, once there is one and nothing is left running."""
    found = result if isinstance(result, ExecutionResult) else await result
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.gather(*others, return_exceptions=True)
    return found


def planned(schema: GraphQLSchema, document: DocumentNode | str) -> Plan:
    """The plan of a document that has to have one."""
    document = parse(document) if isinstance(document, str) else document
    assert not validate(schema, document)
    operation = get_operation_ast(document)
    assert operation
    plan = compile_plan(schema, document, operation)
    assert plan
    return plan


async def compare(
    schema: GraphQLSchema,
    source: str,
    variables: dict[str, Any] | None = None,
    contexts: Callable[[int], Any] = lambda _: None,
    times: int = 1,
) -> ExecutionResult:
    """The last result of one plan; each is what graphql-core gives in an equal context."""
    document = parse(source)
    before, plan = print_ast(document), planned(schema, document)
    for number in range(times):
        core, own = contexts(number), contexts(number)
        other = execute(schema, document, context_value=core, variable_values=variables)
        expected = await settled(other)
        result = plan.run(own, variables)
        assert isinstance(result, ExecutionResult) == isinstance(other, ExecutionResult)
        found = await settled(result)
        assert shown(found) == shown(expected)
        assert getattr(own, "calls", None) == getattr(core, "calls", None)
    assert print_ast(document) == before
    return found
