"""A GraphQL engine that knows nothing of cards, of settings or of HTTP."""

from gateway.graphql.documents import Documents
from gateway.graphql.execution import (
    Executor,
    Failure,
    GraphQLRequest,
    GraphQLResponse,
)
from gateway.graphql.limits import DocumentLimits
from gateway.graphql.operations import Facts, shown_name
from gateway.graphql.plan import engine_schema
from gateway.graphql.trusted import Mode as DocumentMode
from gateway.graphql.trusted import TrustedDocuments

__all__ = [
    "DocumentLimits",
    "DocumentMode",
    "Documents",
    "Executor",
    "Facts",
    "Failure",
    "GraphQLRequest",
    "GraphQLResponse",
    "TrustedDocuments",
    "engine_schema",
    "shown_name",
]
