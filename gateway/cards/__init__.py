"""What the gateway offers: the GraphQL schema, and what each of its fields does."""

from gateway.cards.context import DOCUMENTS, DOCUMENTS_RATE, Context
from gateway.cards.failures import member_name
from gateway.cards.loaders import Loaders
from gateway.cards.operations import OPERATIONS
from gateway.cards.schema import build_schema, schema_text
from gateway.cards.switch import Switch

__all__ = [
    "DOCUMENTS",
    "DOCUMENTS_RATE",
    "OPERATIONS",
    "Context",
    "Loaders",
    "Switch",
    "build_schema",
    "member_name",
    "schema_text",
]
