"""Room 3: what we offer. GraphQL types, resolvers, loaders and the GraphQL-over-HTTP door."""

from gateway.api.documents import Documents
from gateway.api.execution import Executor
from gateway.api.ide import ide_routes
from gateway.api.limits import DocumentLimits
from gateway.api.schema import build_schema, schema_text
from gateway.api.trusted import TrustedDocuments
from gateway.api.view import Door, GraphQLView

__all__ = [
    "DocumentLimits",
    "Documents",
    "Door",
    "Executor",
    "GraphQLView",
    "TrustedDocuments",
    "build_schema",
    "ide_routes",
    "schema_text",
]
