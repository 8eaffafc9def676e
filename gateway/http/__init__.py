"""GraphQL over HTTP, and GraphiQL."""

from gateway.http.headers import SecurityHeaders
from gateway.http.hosts import Hosts
from gateway.http.ide import ide_routes
from gateway.http.view import Dependencies, GraphQLView, error_response, is_browser

__all__ = [
    "Dependencies",
    "GraphQLView",
    "Hosts",
    "SecurityHeaders",
    "error_response",
    "ide_routes",
    "is_browser",
]
