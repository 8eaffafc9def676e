"""The state of one execution of a plan."""

from collections.abc import Awaitable
from copy import copy
from typing import Any

from graphql import ExecutionResult, GraphQLError

from gateway.graphql.plan.compat import CollectedErrors, Executor, VariableValues


class Run:
    """What belongs to one execution: all else is shared by all."""

    __slots__ = ("context", "errors", "variables")

    def __init__(self, context: Any, variables: VariableValues) -> None:
        self.context = context
        self.variables = variables
        self.errors = CollectedErrors()

    def result(self, data: dict[str, Any] | None) -> ExecutionResult:
        """The result with the errors that were collected on the way."""
        return ExecutionResult(data, self.errors.errors or None)

    def failed(self, error: GraphQLError) -> ExecutionResult:
        """The result where an error reached the root."""
        self.errors.add(error, None)
        return self.result(None)

    async def awaited(self, data: Awaitable[dict[str, Any]]) -> ExecutionResult:
        """The result once the data are there."""
        try:
            return self.result(await data)
        except GraphQLError as error:
            return self.failed(error)

    def executor(self, core: Executor[None]) -> Executor[None]:
        """An executor of graphql-core that goes on with this run."""
        executor = copy(core)
        executor.context_value = self.context
        executor.variable_values = self.variables
        executor.collected_errors = self.errors
        return executor
