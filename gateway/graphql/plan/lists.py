"""The lists of a plan: each item is a position of its own, completed by the type of the items.

How it works
------------
A list is walked once, as graphql-core does it. Items that have to be awaited are gathered when all
have been begun. Where an item must not be null and is, the list ends there: what it still holds to
be awaited is settled in the background. An asynchronous iterable is handed to graphql-core.
"""

from collections.abc import Iterable
from types import CoroutineType
from typing import Any

from graphql import GraphQLError, GraphQLList, GraphQLObjectType, get_nullable_type

from gateway.graphql.plan.compat import (
    Core,
    FieldDetails,
    Path,
    collect_iterator_awaitables,
    is_async_iterable,
    is_awaitable,
    is_iterable,
)
from gateway.graphql.plan.infos import InfoMaker
from gateway.graphql.plan.positions import Completer, Position, gathered
from gateway.graphql.plan.run import Run
from gateway.graphql.plan.values import compile_leaf


class Items(Position):
    """The items of a list; ``complete_as`` completes one that is there."""

    def __init__(
        self,
        core: Core,
        parent: GraphQLObjectType,
        details: list[FieldDetails],
        type_: GraphQLList[Any],
        complete_as: Completer,
        infos: InfoMaker,
    ) -> None:
        super().__init__(parent, [one.node for one in details], type_.of_type, complete_as)
        self._core = core
        self._details = details
        self._type = type_
        self._plain = compile_leaf(get_nullable_type(type_.of_type))
        self._infos = infos

    def complete(self, run: Run, value: Any, path: Path, info: Any) -> Any:
        """The list of what the items come to, or a coroutine for it.

        ``info`` is None where the field was read from an attribute and its items ask for none.
        Raises GraphQLError where the value is no list, and what an item that must not be null
        raised.
        """
        if type(value) is list:
            return self._walk(run, value, path, info)
        if is_async_iterable(value):
            return self._complete_asynchronously(run, value, path, info)
        if not is_iterable(value):
            raise GraphQLError(
                f"Expected Iterable, but did not find one for field '{self._parent}.{self._name}'."
            )
        return self._walk(run, value, path, info)

    def _complete_asynchronously(self, run: Run, value: Any, path: Path, info: Any) -> Any:
        # graphql-core takes the names of field and type from the info; no function is shown it.
        info = info or self._infos.make(run, path)
        return run.executor(self._core).complete_list_value(
            self._type, self._details, info, path, value, None
        )

    def _walk(self, run: Run, items: Iterable[Any], path: Path, info: Any) -> Any:
        results: list[Any] = []
        pending: list[int] = []
        iterator = iter(items)
        try:
            for index, item in enumerate(iterator):
                value = self._plain(item)
                if value is None:
                    value = self._item(run, item, Path(path, index, None), info)
                results.append(value)
                if type(value) is CoroutineType:
                    pending.append(index)
        except Exception:
            left = [results[index] for index in pending]
            left += collect_iterator_awaitables(iterator, is_awaitable)
            if left:
                self._core.settle_in_background(left)
            raise
        return gathered(results, pending) if pending else results

    def _item(self, run: Run, item: Any, path: Path, info: Any) -> Any:
        if is_awaitable(item):
            return self._awaited(run, item, path, info)
        try:
            return self._completed(run, item, path, info)
        except Exception as error:
            return self._failed(run, error, path)
