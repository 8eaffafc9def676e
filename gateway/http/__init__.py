"""GraphQL over HTTP, and GraphiQL."""

from gateway.http.cors import CrossOrigin
from gateway.http.faults import UnexpectedErrors
from gateway.http.headers import SecurityHeaders
from gateway.http.health import health_routes
from gateway.http.hosts import Hosts
from gateway.http.ide import ide_routes
from gateway.http.negotiation import accepted, error_type
from gateway.http.responses import error_body, error_response
from gateway.http.routes import ExactRoute
from gateway.http.view import Dependencies, GraphQLView

__all__ = [
    "CrossOrigin",
    "Dependencies",
    "ExactRoute",
    "GraphQLView",
    "Hosts",
    "SecurityHeaders",
    "UnexpectedErrors",
    "accepted",
    "error_body",
    "error_response",
    "error_type",
    "health_routes",
    "ide_routes",
]
