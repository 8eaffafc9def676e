"""The fields of a plan: each knows its definition, its type and what to do with its value.

How it works
------------
A field is executed as graphql-core does it: resolve, await, complete by the type, and turn what was
raised into a null with an error, here or further up. Awaitables are nested and gathered exactly as
there. What is not plain is handed to an ``Executor`` of graphql-core, the ``core``: types that do
not fit, asynchronous iterables, and the settling of what nobody waits for any more.

Nothing is made before it is needed: the fields below a field when it has a first value, a path and
an info when there is a resolver to see them, or an error to be placed.
"""

from collections.abc import Awaitable, Callable
from operator import attrgetter
from types import CoroutineType
from typing import Any, TypeAlias

from graphql import (
    GraphQLAbstractType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLUnionType,
    get_named_type,
    is_abstract_type,
)
from graphql.execution import default_field_resolver, default_type_resolver

from gateway.graphql.plan.compat import (
    Core,
    FieldDetails,
    GroupedFieldSet,
    Path,
    invalid_return_type_error,
    is_awaitable,
)
from gateway.graphql.plan.infos import InfoMaker
from gateway.graphql.plan.lists import Items
from gateway.graphql.plan.positions import Completer, Position, gathered
from gateway.graphql.plan.resolvers import direct_resolver
from gateway.graphql.plan.run import Run
from gateway.graphql.plan.values import attribute_of, compile_arguments, compile_leaf

_Execute: TypeAlias = Callable[[Run, Any, Path | None], Any]


class Selection:
    """The fields of one object type, in the order of the response."""

    def __init__(self, core: Core, type_: GraphQLObjectType, grouped: GroupedFieldSet) -> None:
        fields = ((key, _execute(core, type_, key, details)) for key, details in grouped.items())
        self._fields = [(key, execute) for key, execute in fields if execute]
        self._settle_in_background = core.settle_in_background
        core.grown(len(self._fields))

    def execute(self, run: Run, source: Any, path: Path | None) -> Any:
        """The fields' values, or a coroutine for them; raises where a null must go further up."""
        results: dict[str, Any] = {}
        pending: list[str] = []
        try:
            for key, execute in self._fields:
                value = results[key] = execute(run, source, path)
                if type(value) is CoroutineType:
                    pending.append(key)
        except Exception:
            if pending:
                self._settle_in_background([results[key] for key in pending])
            raise
        return gathered(results, pending) if pending else results

    def execute_serially(self, run: Run) -> Any:
        """The values of a mutation's root fields, each executed when the one before is done."""
        results: dict[str, Any] = {}
        for number, (key, execute) in enumerate(self._fields):
            value = execute(run, None, None)
            if type(value) is CoroutineType:
                return self._rest(run, results, key, value, number + 1)
            results[key] = value
        return results

    async def _rest(
        self, run: Run, results: dict[str, Any], key: str, value: Awaitable[Any], number: int
    ) -> dict[str, Any]:
        results[key] = await value
        for key, execute in self._fields[number:]:
            value = execute(run, None, None)
            results[key] = await value if type(value) is CoroutineType else value
        return results


def _execute(
    core: Core, parent: GraphQLObjectType, key: str, details: list[FieldDetails]
) -> _Execute | None:
    name = details[0].node.name.value
    definition = core.schema.get_field(parent, name)
    if definition is None:
        return None
    if name == "__typename":
        return lambda run, source, path: parent.name
    if attribute := attribute_of(definition):
        return _Attribute(core, parent, key, details, definition, attribute).execute
    return _Field(core, parent, key, details, definition).execute


class _Field(Position):
    """A field with a resolver, executed as graphql-core does."""

    def __init__(
        self,
        core: Core,
        parent: GraphQLObjectType,
        key: str,
        details: list[FieldDetails],
        definition: GraphQLField,
    ) -> None:
        nodes = [one.node for one in details]
        self._infos = InfoMaker(core, parent, nodes, definition)
        super().__init__(
            parent,
            nodes,
            definition.type,
            _completer(core, parent, details, _nullable(definition.type), self._infos),
        )
        self._key = key
        self._resolve = (
            direct_resolver(core.schema, definition) or definition.resolve or default_field_resolver
        )
        self._arguments = compile_arguments(
            definition, self._nodes[0], hide_suggestions=core.hide_suggestions
        )

    def execute(self, run: Run, source: Any, parent: Path | None) -> Any:
        """The field's value, or a coroutine for it; raises where null is not permitted."""
        path = Path(parent, self._key, self._parent.name)
        info = self._infos.make(run, path)
        try:
            result = self._resolve(source, info, **self._arguments(run.variables))
            return self._finished(run, result, path, info)
        except Exception as error:
            return self._failed(run, error, path)

    def _finished(self, run: Run, result: Any, path: Path, info: Any) -> Any:
        if is_awaitable(result):
            return self._awaited(run, result, path, info)
        return self._completed(run, result, path, info)


class _Attribute(_Field):
    """A field that is read from an attribute; its path is made when something needs it."""

    def __init__(
        self,
        core: Core,
        parent: GraphQLObjectType,
        key: str,
        details: list[FieldDetails],
        definition: GraphQLField,
        attribute: str,
    ) -> None:
        super().__init__(core, parent, key, details, definition)
        self._read = attrgetter(attribute)
        self._plain = compile_leaf(_nullable(definition.type))
        self._asks = _asks(get_named_type(definition.type))

    def execute(self, run: Run, source: Any, parent: Path | None) -> Any:
        """As for any field."""
        try:
            value = self._read(source)
            plain = self._plain(value)
            if plain is not None or (value is None and self._nullable):
                return plain
            path = Path(parent, self._key, self._parent.name)
            info = self._infos.make(run, path) if self._asks else None
            return self._finished(run, value, path, info)
        except Exception as error:
            return self._failed(run, error, Path(parent, self._key, self._parent.name))


def _nullable(type_: Any) -> Any:
    return type_.of_type if isinstance(type_, GraphQLNonNull) else type_


def _asks(type_: Any) -> bool:
    """Whether functions of the type are asked, with an info, what a value of it is."""
    return is_abstract_type(type_) or bool(getattr(type_, "is_type_of", None))


def _completer(
    core: Core,
    parent: GraphQLObjectType,
    details: list[FieldDetails],
    type_: Any,
    infos: InfoMaker,
) -> Completer:
    if isinstance(type_, GraphQLObjectType):
        return _object(core, details, type_)
    if isinstance(type_, GraphQLInterfaceType | GraphQLUnionType):
        return _abstract(core, details, type_)
    if isinstance(type_, GraphQLList):
        inner = _completer(core, parent, details, _nullable(type_.of_type), infos)
        return Items(core, parent, details, type_, inner, infos).complete
    return lambda run, value, path, info: core.complete_leaf_value(type_, value)


def _object(core: Core, details: list[FieldDetails], type_: GraphQLObjectType) -> Completer:
    selection: Selection | None = None

    def execute(run: Run, value: Any, path: Path, info: Any) -> Any:
        nonlocal selection
        if selection is None:
            grouped = core.collect_subfields(type_, details).grouped_field_set
            selection = Selection(core, type_, grouped)
        return selection.execute(run, value, path)

    def complete(run: Run, value: Any, path: Path, info: Any) -> Any:
        def checked(fits: Any) -> Any:
            if not fits:
                raise invalid_return_type_error(type_, value, details)
            return execute(run, value, path, info)

        return _then(type_.is_type_of(value, info), checked)  # type: ignore[misc]

    return complete if type_.is_type_of else execute


def _abstract(core: Core, details: list[FieldDetails], type_: GraphQLAbstractType) -> Completer:
    resolve_type = type_.resolve_type or default_type_resolver
    objects: dict[str, Completer] = {}

    def complete(run: Run, value: Any, path: Path, info: Any) -> Any:
        def named(name: Any) -> Any:
            found = objects.get(name) if isinstance(name, str) else None
            if found is None:
                known = core.ensure_valid_runtime_type(name, type_, details, info, value)
                found = objects[known.name] = _object(core, details, known)
            return found(run, value, path, info)

        return _then(resolve_type(value, info, type_), named)

    return complete


def _then(value: Any, use: Callable[[Any], Any]) -> Any:
    """What ``use`` makes of the value, or a coroutine for it."""

    async def later() -> Any:
        result = use(await value)
        return await result if is_awaitable(result) else result

    return later() if is_awaitable(value) else use(value)
