"""A position in the response: of a field, or of an item in a list.

How it works
------------
Fields and items differ in where their values come from. What becomes of a value is the same: it is
awaited, completed by the type of the position, and what was raised becomes a null with an error,
here or further up. Awaitables are nested and gathered exactly as in graphql-core, for that decides
which siblings are cancelled when one fails, and in which order errors come.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

from graphql import FieldNode, GraphQLNonNull, GraphQLObjectType, located_error

from gateway.errors import GatewayError
from gateway.graphql.plan.compat import Path, Undefined, gather_with_cancel, is_awaitable
from gateway.graphql.plan.run import Run

Completer: TypeAlias = Callable[[Run, Any, Path, Any], Any]
Results = TypeVar("Results", dict[Any, Any], list[Any])


class Position:
    """What becomes of a value here; ``type_`` is the type of a field or of a list's items."""

    def __init__(
        self,
        parent: GraphQLObjectType,
        nodes: list[FieldNode],
        type_: Any,
        complete_as: Completer,
    ) -> None:
        self._parent = parent
        self._nodes = nodes
        self._name = nodes[0].name.value
        self._nullable = not isinstance(type_, GraphQLNonNull)
        self._complete_as = complete_as

    def _completed(self, run: Run, value: Any, path: Path, info: Any) -> Any:
        completed = self._complete(run, value, path, info)
        return self._guarded(run, completed, path) if is_awaitable(completed) else completed

    async def _awaited(self, run: Run, value: Awaitable[Any], path: Path, info: Any) -> Any:
        try:
            completed = self._complete(run, await value, path, info)
            return await completed if is_awaitable(completed) else completed
        except Exception as error:
            return self._failed(run, error, path)

    async def _guarded(self, run: Run, completed: Awaitable[Any], path: Path) -> Any:
        try:
            return await completed
        except Exception as error:
            return self._failed(run, error, path)

    def _complete(self, run: Run, value: Any, path: Path, info: Any) -> Any:
        if isinstance(value, Exception):
            raise value
        absent = value is None or value is Undefined
        if absent and not self._nullable:
            raise TypeError(
                f"Cannot return null for non-nullable field {self._parent}.{self._name}."
            )
        return None if absent else self._complete_as(run, value, path, info)

    def _failed(self, run: Run, error: Exception, path: Path) -> None:
        if isinstance(error, GatewayError):
            # Foreseen, so that nobody asks where it arose: its frames hold the run, which holds the
            # error, and hundreds of them would wait for the garbage collector.
            error = error.with_traceback(None)
        located = located_error(error, self._nodes[:], path.as_list())
        if not self._nullable:
            raise located
        run.errors.add(located, path)


async def gathered(results: Results, pending: list[Any]) -> Results:
    """The results, once those under the keys or indices that are ``pending`` have been awaited."""
    if len(pending) == 1:
        results[pending[0]] = await results[pending[0]]
    else:
        values = await gather_with_cancel(*(results[key] for key in pending))
        for key, value in zip(pending, values, strict=True):
            results[key] = value
    return results
