"""What the gateway offers: the GraphQL schema, and what each of its fields does."""

from gateway.cards.context import CardLoader, Context
from gateway.cards.schema import REMOTE_FIELDS, build_schema, schema_text

__all__ = ["REMOTE_FIELDS", "CardLoader", "Context", "build_schema", "schema_text"]
