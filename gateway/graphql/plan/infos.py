"""What a resolver is told of its field, as graphql-core tells it."""

from typing import Any

from graphql import FieldNode, GraphQLField, GraphQLObjectType, GraphQLResolveInfo

from gateway.graphql.plan.compat import Core, Path, is_awaitable
from gateway.graphql.plan.run import Run


class InfoMaker:
    """What makes the infos of one field."""

    __slots__ = ("_core", "_definition", "_nodes", "_parent")

    def __init__(
        self,
        core: Core,
        parent: GraphQLObjectType,
        nodes: list[FieldNode],
        definition: GraphQLField,
    ) -> None:
        self._core = core
        self._parent = parent
        self._nodes = nodes
        self._definition = definition

    def make(self, run: Run, path: Path) -> GraphQLResolveInfo[Any]:
        """The info for a run and the path of the field."""
        core = self._core
        return GraphQLResolveInfo(
            field_name=self._nodes[0].name.value,
            field_nodes=self._nodes[:],
            return_type=self._definition.type,
            parent_type=self._parent,
            path=path,
            schema=core.schema,
            fragments=core.fragment_definitions,
            root_value=None,
            operation=core.operation,
            variable_values=run.variables,
            context=run.context,
            is_awaitable=is_awaitable,
            abort_signal=None,
            async_helpers=core.async_helpers,
        )
