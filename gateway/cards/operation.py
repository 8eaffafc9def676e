"""One field that calls the provider: endpoint, scope, rate and failures, declared in one place.

``@query`` and ``@mutation`` make a CardOperation from the function of the field. The rest is
derived from it: the field with its result union, the scopes, the rate limits, whether it is a call
of the simulator, and the tables of the documentation. A declaration that leaves something out, or
that contradicts its endpoint, does not import.
"""

import inspect
import operator
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Annotated, Any, Literal, TypeVar, cast, get_type_hints
from uuid import uuid4

import strawberry
from strawberry.types.field import StrawberryField
from strawberry.utils.str_converters import to_camel_case

from gateway.callers import pace_of
from gateway.cards.context import Context, Info
from gateway.cards.failures import MUTATION_FAILURES, as_member, members_of
from gateway.cards.history import Key
from gateway.cards.inputs import parse_id, parse_key
from gateway.cards.mutation_calls import MutationCall
from gateway.cards.outcomes import OutcomeCall
from gateway.cards.query_calls import QueryCall
from gateway.cards.types import UUIDText
from gateway.errors import (
    GatewayError,
    InvalidState,
    NotExecuted,
    NotFound,
    Refused,
    SimulatorDisabled,
)
from gateway.ledger import field_key, provider_key
from gateway.provider import Endpoint

T = TypeVar("T")
Input = TypeVar("Input")
Success = TypeVar("Success")
_SCOPE = re.compile(r"[a-z]+:[a-z]+")


@dataclass(frozen=True, slots=True)
class CardOperation:
    """A field of Query or Mutation, or one of an object that calls the provider, such as
    ``Card.transactions``; ``rate`` holds for each caller unless a setting says otherwise.

    ``failures`` are what can be told in its result union beside the success; a query has none.
    """

    kind: Literal["query", "mutation", "object"]
    name: str
    endpoint: Endpoint[Any]
    scope: str
    rate: str
    failures: tuple[type[GatewayError], ...]
    field: StrawberryField
    result: Any = None
    """The union of a mutation's results; None for a query that has none."""
    parent: type | None = None
    """The GraphQL type of the object that it is a field of; None for Query and Mutation."""

    def __post_init__(self) -> None:
        if not _SCOPE.fullmatch(self.scope):
            raise ValueError(f"{self.name}: a scope is of the form word:word")
        pace_of(self.rate, reads=self.is_read)  # raises ValueError
        missing = self._possible_failures().difference(self.failures)
        if self.kind == "mutation" and missing:
            names = ", ".join(sorted(failure.__name__ for failure in missing))
            raise ValueError(f"{self.name}: its endpoint can end with {names}, too")

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing at the provider."""
        return self.kind != "mutation"

    def query_call(self, context: Context) -> QueryCall:
        """What the function of a query gets; raises NotAllowed for callers without the scope."""
        context.caller.require(self.scope)
        return QueryCall(context, self.name, is_nested=self.parent is not None)

    def _possible_failures(self) -> set[type[GatewayError]]:
        found = {*MUTATION_FAILURES, NotFound, Refused, self.endpoint.conflict}
        # A call about something is refused for its status, and what became of it shows there.
        makes_a_card = "accountId" in self.endpoint.path
        found.add(NotExecuted if makes_a_card else InvalidState)
        return found | {SimulatorDisabled} if self.endpoint.is_simulator else found


def query(
    endpoint: Endpoint[Any], *, scope: str, rate: str, expected_items: int | None = None
) -> Callable[[Callable[..., Awaitable[Any]]], CardOperation]:
    """Declare a field of Query. Its function takes a QueryCall and then the field's arguments.

    The function's docstring is the field's description. A list of objects says how many items are
    expected, which its cost is multiplied by.
    """

    def declare(function: Callable[..., Awaitable[Any]]) -> CardOperation:
        name = to_camel_case(function.__name__)

        async def resolve(info: Info, **arguments: Any) -> Any:
            return await function(operation.query_call(info.context), **arguments)

        field = _read_field(name, function, resolve, expected_items)
        operation = CardOperation("query", name, endpoint, scope, rate, (), field)
        return operation

    return declare


def object_field(
    endpoint: Endpoint[Any],
    *,
    name: str,
    scope: str,
    rate: str,
    expected_items: int | None = None,
) -> Callable[[Callable[..., Awaitable[Any]]], CardOperation]:
    """Declare a field, ``name``, of an object that calls the provider.

    Its function takes a QueryCall, then the object as ``parent``, whose annotation says which
    type gets the field, and then the field's arguments. Else it is as for ``query``.
    """

    def declare(function: Callable[..., Awaitable[Any]]) -> CardOperation:
        parent: type = get_type_hints(function)["parent"]

        # Strawberry hands the object over as ``self``.
        async def resolve(self: Any, info: Info, **arguments: Any) -> Any:
            return await function(operation.query_call(info.context), self, **arguments)

        field = _read_field(name, function, resolve, expected_items)
        full_name = f"{parent.__name__}.{name}"
        operation = CardOperation(
            "object", full_name, endpoint, scope, rate, (), field, parent=parent
        )
        return operation

    return declare


def mutation(
    endpoint: Endpoint[T],
    *,
    scope: str,
    rate: str,
    failures: Collection[type[GatewayError]],
    argument: str,
    result: str,
) -> Callable[[Callable[[MutationCall[T], Input], Awaitable[Success]]], CardOperation]:
    """Declare a field of Mutation. Its function takes a MutationCall and the field's input.

    It returns the success; a GatewayError becomes the member of the result union that stands for
    it. ``failures`` are those errors that not every mutation can end with. ``argument`` and
    ``result`` describe input and union, and the function's docstring describes the field.
    """

    def declare(function: Callable[[MutationCall[T], Input], Awaitable[Success]]) -> CardOperation:
        name, hints = to_camel_case(function.__name__), get_type_hints(function)
        _check_fields(name, hints["given"], "idempotency_key")
        _check_fields(name, hints["return"], "idempotency_key", "replayed")
        possible = (*failures, *MUTATION_FAILURES)

        async def resolve(info: Info, given: Any) -> Any:
            context, key = info.context, None
            try:
                key = _key(info, given.idempotency_key)
                context.caller.require(scope)
                _check_simulator(context, endpoint)
                return await function(MutationCall(context, name, endpoint, key), given)
            except Exception as error:
                member = await as_member(context, error, key, possible)
                context.failures.append(member.code.name)
                return member

        given = _annotated(hints["given"], strawberry.argument(name="input", description=argument))
        union = strawberry.union(f"{name[0].upper()}{name[1:]}Result", description=result)
        returns = _annotated(reduce(operator.or_, members_of(possible), hints["return"]), union)
        field = _field(name, function, resolve, {"given": given}, returns)
        return CardOperation("mutation", name, endpoint, scope, rate, possible, field, returns)

    return declare


def outcome_query(
    endpoint: Endpoint[Any], of: CardOperation, *, scope: str, rate: str
) -> Callable[[Callable[[OutcomeCall], Awaitable[Any]]], CardOperation]:
    """Declare a field of Query that tells what became of a key of the mutation ``of``.

    ``endpoint`` is where that is found out, for a key whose outcome is not known here.
    Its function returns the success of that mutation, or None where the key is not known; errors
    become members of the mutation's result union.
    """

    def declare(function: Callable[[OutcomeCall], Awaitable[Any]]) -> CardOperation:
        name = to_camel_case(function.__name__)

        async def resolve(
            info: Info, idempotency_key: str, path: str | None = strawberry.UNSET
        ) -> Any:
            context, key = info.context, None
            try:
                key = _key_of(context, of, idempotency_key, path)
                context.caller.require(scope)
                return await function(OutcomeCall(context, name, key))
            except Exception as error:
                member = await as_member(context, error, key, of.failures)
                context.failures.append(member.code.name)
                return member

        field = _field(name, function, resolve, _KEY_ARGUMENTS, of.result | None)
        return CardOperation("query", name, endpoint, scope, rate, of.failures, field)

    return declare


_KEY_ARGUMENTS = {
    "idempotency_key": Annotated[
        UUIDText, strawberry.argument(description="The key that the click was sent with.")
    ],
    "path": Annotated[
        str | None,
        strawberry.argument(
            description="For a key that was sent as a header: the alias, or else the name, of the "
            "mutation's field in its document."
        ),
    ],
}


def _key_of(context: Context, of: CardOperation, given: str, path: str | None) -> Key:
    """The key as the mutation ``of`` had it."""
    client = parse_id(given, "idempotencyKey")
    if isinstance(path, str):
        client = field_key(client, [path])
    field = f"Mutation.{of.name}"
    return Key(client, provider_key(context.caller.id, field, client), made_here=False)


def _check_fields(name: str, kind: type, *fields: str) -> None:
    """Every mutation takes a key, and tells it with what is known of earlier requests."""
    if missing := set(fields) - get_type_hints(kind).keys():
        raise ValueError(f"{name}: {kind.__name__} lacks {', '.join(sorted(missing))}")


def _annotated(kind: Any, by: object) -> Any:
    return cast(Any, Annotated)[kind, by]  # a type that is known when this runs


def _read_field(
    name: str,
    function: Callable[..., Awaitable[Any]],
    resolve: Callable[..., Awaitable[Any]],
    expected_items: int | None,
) -> StrawberryField:
    """The field of a function that reads; what it takes beside the call are its arguments."""
    hints = get_type_hints(function, include_extras=True)
    returns = hints.pop("return")
    arguments = {each: hints[each] for each in hints if each not in {"call", "parent"}}
    return _field(name, function, resolve, arguments, returns, expected_items)


def _field(
    name: str,
    function: Callable[..., Awaitable[Any]],
    resolve: Callable[..., Awaitable[Any]],
    arguments: Mapping[str, Any],
    returns: Any,
    expected_items: int | None = None,
) -> StrawberryField:
    """The field whose resolver has these arguments beside ``info``, and ``self`` of an object.

    The docstring of ``function`` describes it; raises ValueError where there is none.
    """
    description = inspect.getdoc(function)
    if not description:
        raise ValueError(f"{name}: its function has no docstring to describe the field")
    hints = {"info": Info, **arguments}
    known = inspect.signature(resolve).parameters
    parameters = [known["self"]] if "self" in known else []
    parameters += [_parameter(each, hints[each], known.get(each)) for each in hints]
    # What Strawberry reads of a resolver: its name, its signature and its annotations.
    resolve.__name__ = name
    resolve.__annotations__ = {**hints, "return": returns}
    resolve.__signature__ = inspect.Signature(parameters, return_annotation=returns)  # type: ignore[attr-defined]
    items = {} if expected_items is None else {"expected_items": expected_items}
    field: StrawberryField = strawberry.field(
        resolver=resolve, name=name, description=description, metadata=items
    )
    return field


def _parameter(name: str, hint: Any, known: inspect.Parameter | None) -> inspect.Parameter:
    default = known.default if known else inspect.Parameter.empty
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=hint, default=default)


def _check_simulator(context: Context, endpoint: Endpoint[Any]) -> None:
    if endpoint.is_simulator and not context.simulator_allowed:
        raise SimulatorDisabled("There is no simulator in this environment.")


def _key(info: Info, given: str | None) -> Key:
    """The client's key and the provider's; a new one where the client sent none."""
    context, path = info.context, info.path.as_list()
    chosen = parse_key(given, context.header_key, path, required=context.key_required)
    client = chosen or uuid4()
    field = f"{info.path.typename}.{info.field_name}"
    return Key(client, provider_key(context.caller.id, field, client), chosen is None)
