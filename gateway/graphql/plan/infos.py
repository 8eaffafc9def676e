"""What a resolver is told of its field, as graphql-core tells it."""

from collections.abc import Callable
from typing import Any, TypeAlias

from graphql import GraphQLField, GraphQLObjectType, GraphQLResolveInfo

from gateway.graphql.plan.compat import Core, FieldDetails, Path, is_awaitable
from gateway.graphql.plan.run import Run

InfoOf: TypeAlias = Callable[[Run, Path], GraphQLResolveInfo[Any]]


def info_of(
    core: Core, parent: GraphQLObjectType, details: list[FieldDetails], definition: GraphQLField
) -> InfoOf:
    """What makes the info of this field for a run and the field's path."""
    nodes = [one.node for one in details]
    name = nodes[0].name.value

    def make(run: Run, path: Path) -> GraphQLResolveInfo[Any]:
        return GraphQLResolveInfo(
            field_name=name,
            field_nodes=nodes[:],
            return_type=definition.type,
            parent_type=parent,
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

    return make
