"""From a GraphQL request to a GraphQL response: select, coerce, execute, mask."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import strawberry
import structlog
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    OperationType,
    execute,
    get_operation_ast,
)

from gateway.api.context import Context
from gateway.api.documents import Documents
from gateway.errors import GatewayError

log = structlog.get_logger()

UNEXPECTED = "Something went wrong inside the gateway; it has been logged."

_VALUE = re.compile(r"(Variable '\$\w+' has invalid value[^:]*):.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """The parameters of one GraphQL-over-HTTP request."""

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None


@dataclass(frozen=True, slots=True)
class GraphQLResponse:
    """A response body, and what the HTTP status depends on."""

    body: dict[str, Any]
    request_error: bool = False
    only_by_post: bool = False


class Executor:
    """Executes requests against the schema."""

    def __init__(self, schema: strawberry.Schema) -> None:
        self._schema = schema._schema
        self._documents = Documents(self._schema)

    async def execute(
        self, request: GraphQLRequest, context: Context, *, read_only: bool = False
    ) -> GraphQLResponse:
        """Answer one request; nothing is raised but a cancellation.

        With ``read_only`` (GET) anything but a query is not executed.
        """
        document = self._documents.prepare(request.query)
        if not isinstance(document, DocumentNode):
            return _request_error(document, context)
        operation = get_operation_ast(document, request.operation_name)
        if operation is None:
            return _request_error([_no_operation(request)], context)
        if read_only and operation.operation is not OperationType.QUERY:
            error = GraphQLError("Only queries can be sent by GET; use POST.")
            return GraphQLResponse(_errors([error], context), True, only_by_post=True)
        result = execute(
            self._schema,
            document,
            context_value=context,
            variable_values=request.variables,
            operation_name=request.operation_name,
        )
        if not isinstance(result, ExecutionResult):
            result = await result
        return _response(result, context)


def _no_operation(request: GraphQLRequest) -> GraphQLError:
    if request.operation_name is None:
        return GraphQLError("The document has no single operation: name one in operationName.")
    return GraphQLError("The document has no operation of the name in operationName.")


def _response(result: ExecutionResult, context: Context) -> GraphQLResponse:
    errors = result.errors or []
    if result.data is None and all(error.path is None for error in errors):
        return _request_error([_without_value(error) for error in errors], context)
    body: dict[str, Any] = {"data": result.data}
    if errors:
        body = _errors(errors, context) | body
    return GraphQLResponse(body)


def _request_error(errors: Sequence[GraphQLError], context: Context) -> GraphQLResponse:
    return GraphQLResponse(_errors(errors, context), request_error=True)


def _errors(errors: Sequence[GraphQLError], context: Context) -> dict[str, Any]:
    return {"errors": [_formatted(error, context) for error in errors]}


def _formatted(error: GraphQLError, context: Context) -> dict[str, Any]:
    shown: dict[str, Any] = {"message": error.message}
    if error.locations:
        shown["locations"] = [place.formatted for place in error.locations]
    if error.path:
        shown["path"] = error.path
    extensions = {"code": "GRAPHQL_REQUEST_INVALID", **(error.extensions or {})}
    cause = error.original_error
    if cause is not None and not isinstance(cause, GatewayError | GraphQLError):
        shown["message"] = UNEXPECTED
        extensions = {"code": "INTERNAL", "retryable": False}
        log.error("unexpected_error", path=error.path, error=cause)
    shown["extensions"] = {**extensions, "requestId": context.request_id}
    return shown


def _without_value(error: GraphQLError) -> GraphQLError:
    message = _VALUE.sub(r"\1; compare it with the schema.", error.message)
    return GraphQLError(message, error.nodes)
