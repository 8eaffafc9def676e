"""From a GraphQL request to a GraphQL response: select, coerce, execute, mask."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial
from typing import Any, Protocol

from graphql import ExecutionResult, GraphQLError, OperationType

from gateway.errors import GatewayError, InternalError, RequestInvalid
from gateway.events import Sink, UnexpectedError
from gateway.graphql.documents import Documents, Prepared
from gateway.graphql.names import shortened
from gateway.graphql.operations import Facts, ReadyDocument
from gateway.graphql.preparation import PreparationQueue
from gateway.turns import Turns

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
    """A response body, and what the HTTP status depends on; ``facts`` of what was executed."""

    body: dict[str, Any]
    failure: Failure | None = None
    facts: Facts | None = None


class ExecutionContext(Protocol):
    """What is handed to every resolver of one operation; the executor needs this much of it."""

    request_id: str

    @property
    def emit(self) -> Sink:
        """Where events go."""

    @property
    def caller_id(self) -> str:
        """Who asks: callers take turns."""

    async def count_document(self) -> None:
        """Count a document that is new or refused; raises RateLimited beyond the caller's rate."""

    def must_end_at(self, deadline: float) -> None:
        """Learn when the operation has to be over, by the event loop's clock."""


class Executor:
    """Executes requests, each within its time."""

    def __init__(
        self,
        documents: Documents,
        *,
        query_deadline: float,
        mutation_deadline: float,
        turns: Turns,
    ) -> None:
        self._documents = documents
        self._turns = turns
        self._preparation = PreparationQueue[Prepared](patience=query_deadline)
        self._seconds = {
            OperationType.QUERY: query_deadline,
            OperationType.MUTATION: mutation_deadline,
        }

    async def execute(
        self, request: GraphQLRequest, context: ExecutionContext, *, read_only: bool = False
    ) -> GraphQLResponse:
        """Answer one request; with ``read_only`` (GET) anything but a query is not executed.

        Raises RateLimited for a caller of too many documents that are new or refused, and
        Overloaded where too many new ones wait; beside these only a cancellation.
        """
        document = self._documents.known(request.query)
        if is_new := document is None:
            await context.count_document()
            prepare = partial(self._prepare, request)
            document = await self._preparation.run(context.caller_id, request.query, prepare)
        await self._turns.wait(context.caller_id)
        answer = await self._answer(document, request, context, read_only=read_only)
        if answer.failure is not None and not is_new:
            await context.count_document()
        return answer

    def _prepare(self, request: GraphQLRequest) -> Prepared:
        """The document, with what its operation needs before it first runs."""
        document = self._documents.prepare(request.query)
        if isinstance(document, ReadyDocument):
            document.operation(request.operation_name)
        return document

    async def _answer(
        self,
        document: Prepared,
        request: GraphQLRequest,
        context: ExecutionContext,
        *,
        read_only: bool,
    ) -> GraphQLResponse:
        if not isinstance(document, ReadyDocument):
            syntax = document[0].message.startswith("Syntax Error")
            return _failed(document, context, Failure.SYNTAX if syntax else Failure.INVALID)
        operation = document.operation(request.operation_name)
        if operation is None:
            return _failed([_no_operation(request)], context)
        if read_only and operation.kind is not OperationType.QUERY:
            error = GraphQLError("Only queries can be sent by GET; use POST.")
            return _failed([error], context, Failure.ONLY_BY_POST)
        context.must_end_at(asyncio.get_running_loop().time() + self._seconds[operation.kind])
        result = operation.run(context, request.variables)
        if not isinstance(result, ExecutionResult):
            result = await result
        return _response(result, context, operation.facts)


def _no_operation(request: GraphQLRequest) -> GraphQLError:
    if request.operation_name is None:
        return GraphQLError("The document has no single operation: name one in operationName.")
    return GraphQLError("The document has no operation of the name in operationName.")


def _response(result: ExecutionResult, context: ExecutionContext, facts: Facts) -> GraphQLResponse:
    errors = result.errors or []
    if result.data is None and all(error.path is None for error in errors):
        failed = _failed([_without_value(error) for error in errors], context)
        return replace(failed, facts=facts)
    body: dict[str, Any] = {"data": result.data}
    if errors:
        body = _errors(errors, context) | body
    return GraphQLResponse(body, facts=facts)


def _failed(
    errors: Sequence[GraphQLError], context: ExecutionContext, failure: Failure = Failure.INVALID
) -> GraphQLResponse:
    return GraphQLResponse(_errors(errors, context), failure)


def _errors(errors: Sequence[GraphQLError], context: ExecutionContext) -> dict[str, Any]:
    return {"errors": [_formatted(error, context) for error in errors]}


def _formatted(error: GraphQLError, context: ExecutionContext) -> dict[str, Any]:
    shown: dict[str, Any] = {"message": shortened(error.message)}
    if error.locations:
        shown["locations"] = [place.formatted for place in error.locations]
    if error.path:
        shown["path"] = error.path
    extensions = {"code": RequestInvalid.code, "retryable": False, **(error.extensions or {})}
    if (fault := _fault(error)) is not None:
        shown["message"] = InternalError().message
        extensions = {"code": GatewayError.code, "retryable": False}
        context.emit(UnexpectedError.of(fault))
    shown["extensions"] = {**extensions, "requestId": context.request_id}
    return shown


def _fault(error: GraphQLError) -> Exception | None:
    """What was not foreseen. A request was found good before any field of it was executed:

    what a field then raises is either an error of the gateway's own, or a fault.
    """
    cause = error.original_error
    if isinstance(cause, GatewayError):
        return None
    if cause is not None and not isinstance(cause, GraphQLError):
        return cause
    return error if error.path else None


def _without_value(error: GraphQLError) -> GraphQLError:
    message = _VALUE.sub(r"\1; compare it with the schema.", error.message)
    return GraphQLError(message, error.nodes)
