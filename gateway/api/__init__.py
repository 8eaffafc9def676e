"""Room 3: what we offer. GraphQL types, resolvers, loaders and the GraphQL-over-HTTP door."""

from gateway.api.execution import Executor
from gateway.api.ide import ide_routes
from gateway.api.schema import build_schema, schema_text
from gateway.api.view import GraphQLView

__all__ = ["Executor", "GraphQLView", "build_schema", "ide_routes", "schema_text"]
