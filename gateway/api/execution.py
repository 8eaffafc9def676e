"""From a GraphQL request to a GraphQL response: select, coerce, execute, mask."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import strawberry
import structlog
from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
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


class Failure(Enum):
    """Why a request was not executed."""

    SYNTAX = auto()
    INVALID = auto()  # the document or the variables do not fit the schema
    ONLY_BY_POST = auto()


@dataclass(frozen=True, slots=True)
class GraphQLResponse:
    """A response body, and what the HTTP status depends on."""

    body: dict[str, Any]
    failure: Failure | None = None


class Executor:
    """Executes requests against the schema."""

    def __init__(
        self,
        schema: strawberry.Schema,
        documents: Documents,
        *,
        suggestions: bool,
        query_deadline: float,
        mutation_deadline: float,
    ) -> None:
        self._schema = schema._schema
        self._documents = documents
        self._suggestions = suggestions
        self._seconds = {
            OperationType.QUERY: query_deadline,
            OperationType.MUTATION: mutation_deadline,
        }

    async def execute(
        self, request: GraphQLRequest, context: Context, *, read_only: bool = False
    ) -> GraphQLResponse:
        """Answer one request; nothing is raised but a cancellation.

        With ``read_only`` (GET) anything but a query is not executed.
        """
        document = self._documents.prepare(request.query)
        if not isinstance(document, DocumentNode):
            syntax = document[0].message.startswith("Syntax Error")
            return _failed(document, context, Failure.SYNTAX if syntax else Failure.INVALID)
        operation = get_operation_ast(document, request.operation_name)
        if operation is None:
            return _failed([_no_operation(request)], context)
        if read_only and operation.operation is not OperationType.QUERY:
            error = GraphQLError("Only queries can be sent by GET; use POST.")
            return _failed([error], context, Failure.ONLY_BY_POST)
        seconds = self._seconds[operation.operation]
        context.must_end_at(asyncio.get_running_loop().time() + seconds)
        context.facts.update(facts(operation, document))
        return _response(await self._run(document, request, context), context)

    async def _run(
        self, document: DocumentNode, request: GraphQLRequest, context: Context
    ) -> ExecutionResult:
        result = execute(
            self._schema,
            document,
            context_value=context,
            variable_values=request.variables,
            operation_name=request.operation_name,
            hide_suggestions=not self._suggestions,
        )
        return result if isinstance(result, ExecutionResult) else await result


def facts(operation: OperationDefinitionNode, document: DocumentNode) -> dict[str, Any]:
    """What a log line says of an operation: names of GraphQL's grammar, never a value."""
    return {
        "operation": operation.name.value[:64] if operation.name else None,
        "kind": operation.operation.value,
        "fields": sorted(_root_fields(operation.selection_set, document)),
    }


def _root_fields(selection_set: SelectionSetNode, document: DocumentNode) -> set[str]:
    """The names of the fields at the top, those in fragments included."""
    fragments = {
        one.name.value: one
        for one in document.definitions
        if isinstance(one, FragmentDefinitionNode)
    }
    found: set[str] = set()
    left, seen = [selection_set], set[str]()
    while left:
        for node in left.pop().selections:
            if isinstance(node, FieldNode):
                found.add(node.name.value)
            elif isinstance(node, InlineFragmentNode):
                left.append(node.selection_set)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                seen.add(node.name.value)
                left.append(fragments[node.name.value].selection_set)
    return found


def _no_operation(request: GraphQLRequest) -> GraphQLError:
    if request.operation_name is None:
        return GraphQLError("The document has no single operation: name one in operationName.")
    return GraphQLError("The document has no operation of the name in operationName.")


def _response(result: ExecutionResult, context: Context) -> GraphQLResponse:
    errors = result.errors or []
    if result.data is None and all(error.path is None for error in errors):
        return _failed([_without_value(error) for error in errors], context)
    body: dict[str, Any] = {"data": result.data}
    if errors:
        body = _errors(errors, context) | body
    return GraphQLResponse(body)


def _failed(
    errors: Sequence[GraphQLError], context: Context, failure: Failure = Failure.INVALID
) -> GraphQLResponse:
    return GraphQLResponse(_errors(errors, context), failure)


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
